"""Lists cost the same few queries however long they are, and read no more than a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from graphql import OperationType
from sqlalchemy import event, true

from kag.server.filters_sql import Split
from kag.server.held_lists import HeldLists, Judged
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
    made = site.run(run, sweep=sweep["name"], tags=["a"])
    site.log(0, [{"_step": 0, "score": number}], run)
    site.stream({"files": {"wandb-events.jsonl": {"offset": 0, "content": ['{"system.cpu": 1}']}}}, run)
    site.run(run, id=made["bucket"]["id"])  # of one that goes on, the lines are counted
    words = {
        "runName": run,
        "tags": [{"tagName": "t"}],
        "aliases": [{"artifactCollectionName": "m", "alias": f"b{number}"}],
    }
    log({"a.txt": b"%d" % number}, "m", **words)
    log({"b.txt": b"%d" % number}, f"n{number}", runName=run)
    log({"c.txt": b"%d" % number}, "p", runName="first")


@pytest.fixture(scope="module")
def queries() -> list[str]:
    """The documents that list something and are served."""
    return [
        one
        for one in recorded()
        if "edges" in one and operation_of(one).operation is OperationType.QUERY and refusal(one) is None
    ]


@pytest.fixture
def counted(site: Any, log: Any, queries: list[str]) -> list[dict[str, int]]:
    """Document -> statements: with two of everything, and with five."""
    found = []
    for amount in (2, 3):
        for number in range(amount):
            add(site, log, len(found) * 10 + number)
        found.append({})
        for document in queries:
            variables = variables_of(operation_of(document)) | {"order": None, "filters": "{}", "first": 50}
            with statements(site) as seen:
                site.http.post("/graphql", json={"query": document, "variables": variables})
            found[-1][document] = len(seen)
    return found


def test_a_longer_list_costs_no_more_queries(counted: list[dict[str, int]], queries: list[str]) -> None:
    few, more = counted
    assert len(queries) > 100
    grown = {document: more[document] - few[document] for document in queries if more[document] > few[document]}
    # One document has a list in a list: of each collection its versions, where they belong, and by which names.
    assert [document.split("(")[0] for document in grown] == ["query ArtifactOfType"] * len(grown)
    assert all(growth <= 3 * 4 for growth in grown.values())


@pytest.fixture
def many(site: Any) -> Any:
    """A server with such runs."""
    fill(site)
    return site


def fill(site: Any) -> None:
    """Make runs that differ in everything that a filter can say."""
    make(site)
    for number, name in enumerate(("b", "a", "ä", "B", "aa", "NaN", "\U0001f600", "c")):
        words = {
            "displayName": name,
            "tags": ["x"] if number % 2 else [],
            "config": json.dumps({"n": {"value": number}}),
        }
        if number % 3:
            words["notes"] = name * 3
        site.run(f"r{number}", **words)
        site.now += 50
        if number % 2:
            site.stream({"complete": True, "exitcode": number % 3}, f"r{number}")
    site.now += 200


SAID = [
    {},
    {"display_name": "a"},
    {"displayName": {"$ne": "a"}},
    {"notes": None},
    {"notes": {"$ne": None}},
    {"notes": {"$exists": True}},
    {"notes": {"$exists": False}},
    {"state": "running"},
    {"state": {"$in": ["crashed", "failed"]}},
    {"state": {"$nin": ["finished"]}},
    {"display_name": {"$gt": "a"}},
    {"display_name": {"$lte": "B"}},
    {"display_name": {"$gt": "Infinity"}},
    {"display_name": {"$gt": 1}},
    {"notes": {"$not": {"$gt": "b"}}},
    {"display_name": ["a"]},
    {"display_name": True},
    {"created_at": {"$gt": 1_000_100}},
    {"created_at": 1_000_050.0},
    {"created_at": True},
    {"created_at": {"$gte": "1970-01-12T13:48:00"}},
    {"duration": {"$lt": 60}},
    {"duration": {"$in": [0, 50]}},
    {"duration": {"$gt": 10**400}},
    {"duration": 10**400},
    {"group": None},
    {"sweep": None},
    {"notes": {"$in": [None, "aaa"]}},
    {"$or": [{"display_name": "a"}, {"state": "failed"}]},
    {"$nor": [{"display_name": "a"}, {"notes": None}]},
    {"$not": {"$and": [{"notes": None}, {"state": "crashed"}]}},
    {"$or": []},
    {"$and": []},
    {"user": "tester", "host": None},
    {"$and": [{"state": "crashed"}, {"config.n": {"$gt": 2}}]},
    {"$or": [{"tags": "x"}, {"notes": None}]},
    {"display_name": {"$in": ["a", "b", 1, None, ["c"]]}},
    {"display_name": {"$in": [f"{i}" for i in range(5000)] + ["a"]}},
    {"display_name": {"$regex": "^.$"}, "state": {"$ne": "failed"}},
    {"$or": [{"display_name": str(i)} for i in range(900)] + [{"display_name": "c"}]},
]
ORDERS = [
    None,
    "+created_at",
    "-created_at",
    "+display_name",
    "-display_name",
    "-notes",
    "+notes,-duration",
    "-state",
    "+config.n",
    "-tags,+name",
]
PAGE = """query($f: JSONString, $o: String, $n: Int, $c: String){project(name:"p"){runCount(filters:$f)
  runs(filters:$f, order:$o, first:$n, after:$c){totalCount edges{node{name}} pageInfo{hasNextPage endCursor}}}}"""


def walk(site: Any, wanted: Any, order: str | None, size: int) -> list[str]:
    """The runs that a filter leaves, page by page."""
    found: list[str] = []
    cursor, more = None, True
    while more:
        project = site.ask(PAGE, f=json.dumps(wanted), o=order, n=size, c=cursor)["project"]
        page = project["runs"]
        found += [edge["node"]["name"] for edge in page["edges"]]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert project["runCount"] == page["totalCount"]
    assert len(found) == project["runCount"]
    return found


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> Any:
    """From its call on, no database says anything: `filters.matches` alone decides."""

    def leave_all() -> None:
        monkeypatch.setattr("kag.server.run_list.Sayer.split", lambda self, expression: Split(true(), expression))

    return leave_all


def check_said(site: Any, in_python: Any) -> None:
    said = [walk(site, wanted, None, 3) for wanted in SAID]
    in_python()
    assert dict(enumerate(said)) == {number: walk(site, wanted, None, 100) for number, wanted in enumerate(SAID)}
    assert sum(map(bool, said)) > 25


def test_the_database_says_of_a_filter_what_python_says(many: Any, in_python: Any) -> None:
    check_said(many, in_python)


def check_orders(site: Any) -> None:
    for order in ORDERS:
        whole = walk(site, {}, order, 100)
        assert len(set(whole)) == 8
        assert walk(site, {}, order, 3) == whole, order
    names = {f"r{number}": name for number, name in enumerate(("b", "a", "ä", "B", "aa", "NaN", "\U0001f600", "c"))}
    assert walk(site, {}, "+display_name", 3) == sorted(names, key=names.__getitem__)
    assert walk(site, {}, "-display_name", 3) == sorted(names, key=names.__getitem__, reverse=True)
    assert {*walk(site, {}, "-notes", 3)[-3:]} == {"r0", "r3", "r6"}, "who has none comes last"


def test_pages_of_every_order_join(many: Any) -> None:
    check_orders(many)


def test_a_cursor_of_another_order_is_refused(many: Any) -> None:
    cursor = many.ask(PAGE, o="+display_name", n=2)["project"]["runs"]["pageInfo"]["endCursor"]
    for order in (None, "+created_at", "+display_name,+notes", "+config.n"):
        answer = many.post(PAGE, o=order, n=2, c=cursor)
        assert answer.status_code == 400
        assert "another list" in answer.text


def test_of_a_project_no_more_than_a_page_is_read_in_full(many: Any) -> None:
    for wanted, order in (({}, None), ({}, "-notes"), ({"config.n": {"$gt": 0}}, "+config.n"), ({"tags": "x"}, None)):
        with statements(many) as seen:
            many.ask(PAGE, f=json.dumps(wanted), o=order, n=2, c=None)
        full = [statement for statement in seen if "runs.history_keys" in statement]
        assert len(full) == 1
        assert "LIMIT" in full[0] or full[0].count("?") == 2, full
        assert all("runs.summary" not in statement for statement in seen if statement is not full[0])


def pages_of(site: Any, order: str | None, wanted: Any, size: int) -> list[int]:
    """How many statements each page of a walk takes, the two of the key left out."""
    found, cursor, more = [], None, True
    while more:
        with statements(site) as seen:
            project = site.ask(PAGE, f=json.dumps(wanted), o=order, n=size, c=cursor)["project"]
        page = project["runs"]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        found.append(len(seen))
    return found


LISTED = [
    (None, {}),
    ("-created_at", {}),
    ("-heartbeat_at", {}),
    ("+config.n", {}),
    (None, {"state": "crashed"}),
    (None, {"config.n": {"$gte": 0}}),
]
"""Orders and filters that people list runs with."""


def add_runs(site: Any, numbers: range) -> None:
    for number in numbers:
        site.run(f"more{number}", config=json.dumps({"n": {"value": number}}))


@pytest.mark.parametrize(("order", "wanted"), LISTED)
def test_a_page_costs_as_many_queries_in_a_long_list(site: Any, order: str | None, wanted: Any) -> None:
    """And a later page reads no run that is not on it: what is held is judged once."""
    add_runs(site, range(6))
    site.now += 1_000
    few = pages_of(site, order, wanted, 2)
    add_runs(site, range(6, 24))
    site.now += 1_000
    many = pages_of(site, order, wanted, 2)
    assert len(few) == 3
    assert len(many) == 12
    assert max(many) <= max(few)
    with statements(site) as seen:
        found = walk(site, wanted, order, 24)
    assert len(found) == 24
    judging = [one for one in seen if "AS fits" in one]
    assert all("runs.changed > ?" in one for one in judging), "of what is held, only what has changed is read again"


def test_what_is_held_of_a_list_follows_every_change(site: Any) -> None:
    add_runs(site, range(4))
    late = {"config.n": {"$gte": 2}}
    running = {"state": "running", "config.n": {"$gte": 0}}
    assert walk(site, late, "-config.n", 3) == ["more3", "more2"]
    assert sorted(walk(site, running, None, 3)) == [f"more{number}" for number in range(4)]
    site.run("more0", config=json.dumps({"n": {"value": 9}}))
    assert walk(site, late, "-config.n", 3) == ["more0", "more3", "more2"]
    site.run("more3", config=json.dumps({"n": {"value": 1}}))
    assert walk(site, late, "-config.n", 3) == ["more0", "more2"]
    number = site.ask('{project(name: "p") {run(name: "more2") {id}}}')["project"]["run"]["id"]
    site.ask("mutation($i: ID!) {deleteRun(input: {id: $i}) {success}}", i=number)
    assert walk(site, late, "-config.n", 3) == ["more0"]
    site.now += 200
    site.log(0, [{"_step": 0}], "more1")
    site.now += 200
    assert walk(site, running, None, 3) == ["more1"], "who fell silent is not running, though nothing has changed"
    site.now += 200
    assert walk(site, running, None, 3) == []
    site.log(1, [{"_step": 1}], "more1")
    assert walk(site, running, None, 3) == ["more1"]


def test_lists_beyond_the_room_are_worked_out_anew(site: Any) -> None:
    add_runs(site, range(6))
    lists, judged = HeldLists(room=7), list[str]()

    def places(words: str, length: int) -> int:
        def judge(among: Any) -> Iterator[Judged]:
            judged.append(words)
            yield from (Judged(number, [number], passes=False) for number in range(length))

        with site.store.read() as connection:
            return len(lists.places(connection, 1, words, judge))

    assert [places("short", 3), places("other", 4), places("short", 3), places("other", 4)] == [3, 4, 3, 4]
    assert judged == ["short", "other"]
    assert [places("long", 8), places("long", 8), places("short", 3)] == [8, 8, 3]
    assert judged == ["short", "other", "long", "long"], "a list that is too long takes the place of none"
    assert [places("third", 1), places("other", 4), places("short", 3)] == [1, 4, 3]
    assert judged[4:] == ["third", "other", "short"]
