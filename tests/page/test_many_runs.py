"""The table of more runs than anybody waits for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kag.server.page import held, runs_page
from tests.page.synthetic import add_runs


def table_of(page: str) -> Any:
    """What a page of the table holds."""
    found = re.search(r'id="table">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_of_many_runs_the_newest_come_first_and_nothing_is_read_of_the_others(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that knows them asks for the rest, as it asks for all else."""
    for name, value in (("AT_ONCE", 8), ("FIRST", 3), ("NEWEST", 3)):
        monkeypatch.setattr(runs_page, name, value)
    add_runs(reader.store, 9, epochs=2)
    read: list[str] = []
    parsed = held.parsed
    monkeypatch.setattr(held, "parsed", lambda text: (read.append(text), parsed(text))[1])
    answer = table_of(reader.browse("/kag/many").text)
    assert [run[2] for run in answer["runs"]] == ["run0008", "run0007", "run0006"]
    assert (answer["total"], answer["seen"], answer["fits"], answer["groups"]) == (9, "", None, [])
    assert len(read) == 6, "config and summary of three runs"
    whole = reader.fetch("/kag/many/runs.json?seen=").json()
    assert (len(whole["runs"]), whole["whole"], whole.get("total")) == (9, True, None)
    filtered = table_of(reader.browse("/kag/many?q=run0002").text)
    assert filtered["fits"] == ["00000002"], "who asks for some runs gets them, wherever they are"
