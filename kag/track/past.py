"""A run as it stood at an earlier moment: what its record said before it was resumed. Pure functions over records.

A run has one attempt for each time that it began or went on. What is said of another run rests on the attempt in force
when that one began: going on later takes nothing back of what was true.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from kag.spec.flat import Scalar
from kag.track.record import Change, Former, Found, Resume, RunRecord, Status


class Attempt(NamedTuple):
    """A stretch of a run without a break."""

    begun: datetime | None
    """None where a record does not say."""
    record: RunRecord
    """As it stood at the end of it; of the last one, as it stands."""


class Past(NamedTuple):
    """A run at a moment."""

    record: RunRecord
    """With the numbers of the attempt that was under way, or had ended last; what nobody knows is not in it."""
    unsure: tuple[Change, ...] = ()
    """Differences of resumes of which no record says whether they came before that moment or after it."""


def as_of(record: RunRecord, moment: datetime) -> Past:
    """A run as it stood at a moment.

    A resume of an older kag has no time. It lies before the moment if the run had ended by then; else nobody knows.
    """
    unsure: tuple[Change, ...] = ()
    while _resumes(record) and not _had_begun(record, moment):
        earlier = before_resume(record)
        if earlier is None:
            unsure = (*record.resumes[-1].changes, *unsure)
            earlier = _unknown_before_resume(record)
        record = earlier
    return Past(record, unsure)


def attempts(record: RunRecord) -> tuple[Attempt, ...]:
    """The attempts of a run that are known, the last one last: all, if the first one has no resumes behind it."""
    found: list[Attempt] = []
    left: RunRecord | None = record
    while left is not None:
        found.append(Attempt(left.resumes[-1].when if _resumes(left) else left.start, left))
        left = before_resume(left)
    return tuple(reversed(found))


def time_spent(record: RunRecord) -> timedelta | None:
    """How long a run was under way, without the time between its attempts.

    An attempt that was killed lasted until its last sign of life. None where that of one of them is not known.
    """
    known = attempts(record)
    spent = timedelta()
    for begun, attempt in known:
        end = attempt.end or attempt.heartbeat
        if begun is None or end is None or _resumes(known[0].record):
            return None
        spent += end - begun
    return spent


def former(record: RunRecord, config: Mapping[str, Scalar]) -> Former:
    """What a record keeps of itself while the run goes on with these settings, by a process that holds it alone."""
    found = record.found or Found()
    return Former(
        # What says running is not: else nobody else could hold the run.
        status=Status.KILLED if record.status is Status.RUNNING else record.status,
        end=record.end,
        heartbeat=record.heartbeat,
        failure=record.failure,
        config={key: value for key, value in record.config.items() if not _same(key, record.config, config)},
        added=tuple(key for key in config if key not in record.config),
        spec_digest=found.spec_digest,
        world=record.world,
        epochs_trained=record.epochs_trained,
        best_epoch=record.best_epoch,
        averaged_epochs=found.averaged_epochs,
        averaged_statistics=found.averaged_statistics,
        results=record.results,
        checkpoints=record.checkpoints,
    )


def before_resume(record: RunRecord) -> RunRecord | None:
    """The record as it stood before the last resume; None if there was none, or it does not say."""
    before = record.resumes[-1].before if record.resumes else None
    if before is None:
        return None
    kept = {key: value for key, value in record.config.items() if key not in before.added}
    parts = {name: getattr(before, name) for name in Former.model_fields if name in RunRecord.model_fields}
    told = {name: getattr(before, name) for name in Former.model_fields if name in Found.model_fields}
    found = record.found.model_copy(update=told) if record.found else None
    resumes, when = record.resumes[:-1], record.resumes[-1].when
    parts |= {"resumes": resumes, "looks": tuple(look for look in record.looks if when is None or look.when < when)}
    return record.model_copy(update={**parts, "config": kept | before.config, "found": found})


def _unknown_before_resume(record: RunRecord) -> RunRecord:
    """The record before a resume that does not say how it stood: without what the resume may have replaced."""
    changed = tuple(f"{change.key}." for change in record.resumes[-1].changes)
    bare = RunRecord(id=record.id, name=record.name, status=Status.RUNNING, start=record.start)
    replaced = {name: getattr(bare, name) for name in Former.model_fields if name in RunRecord.model_fields}
    config = {key: value for key, value in record.config.items() if not f"{key}.".startswith(changed)}
    return record.model_copy(update={**replaced, "metrics": {}, "config": config, "resumes": record.resumes[:-1]})


def _resumes(record: RunRecord) -> tuple[Resume, ...]:
    """When the run went on. A row of a hand-kept log states a run once, resumes included, and stays as it is."""
    return () if record.kind == "imported" else record.resumes


def _had_begun(record: RunRecord, moment: datetime) -> bool:
    """Whether the last attempt had begun by a moment."""
    begun = record.resumes[-1].when or record.end
    return begun is not None and begun <= moment


def _same(key: str, before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> bool:
    return key in after and (type(before[key]), before[key]) == (type(after[key]), after[key])
