"""`file_stream`: what a run logs, in pieces that carry the number of their first line.

A piece that arrives twice writes the same lines twice, so nothing is lost or doubled however often the client retries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.number import number
from kag.server import bounded_json
from kag.server.arguments import kept_object
from kag.server.faults import Fault
from kag.server.runs import STREAMS, next_line, of_stream
from kag.server.store import all_rows, first, highest, upsert
from kag.server.tables import HISTORY, OUTPUT, attempts, lines, runs, trials

MAX_LINE = 2**31 - 1
_KEY = ("run_id", "stream", "writer", "line")


def ingest(
    connection: Connection, run: RowMapping, body: Mapping[str, Any], *, now: float, writer: str = ""
) -> dict[str, Any]:
    """Take in one request of a run, whose row is locked; what the client is told comes back.

    Args:
        connection: a transaction that writes.
        now: seconds since the epoch.
        writer: which of the clients that share the run sends this; "" if it is one client's alone.

    Raises:
        Fault: the request is not what a client sends. Nothing is written then.
    """
    changes: dict[str, Any] = {"heartbeat_at": now}
    files = {} if body.get("files") is None else body["files"]
    if not isinstance(files, Mapping):
        raise Fault("files must be an object")
    restarted = run["restarted"]
    for name, piece in files.items():
        offset, content = _piece(name, piece)
        if name in STREAMS and content:
            stream = STREAMS[name]
            over = bool(restarted >> stream & 1) and offset == 0 and not _begins_alike(connection, run, stream, content)
            restarted &= ~(1 << stream)
            changes |= _store(connection, run, stream, offset, content, writer=writer, over=over)
        elif name == "wandb-summary.json" and content:
            changes["summary"] = _summary(run, content[-1], shared=bool(writer))
    if body.get("complete"):
        changes |= _ended(run, body.get("exitcode"))
    elif body.get("preempting"):
        changes |= {"state": "preempting"}
    elif run["state"] not in ("running", "preempting"):
        changes |= {"state": "running", "exit_code": None}
    if restarted != run["restarted"]:
        changes["restarted"] = restarted
    connection.execute(runs.update().where(runs.c.id == run["id"]).values(**changes))
    return {"stopped": True} if told_to_stop(connection, run) else {}


def _begins_alike(connection: Connection, run: RowMapping, stream: int, content: list[str]) -> bool:
    """Whether a history that comes from its first line is the one that is there: `wandb sync` of a run that was killed.

    What lies on the disk of a killed process may end before what the server has.
    """
    if stream != HISTORY:
        return False
    sent = kept_object("a line", content[0])[0]
    query = select(lines.c.body).where(of_stream(run["id"], HISTORY), lines.c.writer == "", lines.c.line == 0)
    held = connection.execute(query).scalar()
    keys = ("_step", "_timestamp")
    return held is not None and all(key in sent and json.loads(held).get(key) == sent[key] for key in keys)


def _summary(run: RowMapping, text: str, *, shared: bool) -> str:
    """The summary after a request: each of the clients that share a run knows only its own part."""
    sent, kept = kept_object("the summary", text)
    return json.dumps(json.loads(run["summary"]) | sent) if shared else kept


def _ended(run: RowMapping, exit_code: Any) -> dict[str, Any]:
    if not isinstance(exit_code, int) or isinstance(exit_code, bool) or abs(exit_code) > MAX_LINE:
        raise Fault("a complete run needs a whole exitcode")
    bad = "killed" if run["should_stop"] else "preempted" if run["state"] == "preempting" else "failed"
    return {"state": "finished" if exit_code == 0 else bad, "exit_code": exit_code}


def told_to_stop(connection: Connection, run: RowMapping) -> bool:
    """Whether a run should end: somebody said so, or its point has gone to another attempt."""
    if run["should_stop"] or run["sweep_id"] is None:
        return bool(run["should_stop"])
    point = (attempts.c.sweep_id == trials.c.sweep_id) & (attempts.c.number == trials.c.number)
    own = (attempts.c.sweep_id == run["sweep_id"], attempts.c.run == run["name"])
    row = first(connection, select(trials.c.run).join(attempts, point).where(*own))
    return row is not None and row["run"] != run["name"]


def _piece(name: Any, piece: Any) -> tuple[int, list[str]]:
    if not isinstance(piece, Mapping):
        raise Fault(f"{name!r} must have an offset and a content")
    offset, content = piece.get("offset", 0), piece.get("content", [])
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= MAX_LINE - 10_000_000:
        raise Fault(f"{name!r} has no whole offset")
    if not isinstance(content, list) or not all(isinstance(line, str) for line in content):
        raise Fault(f"{name!r} has no list of lines")
    return offset, content


def _store(
    connection: Connection, run: RowMapping, stream: int, offset: int, content: list[str], *, writer: str, over: bool
) -> dict[str, Any]:
    """Write lines; the columns of the run that change come back. `over` first removes what an earlier start wrote."""
    if over:
        connection.execute(lines.delete().where(of_stream(run["id"], stream)))
    if stream == OUTPUT:
        texts = [line.replace("\x00", "\ufffd") for line in content]
        rows = [line_row(run["id"], stream, writer, offset + i, offset + i, text) for i, text in enumerate(texts)]
        upsert(connection, lines, rows, key=_KEY, update=["body"])
        return {}
    bounded_json.check(line.encode() for line in content)
    read = [kept_object("a line", line) for line in content]
    parsed, content = [row for row, _ in read], [line for _, line in read]
    if writer and stream == HISTORY:
        content = _numbered(connection, run["id"], writer, offset, parsed, content)
    known = next_line(connection, run["id"], stream, writer)
    rows = [
        line_row(run["id"], stream, writer, offset + i, step_of(row, offset + i), line)
        for i, (row, line) in enumerate(zip(parsed, content, strict=True))
    ]
    logged = list(zip(rows, parsed, strict=True))
    if stream == HISTORY:
        logged = _without_copies(connection, run["id"], logged)
    upsert(connection, lines, [row for row, _ in logged], key=_KEY, update=["step", "body"])
    fresh = [values for row, values in logged if row["line"] >= known]
    if stream != HISTORY or not fresh:
        return {}
    keys = {} if over else json.loads(run["history_keys"])
    return {"history_keys": json.dumps(with_keys(keys, fresh, max(row["step"] for row, _ in logged)))}


def _numbered(
    connection: Connection, run_id: int, writer: str, offset: int, parsed: list[dict[str, Any]], content: list[str]
) -> list[str]:
    """The lines with steps, `parsed` too. Clients up to 0.21 leave those of a shared run to the server.

    The order of arrival gives them; a line that comes again keeps the step that it has.
    """
    history = of_stream(run_id, HISTORY)
    own = (lines.c.writer == writer, lines.c.line.between(offset, offset + len(parsed)))
    query = select(lines.c.line, lines.c.step).where(history, *own)
    held = {found["line"]: found["step"] for found in all_rows(connection, query)}
    step = highest(connection, lines.c.step, history) + 1
    numbered = list(content)
    for position, row in enumerate(parsed):
        if "_step" in row:
            continue
        if offset + position in held:
            row["_step"] = held[offset + position]
        else:
            row["_step"], step = step, step + 1
        numbered[position] = json.dumps(row)
    return numbered


Logged = list[tuple[dict[str, Any], dict[str, Any]]]
"""Rows of `lines`, each with the values that it holds."""


def _without_copies(connection: Connection, run_id: int, logged: Logged) -> Logged:
    """Without what the run has already at another line: `wandb sync` of a run that was killed while online.

    A row is the same if step and time are; only steps that do not go on from the last one are looked up.
    """
    history = of_stream(run_id, HISTORY)
    last = highest(connection, lines.c.step, history)
    steps = {row["step"] for row, _ in logged if row["step"] <= last}
    if not steps:
        return logged
    between = lines.c.step.between(min(steps), max(steps))
    query = select(lines.c.writer, lines.c.line, lines.c.step, lines.c.body).where(history, between)
    held = {
        (found["step"], json.loads(found["body"]).get("_timestamp")): (found["writer"], found["line"])
        for found in all_rows(connection, query)
    }

    def is_copy(row: dict[str, Any], values: dict[str, Any]) -> bool:
        place = (row["writer"], row["line"])
        return "_timestamp" in values and held.get((row["step"], values["_timestamp"]), place) != place

    return [pair for pair in logged if not is_copy(*pair)]


def line_row(run_id: int, stream: int, writer: str, line: int, step: int, body: str) -> dict[str, Any]:
    """A row of `lines`."""
    return {"run_id": run_id, "stream": stream, "writer": writer, "line": line, "step": step, "body": body}


def step_of(row: Mapping[str, Any], line: int) -> int:
    """The step of a logged row: its own, or that of its line."""
    step = number(row.get("_step", line))
    return int(step) if step is not None and abs(step) < 2**62 else line


def with_keys(keys: dict[str, Any], rows: list[dict[str, Any]], last_step: int) -> dict[str, Any]:
    """What is known of the keys of a history, after more rows: last value and how often each type was seen."""
    known: dict[str, Any] = keys.get("keys", {})
    for row in rows:
        for key, value in _leaves(row, ""):
            entry = known.setdefault(key, {"typeCounts": [], "monotonic": False})
            entry["previousValue"] = value
            kind = _kind(value)
            counted = next((one for one in entry["typeCounts"] if one["type"] == kind), None)
            if counted is None:
                entry["typeCounts"].append(counted := {"type": kind, "count": 0})
            counted["count"] += 1
    return {"keys": known, "lastStep": max(last_step, keys.get("lastStep", -1)), "sets": []}


def _leaves(row: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict) and "_type" not in value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("_type", "map"))
    if isinstance(value, bool) or value is None:
        return "boolean" if isinstance(value, bool) else "nil"
    return "number" if number(value) is not None else "string" if isinstance(value, str) else "list"
