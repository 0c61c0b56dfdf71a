"""From a source to the entries of the change log, history by history; what was worked out before is kept in a cache."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kag.changelog.cache import Item, keep_items, read_items, version_of
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry
from kag.changelog.histories import entries_of, items_of, made_with, make_ready_for, sharing_of
from kag.changelog.logged import Logged
from kag.changelog.repository import Between, NotKnown, Repository
from kag.changelog.rules.ending import broken_file
from kag.changelog.selections import SelectionOf, selected_by, selected_in
from kag.changelog.siblings import Siblings
from kag.changelog.structure import GROUPS
from kag.changelog.touched import with_touched
from kag.compare.paired import Kept, kept_by, of_scores, read_once
from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.track.source import PartedSource, RunSource
from kag.view.metrics import Metric, chosen


def collect(
    source: RunSource,
    repository: Repository | None = None,
    asked: Sequence[str] = (),
    seed_keys: Sequence[str] = (),
) -> Siblings:
    """Every run of a source, what is wrong with those that are left out, and the commits that mended what made a run
    abort.

    Args:
        source: where the runs are.
        repository: where commits are looked up; nowhere if there is none.
        asked: the metrics that a person wants to count; see `chosen`.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.

    Raises:
        RecordError: the source itself cannot be read.
        UserError: no run has a metric that was asked for.
    """
    if isinstance(source, PartedSource):
        entries, broken, metrics, kept, selected = _in_parts(source, asked)
    elif isinstance(source, FolderSource):
        entries, broken, metrics, kept, selected = _from_folders(source, asked)
    else:
        entries, broken, metrics, kept, selected = _one_by_one(source, asked)
    found = [entry.record for entry in entries]
    between = _looked_up(found, repository) if repository else Between()
    fixes = {} if isinstance(between, NotKnown) else _fixes(found, between)
    drawn, seeds = read_once(kept), tuple(seed_keys)
    siblings = Siblings(entries, fixes, broken, between, metrics, drawn, selected, seed_keys=seeds)
    return with_touched(siblings, repository) if repository else siblings


class _Read(NamedTuple):
    """What a source has."""

    entries: tuple[Entry, ...]
    broken: tuple[RecordError, ...]
    metrics: tuple[Metric, ...]
    """Those that count."""
    kept: Kept
    """Reads the draws of a run."""
    selected: SelectionOf
    """What the best trial of a sweep is worth."""


def _in_parts(source: PartedSource, asked: Sequence[str]) -> _Read:
    with sharing_of(source) as mapped:
        found = source.read(mapped)
        runs = list(found.runs.values())
        metrics = chosen([run.record for run in runs], asked)
        entries = entries_of(runs, metrics, mapped)
        return _read(found.broken, entries, metrics, of_scores(found.scores), selected_by(found.scores))


def _from_folders(source: FolderSource, asked: Sequence[str]) -> _Read:
    before = read_items(source.runs)
    if source.runs.is_dir():
        make_ready_for(len(os.listdir(source.runs)) - len(before))
    records, broken = source.readable()
    metrics = chosen(records, asked)
    entries = _of_folders(source, records, metrics, before)
    return _read(broken, entries, metrics, kept_by(source), selected_in(source))


def _one_by_one(source: RunSource, asked: Sequence[str]) -> _Read:
    records, broken = source.readable()
    metrics = chosen(records, asked)
    return _read(broken, _entries(source, records, metrics), metrics, kept_by(source), selected_in(source))


def _read(
    broken: Sequence[RecordError],
    read: Iterable[Entry | RecordError],
    metrics: tuple[Metric, ...],
    kept: Kept,
    selected: SelectionOf,
) -> _Read:
    found = list(read)
    entries = tuple(one for one in found if isinstance(one, Entry))
    return _Read(entries, (*broken, *(one for one in found if isinstance(one, RecordError))), metrics, kept, selected)


def _entries(
    source: RunSource, records: Sequence[RunRecord], metrics: Sequence[Metric]
) -> Iterator[Entry | RecordError]:
    for record in records:
        try:
            yield entry_of(Logged(record, source.history(record.id), metrics), source.notes(record.id))
        except RecordError as error:
            yield error


def _of_folders(
    source: FolderSource, records: Sequence[RunRecord], metrics: Sequence[Metric], before: Mapping[str, Item]
) -> Iterator[Entry | RecordError]:
    folders = {record.id: RunFolder(source.runs / record.id) for record in records}
    versions = {run: version_of(folder.record_file, folder.history_file) for run, folder in folders.items()}
    known = {
        one.id: before[one.id]
        for one in records
        if one.id in before and before[one.id].fits(one, versions[one.id], made_with(one, metrics))
    }
    unread = [run for run in folders if run not in known]
    found = items_of([(folders[run], versions[run]) for run in unread], metrics)
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
        return Entry(record, item.course, item.findings, folder.notes(), item.former, item.courses)
    except RecordError as error:
        return error


def _looked_up(records: Sequence[RunRecord], repository: Repository) -> Between | NotKnown:
    """The commits between those that runs stand on, as far as they touched what is told of commits."""
    stands_on = list(dict.fromkeys(record.git.commit for record in records if record.git))
    broken = {file for record in records if (file := broken_file(record))}
    try:
        return repository.between(stands_on, [*GROUPS, *sorted(broken)]) if stands_on else Between()
    except NotKnown as why:
        return why


def _fixes(records: Sequence[RunRecord], between: Between) -> dict[tuple[str, str], str]:
    """(commit, file) of every aborted run -> the first commit after it that touched the file, up to those that runs
    stand on.
    """
    wanted = {(record.git.commit, file) for record in records if record.git and (file := broken_file(record))}
    found = ((place, between.next_touching(place[1], after=place[0])) for place in wanted)
    return {place: commit for place, commit in found if commit is not None}
