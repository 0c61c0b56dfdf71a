"""Many clients at once lose nothing, and a long history comes back fast: `tests/benchmarks/ingest.py`, with limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.ingest import ingest, scan_seconds

CLIENTS, STEPS, ROWS, LIMIT = 16, 500, 20_000, 3.0


@pytest.mark.slow
def test_sixteen_clients_at_full_speed_lose_nothing(make_client: Any, database: str) -> None:
    found = ingest(make_client(database, "--strict"), CLIENTS, STEPS)
    assert (found.counted, found.stored) == (CLIENTS * STEPS,) * 2, found.text()


@pytest.mark.slow
def test_twenty_thousand_rows_are_scanned_in_three_seconds(client: Any, project: str) -> None:
    assert min(scan_seconds(client, project, ROWS, enough=LIMIT)) < LIMIT
