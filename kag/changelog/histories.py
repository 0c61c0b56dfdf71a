"""What rules make of the history of each run, run by run, as processes of their own may do it.

These processes import this module, so it imports nothing that only the document needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from kag.changelog.cache import Item, Version
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.errors import RecordError
from kag.finding import Finding
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands
from kag.track.processes import Mapped, make_ready, processes_of, sharing
from kag.track.record import RunRecord
from kag.track.source import Known, PartedSource
from kag.track.stated import Course
from kag.view.metrics import Metric

FEWEST_RUNS = 250
"""Unread run folders that are worth a process."""

_NEEDS = (__name__,)


def make_ready_for(runs: int) -> None:
    """Have processes load what they need, where so many unread run folders will be worth some."""
    if processes_of(runs // FEWEST_RUNS) > 1:
        make_ready(_NEEDS)


def items_of(folders: Sequence[tuple[RunFolder, Version]], metrics: Sequence[Metric]) -> Iterator[Item | RecordError]:
    """Read records and histories of run folders and ask the rules."""
    with sharing(len(folders) // FEWEST_RUNS, _NEEDS) as mapped:
        yield from mapped(partial(_item, metrics), folders)


def sharing_of(source: PartedSource) -> AbstractContextManager[Mapped]:
    """The processes that read a source, first its records, then its histories."""
    return sharing(source.worth, [__name__, *source.needs])


def entries_of(runs: Sequence[Known], metrics: Sequence[Metric], mapped: Mapped) -> Iterator[Entry | RecordError]:
    """Read histories and ask the rules."""
    for run, told in zip(runs, mapped(partial(_told, metrics), runs), strict=True):
        yield told if isinstance(told, RecordError) else Entry(run.record, notes=run.notes, **told._asdict())


def made_with(record: RunRecord, metrics: Sequence[Metric]) -> str:
    """What an entry depends on beside the files of its run; of kag's own runs the same is said whatever counts."""
    return repr(metrics) if record.is_foreign else ""


def _item(metrics: Sequence[Metric], run: tuple[RunFolder, Version]) -> Item | RecordError:
    folder, version = run
    try:
        record = as_it_stands(folder, folder.read_record())
        entry = entry_of(Logged(record, folder.history(), metrics))
    except RecordError as error:
        return error
    return Item(
        version=version,
        status=record.status,
        metrics=made_with(record, metrics),
        course=entry.course,
        courses=dict(entry.courses),
        findings=entry.findings,
        former=entry.former,
    )


class _Told(NamedTuple):
    """What a history comes to: an entry without what was known before, which need not come back from a process."""

    course: Course
    findings: tuple[Finding, ...]
    former: tuple[Course, ...]
    courses: Mapping[str, Course]


def _told(metrics: Sequence[Metric], run: Known) -> _Told | RecordError:
    try:
        entry = entry_of(Logged(run.record, run.history(), metrics))
    except RecordError as error:
        return error
    return _Told(entry.course, entry.findings, entry.former, entry.courses)
