"""Clients at full speed lose nothing, a long history comes back whole: what `tests/benchmarks` times."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.ingest import ingest
from tests.benchmarks.scan import client_seconds, fill
from tests.e2e.tracking import BOTH

CLIENTS, STEPS, ROWS = 6, 500, 5_000


@pytest.mark.slow(10, "six clients at full speed lose no row, on either database")
@pytest.mark.parametrize("kind", BOTH)
def test_clients_at_full_speed_lose_nothing(make_client: Any, kind: str) -> None:
    found = ingest(make_client(kind, "--strict"), CLIENTS, STEPS)
    assert (found.counted, found.stored) == (CLIENTS * STEPS,) * 2, found.text()


@pytest.mark.slow(10, "a history of many pages comes back whole and in order through the client")
def test_a_long_history_comes_back_in_order(client: Any) -> None:
    fill(client.server, ROWS)
    assert len(client_seconds(client, ROWS, times=1)) == 1
