"""Requests that mean harm, drawn from a seed: each must be answered or refused in words, and cost little."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

NASTY = [
    "", "\x00", "a\x00b", "' OR 1=1 --", "../../etc/passwd", "%", "\\", "x" * 5000, "\U0001f600", "٣", "NaN", "-1",
    "1e999", "<script>alert(1)</script>", "{{7*7}}", "$(id)", "\u202e", "9" * 400, "null", "[]", "{}",
]  # fmt: skip
NUMBERS = [0, -1, 1, 50, 10_000, 10_001, 2**31, 2**63, 2**64, 10**400, 1.5, float("inf"), float("nan"), True, None, "1"]
KEYS = [
    "display_name",
    "state",
    "config.a",
    "summary_metrics['a']",
    "tags",
    "duration",
    "created_at",
    "$or",
    "$not",
    "a.b" * 400,
]
OPERATORS = ["$gt", "$in", "$nin", "$regex", "$exists", "$mod", "$size", "$all", "$not", "$eq", "$ne", "$where"]
PATTERNS = [
    "(a|a)*b",
    "(a+)+$",
    ".*.*.*.*b",
    "(.{0,100}){0,10}b",
    "(?=a)",
    r"\1",
    "[",
    "a{1000000000}",
    "((((a*)*)*)*)*$",
]
KINDS = ["Run", "Sweep", "Agent", "Artifact", "File", "ArtifactCollection"]


class Hostile(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012  # nobody changes it


def hostile(seed: int) -> Iterator[Hostile]:
    """Requests without end."""
    draw = random.Random(seed)
    while True:
        yield draw.choice(_MAKERS)(draw)


def _value(draw: random.Random, depth: int = 0) -> Any:
    if depth < 3 and draw.random() < 0.4:
        size = draw.randint(0, 3)
        if draw.random() < 0.5:
            return [_value(draw, depth + 1) for _ in range(size)]
        return {draw.choice(KEYS + OPERATORS): _value(draw, depth + 1) for _ in range(size)}
    return draw.choice([draw.choice(NASTY), draw.choice(NUMBERS), draw.choice(PATTERNS)])


def _filter(draw: random.Random) -> str:
    key, operator = draw.choice(KEYS), draw.choice(OPERATORS)
    return json.dumps({key: {operator: draw.choice(PATTERNS) if operator == "$regex" else _value(draw)}})


def _graphql(query: str, variables: dict[str, Any]) -> Hostile:
    return Hostile("POST", "/graphql", json.dumps({"query": query, "variables": variables}).encode())


def _runs(draw: random.Random) -> Hostile:
    query = """query($f: JSONString, $o: String, $n: Int, $c: String){project(name:"p"){runCount(filters:$f)
      runs(filters:$f, order:$o, first:$n, after:$c){totalCount edges{node{name config sweepName}}}}}"""
    cursor = base64.urlsafe_b64encode(json.dumps(_value(draw)).encode()).decode()
    order = ",".join(draw.choice("+-") + draw.choice(KEYS) for _ in range(draw.randint(0, 3)))
    words = {"f": _filter(draw), "o": order, "n": draw.choice(NUMBERS), "c": draw.choice([cursor, *NASTY, None])}
    return _graphql(query, words)


def _shape(draw: random.Random) -> Hostile:
    levels, names = draw.randint(1, 40), draw.randint(1, 400)
    first = draw.choice(["", "(first: 10000)", "(first: -1)"])
    opened = f"runs{first}{{edges{{node{{project{{" * levels
    deep = f'{{project(name:"p"){{{opened}name{"}}}}" * levels}}}}}'
    wide = '{project(name:"p"){' + " ".join(f"a{i}: runs{{edges{{node{{config}}}}}}" for i in range(names)) + "}}"
    spread = "{viewer{...A}} " + "".join(
        f"fragment {a} on User{{...{b} ...{b}}} " for a, b in zip("ABCDEF", "BCDEFA", strict=True)
    )
    return _graphql(
        draw.choice([deep, wide, spread, "{" * levels, '{__type(name:"Run"){fields{type{fields{name}}}}}']), {}
    )


def _history(draw: random.Random) -> Hostile:
    query = """query($a: Int64, $b: Int64, $n: Int, $s: [JSONString!]!){project(name:"p"){run(name:"first"){
      history(minStep:$a, maxStep:$b, samples:$n) sampledHistory(specs:$s) logLines(last:$n){edges{node{line}}}}}}"""
    spec = json.dumps({"keys": [draw.choice(KEYS)], "samples": draw.choice(NUMBERS), "minStep": draw.choice(NUMBERS)})
    return _graphql(
        query, {"a": draw.choice(NUMBERS), "b": draw.choice(NUMBERS), "n": draw.choice(NUMBERS), "s": [spec]}
    )


def _change(draw: random.Random) -> Hostile:
    fields = ("displayName", "notes", "config", "summaryMetrics", "groupName", "sweep", "host", "state", "tags", "name")
    given = {"name": "first", "modelName": "p"} | {draw.choice(fields): draw.choice([draw.choice(NASTY), _value(draw)])}
    number = draw.choice([0, 1, 2**31, 10**11, 10**30])
    identifier = base64.b64encode(f"{draw.choice(KINDS)}:{number}".encode()).decode()
    return draw.choice([
        _graphql("mutation($i: UpsertBucketInput!){upsertBucket(input:$i){inserted}}", {"i": given}),
        _graphql("mutation($i: ID!){stopRun(input:{id:$i}){success}}", {"i": identifier}),
        _graphql("mutation($i: ID!, $s: JSONString){agentHeartbeat(input:{id:$i,runState:$s}){commands}}",
                 {"i": identifier, "s": json.dumps(_value(draw))}),
        _graphql("query($i: ID!){artifact(id:$i){digest}}", {"i": identifier}),
        _graphql("mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{id}}}",
                 {"i": {"projectName": "p", "config": draw.choice(NASTY)}}),
    ])  # fmt: skip


def _stream(draw: random.Random) -> Hostile:
    lines = [
        draw.choice([json.dumps({"_step": _value(draw), "x": _value(draw)}), draw.choice(NASTY)]) for _ in range(3)
    ]
    file = draw.choice(["wandb-history.jsonl", "wandb-summary.json", "output.log", "wandb-events.jsonl", "x"])
    body = {
        "files": {file: {"offset": draw.choice([0, 1, -1, 2**31, "0"]), "content": lines}},
        "complete": _value(draw),
    }
    return Hostile("POST", "/files/kag/p/first/file_stream", json.dumps(body).encode())


def _body(draw: random.Random) -> Hostile:
    bombs = [
        b"[" * 100_000,
        b'{"a":' * 990 + b"1" + b"}" * 990,
        b"[" + b"[]," * 100_000 + b"[]]",
        b"\xff\xfe",
        b"",
        b"{" * 9,
    ]
    bomb = draw.choice(bombs)
    if draw.random() < 0.5:
        return Hostile("POST", "/graphql", bomb)
    return Hostile("POST", "/graphql", gzip.compress(bomb)[: draw.choice([None, 20])], {"Content-Encoding": "gzip"})


def _page(draw: random.Random) -> Hostile:
    words = [
        "kag",
        "p",
        "runs",
        "first",
        "sweeps",
        "compare",
        "%00",
        "..%2f..",
        "login",
        "static",
        "storage",
        "a" * 300,
        "%ff",
    ]
    path = "/" + "/".join(draw.choice(words) for _ in range(draw.randint(0, 5)))
    headers = draw.choice([{}, {"Upgrade": "websocket"}, {"Origin": "https://evil.example"}, {"Accept": "text/html"}])
    return Hostile(
        draw.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS"]),
        path + draw.choice(["", "?a=%00", "?runs=a,b"]),
        b"",
        headers,
    )


_MAKERS = [_runs, _runs, _shape, _history, _change, _stream, _body, _page]
