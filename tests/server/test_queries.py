"""Lists cost the same few queries however long they are, and read no more than a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from graphql import OperationType
from sqlalchemy import event

from tests.server.documents.record import recorded
from tests.server.test_schema import operation_of, refusal, variables_of
from tests.server.test_sweeps_server import agent, beat, make


@contextmanager
def statements(site: Any) -> Iterator[list[str]]:
    """The statements that reach the database while the block runs."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(site.store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(site.store.engine, "before_cursor_execute", note)


def add(site: Any, log: Any, number: int) -> None:
    """One more of everything that is listed."""
    sweep = make(site)
    run = beat(site, agent(site, sweep))[0]["run_id"]
    site.run(run, sweep=sweep["name"], tags=["a"])
    site.log(0, [{"_step": 0, "score": number}], run)
    site.stream({"files": {"wandb-events.jsonl": {"offset": 0, "content": ['{"system.cpu": 1}']}}}, run)
    words = {
        "runName": run,
        "tags": [{"tagName": "t"}],
        "aliases": [{"artifactCollectionName": "m", "alias": f"b{number}"}],
    }
    log({"a.txt": b"%d" % number}, "m", **words)
    log({"b.txt": b"%d" % number}, f"n{number}", runName=run)
    log({"c.txt": b"%d" % number}, "p", runName="first")


QUERIES = [
    one for one in recorded()
    if "edges" in one and operation_of(one).operation is OperationType.QUERY and refusal(one) is None
]  # fmt: skip


@pytest.fixture
def counted(site: Any, log: Any) -> list[dict[str, int]]:
    """Document -> statements: with two of everything, and with five."""
    found = []
    for amount in (2, 3):
        for number in range(amount):
            add(site, log, len(found) * 10 + number)
        found.append({})
        for document in QUERIES:
            variables = variables_of(operation_of(document)) | {"order": None, "filters": "{}", "first": 50}
            with statements(site) as seen:
                site.http.post("/graphql", json={"query": document, "variables": variables})
            found[-1][document] = len(seen)
    return found


def test_a_longer_list_costs_no_more_queries(counted: list[dict[str, int]]) -> None:
    few, more = counted
    assert len(QUERIES) > 100
    assert {document: (few[document], more[document]) for document in QUERIES if more[document] > few[document]} == {}
