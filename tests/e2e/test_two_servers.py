"""Two servers of one PostgreSQL; `python -m tests.e2e.two_servers` is the same with W&B's clients, for minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.two_servers import Pair, by_rows, exercise, search, spoken

CLIENTS, AGENTS, POINTS, KILLS = 4, 3, 9, 2


@pytest.mark.slow(25, "two real servers of one PostgreSQL lose no row and no point when one of them is killed")
def test_no_row_is_lost_and_each_point_is_finished_once(database_url: Callable[[str], str], tmp_path: Path) -> None:
    pair = Pair(tmp_path, database_url("postgresql"))
    try:
        load = spoken(pair, CLIENTS, AGENTS, search(pair, POINTS))
        found = exercise(pair, load, by_rows(pair, KILLS, 30), POINTS)
        assert (found.kills, found.points) == (KILLS, POINTS)
        assert found.read == found.written > 30 * KILLS
        logs = [server.log.read_text() for server in pair.both]
        assert "Traceback" not in "".join(logs)
    finally:
        pair.close()
