"""From a source to the entries of the change log, history by history; what was worked out before is kept in a cache."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

from kag.changelog.cache import Item, Version, keep_items, read_items, version_of
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry, Siblings
from kag.changelog.logged import Logged
from kag.changelog.repository import Repository
from kag.changelog.touched import with_touched
from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Status
from kag.track.source import RunSource
from kag.view.metrics import Metric, chosen

FEWEST_RUNS = 250
"""Unread runs that are worth a process."""

CHUNK = 50
"""Runs that a process takes at a time."""


def collect(source: RunSource, repository: Repository | None = None, asked: Sequence[str] = ()) -> Siblings:
    """Every run of a source, what is wrong with those that are left out, and the commits that mended what made a run
    abort.

    Args:
        source: where the runs are.
        repository: where commits are looked up; nowhere if there is none.
        asked: the metrics that a person wants to count; see `chosen`.

    Raises:
        RecordError: the source itself cannot be read.
        UserError: no run has a metric that was asked for.
    """
    records, broken = source.readable()
    metrics = chosen(records, asked)
    if isinstance(source, FolderSource):
        read = _of_folders(source, records, metrics)
    else:
        read = _entries(source, records, metrics)
    entries: list[Entry] = []
    for found in read:
        if isinstance(found, Entry):
            entries.append(found)
        else:
            broken = [*broken, found]
    if repository is None:
        return Siblings(tuple(entries), {}, tuple(broken), metrics)
    fixes = _fixes([entry.record for entry in entries], repository)
    siblings = Siblings(tuple(entries), fixes, tuple(broken), metrics)
    return replace(siblings, entries=tuple(_touched(siblings, repository)))


def _entries(
    source: RunSource, records: Sequence[RunRecord], metrics: Sequence[Metric]
) -> Iterator[Entry | RecordError]:
    for record in records:
        try:
            yield entry_of(Logged(record, source.history(record.id), metrics), source.notes(record.id))
        except RecordError as error:
            yield error


def _of_folders(
    source: FolderSource, records: Sequence[RunRecord], metrics: Sequence[Metric]
) -> Iterator[Entry | RecordError]:
    folders = {record.id: RunFolder(source.runs / record.id) for record in records}
    versions = {run: version_of(folder.record_file, folder.history_file) for run, folder in folders.items()}
    before = read_items(source.runs)
    wanted = {record.id: (versions[record.id], _made_with(record, metrics)) for record in records}
    known = {run: item for run, item in before.items() if (item.version, item.metrics) == wanted.get(run)}
    unread = [run for run in folders if run not in known]
    found = _read([folders[run] for run in unread], [versions[run] for run in unread], metrics)
    fresh = dict(zip(unread, found, strict=True))
    read = known | fresh
    for record in records:
        yield _entry(record, read[record.id], folders[record.id])
    items = {run: item for run, item in read.items() if isinstance(item, Item)}
    if items != before:
        keep_items(source.runs, items)


def _entry(record: RunRecord, item: Item | RecordError, folder: RunFolder) -> Entry | RecordError:
    if isinstance(item, RecordError):
        return item
    try:
        return Entry(record, item.course, item.findings, folder.notes(), item.courses)
    except RecordError as error:
        return error


def _read(
    folders: Sequence[RunFolder], versions: Sequence[Version], metrics: Sequence[Metric]
) -> Iterator[Item | RecordError]:
    """Read records and histories and ask the rules, in several processes where there are many."""
    processes = min(len(os.sched_getaffinity(0)), len(folders) // FEWEST_RUNS)
    item = partial(_item, metrics)
    if processes < 2:
        yield from map(item, folders, versions)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(item, folders, versions, chunksize=CHUNK)


def _item(metrics: Sequence[Metric], folder: RunFolder, version: Version) -> Item | RecordError:
    try:
        record = folder.read_record()
        entry = entry_of(Logged(record, folder.history(), metrics))
    except RecordError as error:
        return error
    return Item(
        version=version,
        metrics=_made_with(record, metrics),
        course=entry.course,
        courses=dict(entry.courses),
        findings=entry.findings,
    )


def _made_with(record: RunRecord, metrics: Sequence[Metric]) -> str:
    """What an entry depends on beside the files of its run; of kag's own runs the same is said whatever counts."""
    return repr(metrics) if record.is_foreign else ""


def _touched(siblings: Siblings, repository: Repository) -> Iterator[Entry]:
    """The entries, those of other programs' runs with the files that changed since their parents."""
    for entry in siblings.entries:
        parent = siblings.parent(entry)
        record = with_touched(entry.record, parent.record if parent else None, repository)
        yield entry if record is entry.record else replace(entry, record=record)


def _fixes(records: list[RunRecord], repository: Repository) -> dict[tuple[str, str], str]:
    """(commit, file) of every aborted run -> the next commit that touched the file, up to the newest run's commit."""
    commits = [record.git.commit for record in records if record.git]
    found: dict[tuple[str, str], str] = {}
    for record in records:
        if record.status is Status.ABORTED and record.git and record.failure and record.failure.where:
            file = record.failure.where.rpartition(":")[0] or record.failure.where
            commit = repository.next_touching(file, after=record.git.commit, until=commits[-1])
            if commit is not None:
                found[record.git.commit, file] = commit
    return found
