"""What protects the server from a request: each is answered or refused in words, and costs what it may cost."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from graphql import parse

from kag.server import bounded_json, patterns
from kag.server.body import SHORT
from kag.server.context import encode_id
from kag.server.cost import MAX_ANSWERS, MAX_LISTS, check_cost
from kag.server.faults import Fault
from kag.server.history import LONGEST_KEY
from kag.server.schema import served
from tests.server.documents.record import recorded
from tests.server.test_filters import RUNS
from tests.server.test_schema import operation_of, refusal

ENDLESS = [
    ("(a|aa)+$", "a" * 5000 + "!"), (".*.*.*.*.*.*.*.*b", "a" * 5000), ("(a*)*b", "a" * 5000), ("(x+x+)+y", "x" * 5000),
    ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000), ("(.*)*(.*)*=", "x" * 5000),
]  # fmt: skip
"""Expressions with texts on which a matcher that tries one way after another does not end while anybody waits."""


def told(answer: httpx.Response) -> str:
    """What the sender of a refused request is told."""
    assert 400 <= answer.status_code < 500, answer.text
    return str(answer.json()["error"])


@pytest.mark.parametrize(("pattern", "text"), ENDLESS)
def test_no_expression_takes_longer_than_its_text(site: Any, pattern: str, text: str) -> None:
    site.run("first", displayName=text)
    found = site.ask(RUNS, f=json.dumps({"display_name": {"$regex": pattern}}))["project"]
    assert found["runCount"] == len(found["runs"]["edges"])


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", "[", "a" * 201, 7, "(.{0,100}){0,10}b"]
)
def test_an_expression_that_is_not_served_is_refused_in_words(site: Any, pattern: Any) -> None:
    site.run("first", displayName="ab")
    answer = site.post(RUNS, f=json.dumps({"display_name": {"$regex": pattern}}))
    assert "$regex" in told(answer)


def test_expressions_find_what_they_say() -> None:
    assert patterns.search(r"^v\d+ (ä|ö)$", "v12 ä")
    assert not patterns.search("^b", "ab")
    assert patterns.search("b", "a" * (patterns.SEARCHED - 1) + "b")
    assert not patterns.search("b", "a" * patterns.SEARCHED + "b"), "what lies further is not searched"


@pytest.mark.parametrize("key", ["summary_metrics" + "['a" * 400, "config" + ".a" * 600, "x" * 70_000])
def test_a_key_beyond_measure_is_refused_wherever_one_is_asked_for(site: Any, key: str) -> None:
    site.run()
    site.log(0, [{"_step": 0}])
    assert str(LONGEST_KEY) in told(site.post(RUNS, f=json.dumps({key: 1})))
    assert str(LONGEST_KEY) in told(site.post(RUNS, o=f"-{key}"))
    query = 'query($s: JSONString!){project(name:"p"){run(name:"first"){sampledHistory(specs:[$s])}}}'
    assert str(LONGEST_KEY) in told(site.post(query, s=json.dumps({"keys": [key]})))


def nested(levels: int, inner: str = "name", first: str = "") -> str:
    """Runs of the project of runs of the project ..."""
    return f'{{project(name:"p"){{{f"runs{first}{{edges{{node{{project{{" * levels}{inner}{"}}}}" * levels}}}}}'


def many(field: str) -> str:
    """A field by more names than there may be lists."""
    return " ".join(f"a{number}: {field}" for number in range(MAX_LISTS + 1))


COSTLY = [
    (nested(3), "first"),
    (nested(6), "levels deep"),
    (nested(2, first="(first: 1000)"), "first"),
    ('{project(name:"p"){' + many("runs(first: 1){totalCount}") + "}}", "lists"),
    ('{project(name:"p"){run(name:"x"){' + many("history") + "}}}", "lists"),
    ("{viewer{...A}} " + "".join(
        f"fragment {one} on User{{projects{{edges{{node{{user{{...{two}}}}}}}}}}} " for one, two in ("AB", "BC", "CD")
    ) + "fragment D on User{name}", "first"),
    ("{viewer{...A}} fragment A on User{...B} fragment B on User{name ...A}", "contains itself"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "words"), COSTLY)
def test_a_query_that_would_cost_too_much_is_refused_before_it_reaches_the_database(
    site: Any, query: str, words: str
) -> None:
    assert words in told(site.post(query))


def test_variables_count_as_what_they_hold() -> None:
    document = parse(
        "query($n: Int){project{runs(first: $n){edges{node{name project{runs(first: $n){edges{node{name}}}}}}}}}"
    )
    operation: Any = document.definitions[0]
    check_cost(served(), operation, {}, {"n": 50})
    with pytest.raises(Fault, match=f"{MAX_ANSWERS} are served"):
        check_cost(served(), operation, {}, {"n": 1000})


def test_a_list_that_is_longer_than_anybody_said_ends_the_query(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.server.graphql.MAX_ANSWERS", 100)
    site.run()
    site.log(0, [{"_step": step} for step in range(120)])
    query = 'query($n: Int){project(name:"p"){run(name:"first"){history(samples: $n)}}}'
    site.ask(query, n=50)
    assert "values or more" in told(site.post(query, n=120))


def test_every_document_of_a_client_costs_little() -> None:
    for document in recorded():
        if refusal(document) is None:
            definitions = parse(document).definitions
            fragments = {one.name.value: one for one in definitions if one.kind == "fragment_definition"}
            pages = {"perPage": 1000, "first": 1000, "limit": 1000, "pageSize": 1000}
            check_cost(served(), operation_of(document), fragments, pages)


BOMBS = {
    "lists": b'{"query": "{viewer{id}}", "variables": {"a": [' + b"[]," * 2_100_000 + b"[]]}}",
    "objects": b'{"query": "{viewer{id}}", "variables": {"a": [' + b'{"":0},' * 1_100_000 + b"0]}}",
    "nested": b'{"query": "{viewer{id}}", "variables": ' + b'{"a":' * 960 + b"1" + b"}" * 961,
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_body_that_would_become_too_much_is_never_parsed(
    site: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    monkeypatch.setattr(bounded_json.json, "loads", lambda text: parsed.append(len(text)))
    object.__setattr__(site.settings, "max_body", 2**26)
    answer = site.http.post("/graphql", content=gzip.compress(BOMBS[what]), headers={"Content-Encoding": "gzip"})
    monkeypatch.undo()
    assert "at most" in told(answer)
    assert parsed == []


@pytest.mark.parametrize("place", ["config", "row", "filter"])
def test_a_text_of_json_inside_a_body_has_the_same_bounds(
    site: Any, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_json, "MAX_VALUES", 1_000)
    site.run()
    bomb = '{"a": [' + "[]," * 600 + "[]]}"
    if place == "row":
        half = '{"a": [' + "[]," * 300 + "[]]}"
        answer = site.stream({"files": {"wandb-history.jsonl": {"offset": 0, "content": [half, half]}}})
    elif place == "filter":
        answer = site.post(RUNS, f=bomb)
    else:
        query = "mutation($i: UpsertBucketInput!){upsertBucket(input:$i){inserted}}"
        answer = site.post(query, i={"name": "first", "modelName": "p", "config": bomb})
    assert "values at most" in told(answer)


def test_commas_and_brackets_inside_strings_are_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_json, "MAX_VALUES", 10)
    text = json.dumps({"a": "[,{" * 100 + '"\\', "b": '\\"' * 50})
    assert bounded_json.loads(text.encode()) == json.loads(text)
    for broken in (b'{"a": "' + b",[" * 20, b'"\\' + b'\\"' * 20, b'"' * 21 + b"\\"):
        with pytest.raises(Fault):
            bounded_json.loads(broken)


def test_other_requests_go_on_while_a_body_is_parsed(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = bounded_json.loads

    def slow(data: bytes) -> Any:
        begun.set()
        assert go_on.wait(60)
        return real(data)

    monkeypatch.setattr(bounded_json, "loads", slow)

    async def both() -> tuple[int, int]:
        asked = asyncio.create_task(site.http.client.post("/graphql", json={"query": "{viewer{id}}"}))
        await asyncio.to_thread(begun.wait, 60)
        healthy = await site.http.client.get("/healthz")
        go_on.set()
        return healthy.status_code, (await asked).status_code

    assert site.http.run(both()) == (200, 200)


def test_a_thousand_questions_leave_a_thread_for_everything_else(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run()
    go_on = threading.Event()
    monkeypatch.setattr("kag.server.graphql.execute", lambda *words: (go_on.wait(60) and {}, []))

    async def crowd() -> list[int]:
        asked = [
            asyncio.create_task(site.http.client.post("/graphql", json={"query": "{viewer{id}}"})) for _ in range(60)
        ]
        await asyncio.sleep(0)
        healthy = await site.http.client.get("/healthz")
        streamed = await site.http.client.post("/files/kag/p/first/file_stream", json={})
        go_on.set()
        return [healthy.status_code, streamed.status_code, *(one.status_code for one in await asyncio.gather(*asked))]

    assert set(site.http.run(crowd())) == {200}


NUL = "a\x00b"
FILES = 'query($n: String!){project(name:"p"){run(name:"first"){files(pattern:$n){edges{node{name}}}}}}'
UPSERT = "mutation($i: UpsertBucketInput!){upsertBucket(input:$i){inserted}}"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (UPSERT, {"i": {"name": "first", "modelName": "p", "notes": NUL}}),
        (UPSERT, {"i": {"name": "first", "modelName": "p", "sweep": NUL}}),
        ('query($n: String!){project(name:$n){id}}', {"n": NUL}),
        ('query($n: String!){project(name:"p"){run(name:$n){id}}}', {"n": NUL}),
        ('query($n: String!){project(name:"p"){artifactType(name:$n){id}}}', {"n": NUL}),
        ('query($n: ID!){artifact(id:$n){id}}', {"n": encode_id("Artifact", 2**31)}),
        ("mutation($n: ID!){deleteRun(input:{id:$n}){success}}", {"n": encode_id("Run", 2**40)}),
        (FILES, {"n": "a\\"}),
        (FILES, {"n": "%" * 2000}),
        (RUNS, {"f": json.dumps({"display_name": {"$in": ["a", "\x00"]}})}),
    ],
)  # fmt: skip
def test_what_some_database_does_not_keep_is_refused_by_all(site: Any, query: str, variables: dict[str, Any]) -> None:
    site.run()
    answer = site.post(query, **variables)
    assert answer.status_code in (200, 400, 404), answer.text
    assert "the server failed" not in answer.text


def test_fewer_than_no_lines_are_none(site: Any) -> None:
    """SQLite takes a negative limit for none, and PostgreSQL takes it for an error."""
    site.run()
    site.stream({"files": {"output.log": {"offset": 0, "content": ["one", "two"]}}})
    query = 'query($n: Int){project(name:"p"){run(name:"first"){logLines(last:$n){edges{node{line}}}}}}'
    for last, shown in ((-1, 0), (0, 0), (1, 1), (100, 2)):
        edges = site.ask(query, n=last)["project"]["run"]["logLines"]["edges"]
        assert len(edges) == shown


def test_a_page_of_another_site_can_ask_nothing(site: Any) -> None:
    site.run()
    body = {"query": "{viewer{id}}"}
    for path in ("/graphql", "/files/kag/p/first/file_stream"):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            assert site.http.post(path, json=body, headers=headers).status_code == 403
    assert site.http.post("/graphql", json=body, headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_websockets_are_refused_in_words(site: Any, caplog: Any) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert "websockets" in told(site.http.get("/healthz", headers=headers))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    site.http.run(site.app({"type": "websocket", "path": "/graphql", "headers": []}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert not caplog.records


@pytest.mark.parametrize("path", ["/graphql", "/files/kag/p/first/file_stream"])
def test_who_is_not_known_learns_nothing_of_a_body_and_a_long_one_is_not_read(site: Any, path: str) -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(9):
            read.append(number)
            yield b"[" * SHORT

    stranger = {"Authorization": "Bearer nobody"}
    for content in (b"", b"no JSON", b"{}", b"x" * SHORT, b"x" * (SHORT + 1), pieces()):
        assert site.http.post(path, content=content, headers=stranger).status_code == 401
    assert read == []
    for content in (b"no JSON", b"x" * (SHORT + 1)):
        assert site.http.post(path, content=content).status_code == 400
