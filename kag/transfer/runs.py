"""One run into a server: made if it is not there, then what it lacks, in an order in which every part may be the last.

Nothing is kept beside the server: how far a run has come is what it has there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kag.errors import NotTaken
from kag.transfer.facts import Origin, Reached, RunFacts, RunFile, Stream
from kag.transfer.target import Target
from kag.transfer.wandb_origin import files_of

Lines = Callable[[Iterator[str]], Iterator[str]]
"""Looks at the lines of a history on their way."""

_FIELDS = """run(name: $r) { id displayName config summaryMetrics notes description tags group jobType host commit
  createdAt heartbeatAt state exitcode sweepName historyKeys historyLineCount eventsLineCount logLineCount
  runInfo { program git { remote } } }"""
_ROWS = "run(name: $r) { history(minStep: $low, maxStep: $high, samples: 100000) }"


class Brought(NamedTuple):
    """What of a run has gone to the server."""

    made: bool = False
    rows: int = 0
    """Of its streams."""
    files: int = 0
    restated: bool = False
    """Whether notes, config, times or state were brought up to date."""

    @property
    def anything(self) -> bool:
        """Whether it lacked something."""
        return self.made or bool(self.rows or self.files) or self.restated


def make(target: Target, run: RunFacts) -> bool:
    """Make a run with all that is known of it but its streams and files, or bring that up to date; whether it is new.

    Raises:
        NotTaken: the server refuses it.
    """
    there = _there(target, run.id)
    if there is None:
        given = {"name": run.id, "entityName": target.entity, "modelName": target.project, "state": "running"}
        said = {name: value for name, value in _stated(run).items() if value}
        made = target.change("upsertBucket", {**given, **said}, "bucket { id }")["bucket"]
        target.change("importRun", {"id": made["id"], "createdAt": run.created, "heartbeatAt": run.heard}, "run { id }")
        return True
    return False


def fill(
    target: Target, origin: Origin, run: RunFacts, tell: Callable[[int], None], look: Lines = lambda lines: lines
) -> Brought:
    """Send what a run lacks that has been made.

    Args:
        target: where it goes.
        origin: where it is.
        run: its facts there.
        tell: told how many rows have gone with each request.
        look: sees the lines of the history before they go.

    Raises:
        NotTaken: either side refuses something; what has gone is kept.
    """
    there = _there(target, run.id)
    if there is None:
        raise NotTaken("it was deleted meanwhile", where=f"run {run.id}")
    edited = _edit(target, run, there)
    rows = 0
    reached = _reached(target, run, there)
    for stream in Stream:
        first, lines = origin.lines(run, stream, reached)
        lines = look(lines) if stream is Stream.HISTORY else lines
        for sent in target.stream(run.id, stream, first, lines):
            rows += sent
            tell(sent)
    files = _send_files(target, origin, run)
    joined = _join(target, run, there)
    restated = _restate(target, run, there, anyway=bool(rows))
    return Brought(False, rows, files, edited or joined or restated)


def _there(target: Target, run: str) -> Mapping[str, Any] | None:
    project = target.fields(_FIELDS, "$r: String!", r=run)
    found: Mapping[str, Any] | None = None if project is None else project["run"]
    return found


def _stated(run: RunFacts) -> dict[str, Any]:
    """What an upsertBucket input says of a run."""
    return {
        "displayName": run.name,
        "config": json.dumps(run.config),
        "summaryMetrics": json.dumps(run.summary),
        "notes": run.notes,
        "description": run.description,
        "tags": list(run.tags),
        "groupName": run.group,
        "jobType": run.job_type,
        "commit": run.commit,
        "jobRepo": run.repo,
        "jobProgram": run.program,
    }


def _held(there: Mapping[str, Any]) -> dict[str, Any]:
    """The same, of what the server has."""
    info = there["runInfo"] or {}
    return {
        "displayName": there["displayName"],
        "config": there["config"] or "{}",
        "summaryMetrics": there["summaryMetrics"] or "{}",
        "notes": there["notes"] or "",
        "description": there["description"] or "",
        "tags": there["tags"] or [],
        "groupName": there["group"] or "",
        "jobType": there["jobType"] or "",
        "host": there["host"] or "",
        "commit": there["commit"] or "",
        "jobRepo": (info.get("git") or {}).get("remote") or "",
        "jobProgram": info.get("program") or "",
    }


def _edit(target: Target, run: RunFacts, there: Mapping[str, Any]) -> bool:
    """Bring what a person may change up to date; whether anything was not.

    A run with a host that begins would begin over: it is said by the call that names a run by its id.
    """
    held, wanted = _held(there), _stated(run) | {"host": run.host}
    changed = {name: value for name, value in wanted.items() if _read(name, value) != _read(name, held[name])}
    if changed:
        target.change("upsertBucket", {"id": there["id"], **changed}, "bucket { id }")
    return bool(changed)


def _read(name: str, value: Any) -> Any:
    return json.loads(value) if name in ("config", "summaryMetrics") else value


def _reached(target: Target, run: RunFacts, there: Mapping[str, Any]) -> Reached:
    lines = {
        Stream.HISTORY: there["historyLineCount"] or 0,
        Stream.EVENTS: there["eventsLineCount"] or 0,
        Stream.OUTPUT: there["logLineCount"] or 0,
    }
    current = run.summary == json.loads(there["summaryMetrics"] or "{}")
    if not lines[Stream.HISTORY]:
        return Reached(lines, is_current=current)
    keys = there["historyKeys"]
    last = int((keys if isinstance(keys, Mapping) else json.loads(keys))["lastStep"])
    kinds = "$r: String!, $low: Int64, $high: Int64"
    found = target.fields(_ROWS, kinds, r=run.id, low=last, high=last + 1)
    return Reached(lines, last, 0 if found is None else len(found["run"]["history"]), current)


def _send_files(target: Target, origin: Origin, run: RunFacts) -> int:
    """Send the files that the server has not, or has with another content; how many there were."""
    held = {file.name: file for file in files_of(target, run.id)}
    lacking = [file for file in origin.files(run) if not _is_same(held.get(file.name), file)]
    for file in lacking:
        given = {**target.place, "runName": run.id, "files": [file.name]}
        link = target.change("createRunFiles", given, "files { uploadUrl }")["files"][0]["uploadUrl"]
        with tempfile.TemporaryDirectory() as folder:
            target.put(link, origin.fetch(run, file, Path(folder)))
    return len(lacking)


def _is_same(held: RunFile | None, file: RunFile) -> bool:
    if held is None or held.size != file.size:
        return False
    return None in (held.md5, file.md5) or held.md5 == file.md5


def _join(target: Target, run: RunFacts, there: Mapping[str, Any]) -> bool:
    """Let a run that has ended be one of its sweep, and its result one of those that the search begins with."""
    if not run.has_ended or run.sweep is None or there["sweepName"] == run.sweep:
        return False
    found = target.fields("sweep(sweepName: $s) { id }", "$s: String", s=run.sweep)
    if found is None or found["sweep"] is None:
        return False
    _state(target, run, there)
    chosen = json.dumps({"name": run.id})
    target.change("upsertSweep", {"id": found["sweep"]["id"], "priorRunsFilters": chosen}, "sweep { id }")
    return True


def _restate(target: Target, run: RunFacts, there: Mapping[str, Any], *, anyway: bool) -> bool:
    """Say when the run began, was last heard of, and how it ended; whether the server said otherwise."""
    same = (
        _moment(there["createdAt"]) == _moment(run.created)
        and _moment(there["heartbeatAt"]) == _moment(run.heard)
        and there["state"] == run.state
        and there["exitcode"] == run.exit_code
    )
    if same and not anyway:
        return False
    _state(target, run, there)
    return not same


def _state(target: Target, run: RunFacts, there: Mapping[str, Any]) -> None:
    given = {"id": there["id"], "createdAt": run.created, "heartbeatAt": run.heard, "state": run.state}
    target.change("importRun", {**given, "exitcode": run.exit_code}, "run { id }")


def _moment(text: str) -> datetime:
    """A time to the second, as servers tell it."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0)
