"""The same run again: what its outcome rests on beside its settings, where two runs differ in that, and how both ended.

Pure functions over records and histories. What a record does not say is unknown, which is a difference too.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from kag import names
from kag.spec.flat import Scalar
from kag.text import commit, digest, fact
from kag.track.record import Again, Change, Found, RunRecord
from kag.track.world import World
from kag.view.changes import phrase

DATA, REPLAY, START = "data", "replay", "start_from"
INPUTS = (DATA, REPLAY, START)
"""What a run reads. With another one it is another run, whatever the machine."""

COMMIT, PATCH, CODE = "commit", "uncommitted", "code"
PACKAGES = ("torch", "lightning", "numpy", "scipy", "h5py")
"""Libraries whose code a training runs through."""

_DIGESTS = (*INPUTS, PATCH, CODE)
_WORLD = ("processes", "device", "threads")


def conditions(record: RunRecord, patch: str | None) -> dict[str, Scalar]:
    """What the outcome of a run rests on beside its settings, by name; None for none, and for what is not known.

    Args:
        record: of the run.
        patch: digest of the uncommitted changes of its code.
    """
    found, world, git = record.found or Found(), record.world or World(), record.git
    start = next((source for source in record.sources if source.epochs is None), None)
    inherited = [f"{source.epochs} epochs of {source.run}" for source in record.sources if source.epochs]
    resumed = [phrase(resume.changes, whole=True) for resume in record.resumes if resume.changes]
    return {
        DATA: record.data_digest,
        REPLAY: found.mined_digest,
        START: start.weights_digest if start else None,
        COMMIT: git.commit if git else None,
        PATCH: patch,
        CODE: found.code_digest,
        **{name: getattr(world, name) for name in _WORLD},
        "python": record.environment.get("python"),
        **{package: record.environment.get(f"package.{package}") for package in PACKAGES},
        "host": record.environment.get("hostname"),
        "inherited": ", ".join(inherited) or None,
        "resumed": "; ".join(resumed) or None,
    }


def differences(first: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> tuple[Change, ...]:
    """Where the conditions of two runs differ."""
    return tuple(Change(key=key, before=before, after=now[key]) for key, before in first.items() if before != now[key])


def difference_lines(changes: Sequence[Change], first: RunRecord, patch: str | None, command: str) -> Iterator[str]:
    """A line for each difference, with what would make it the same.

    Args:
        changes: the differences.
        first: the run that is trained again.
        patch: path of its uncommitted changes, or None if there were none.
        command: that trains it again.
    """
    for change in changes:
        before, after = (_text(change.key, value) for value in (change.before, change.after))
        remedy = _remedy(change, first, patch, command)
        yield f"  {change.key} {before} -> {after}" + (f": {remedy}" if remedy else "")


def promise(changes: Sequence[Change], first: RunRecord) -> str:
    """What may be expected of the run."""
    if changes:
        return f"again {first.id}; what its outcome rests on is not all the same:"
    same = "nothing that its outcome rests on has changed"
    if first.world is not None and first.world.device == "cpu":
        return f"again {first.id}: {same}, and on a CPU the results will be the same bit for bit"
    return f"again {first.id}: {same}; a GPU may add in another order, so the last digits can differ"


def compared(
    again: Again,
    first: tuple[RunRecord, Sequence[Mapping[str, float]]],
    second: tuple[RunRecord, Sequence[Mapping[str, float]]],
) -> Again:
    """What came of it: the record and the history of the run that was trained again, and of the one that is again."""
    weights = [_delivered(record) for record, _ in (first, second)]
    same = None if None in weights else weights[0] == weights[1]
    return again.model_copy(update={"same": same, "apart": epoch_apart(first[1], second[1])})


def epoch_apart(first: Sequence[Mapping[str, float]], second: Sequence[Mapping[str, float]]) -> int | None:
    """The first epoch whose rows differ, or that one history lacks; how fast it was trained is left aside."""
    for epoch, (one, other) in enumerate(zip_longest(first, second)):
        if one is None or other is None or not _equal(one, other):
            return epoch
    return None


def again_text(again: Again) -> str:
    """What is known of a run that is another one again, as the end of a sentence."""
    apart = "the histories are the same" if again.apart is None else f"the histories part in epoch {again.apart}"
    came = {True: "the same weights, bit for bit", False: f"other weights, {apart}", None: "no weights to compare yet"}
    other = f"; not the same: {', '.join(change.key for change in again.differences)}" if again.differences else ""
    return f"{again.run}: {came[again.same]}{other}"


def _equal(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    keys = (one.keys() | other.keys()) - {names.SAMPLES_PER_SECOND}
    pairs = [(one.get(key), other.get(key)) for key in keys]
    return all(a == b or (a is not None and b is not None and math.isnan(a) and math.isnan(b)) for a, b in pairs)


def _delivered(record: RunRecord) -> str | None:
    kept = record.checkpoints.get("delivered")
    return kept.weights_digest if kept else None


def _text(key: str, value: Scalar) -> str:
    if value is None:
        return "none or unknown"
    return digest(str(value)) if key in _DIGESTS else commit(str(value)) if key == COMMIT else fact(value)


def _remedy(change: Change, first: RunRecord, patch: str | None, command: str) -> str:
    """What makes a condition the one of the first run, or lets it differ; empty where nothing does."""
    key, before = change.key, change.before
    if key in INPUTS:
        named = {DATA: "data.file=FILE", REPLAY: "data.replay.indices=FILE"}.get(key)
        return f"{command} {named} names the file that it read" if named else "put the former weights back"
    if before is None:
        return ""
    if key in (COMMIT, PATCH) and first.git is not None:
        return f"git stash; git checkout {first.git.commit}" + (f" && git apply {shlex.quote(patch)}" if patch else "")
    if key in PACKAGES:
        return f"pip install {shlex.quote(f'{key}=={before}')}"
    others = {
        "threads": f"OMP_NUM_THREADS={before} {command}",
        "python": f"use Python {before}",
        "device": f"use a machine with {before}",
        "processes": f"use {before} devices",
        "host": "other processors may round otherwise",
        CODE: "install kag from the commit of the run",
        "inherited": "the epochs are trained here; on a CPU they are the same",
        "resumed": "the last settings hold from the first epoch on; that is another run",
    }
    return others.get(key, "")
