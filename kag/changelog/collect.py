"""From a source to the entries of the change log, history by history; what was worked out before is kept in a cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kag.changelog.cache import Cache, Version
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry, Siblings
from kag.changelog.logged import Logged
from kag.changelog.repository import Repository
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Status
from kag.track.source import RunSource


def collect(source: RunSource, repository: Repository | None = None) -> Siblings:
    """Every run of a source, and the commits that touched what made a run abort.

    Raises:
        RecordError: a run cannot be read.
    """
    entries = tuple(_of_folders(source) if isinstance(source, FolderSource) else _entries(source))
    return Siblings(entries, _fixes([entry.record for entry in entries], repository) if repository else {})


def _entries(source: RunSource) -> Iterator[Entry]:
    for record in source.records():
        yield entry_of(Logged(record, source.history(record.id)), source.notes(record.id))


def _of_folders(source: FolderSource) -> Iterator[Entry]:
    cache = Cache.read(source.runs)
    for record in source.records():
        folder = RunFolder(source.runs / record.id)
        version = _version(folder)
        known = cache.get(record.id, version)
        if known is None:
            entry = entry_of(Logged(record, folder.history()))
            known = cache.put(record.id, version, entry)
        yield Entry(record, known.course, known.findings, folder.notes())
    cache.write()


def _version(folder: RunFolder) -> Version:
    """Changes whenever the record or the history does."""
    return tuple(number for file in (folder.record_file, folder.history_file) for number in _stat(file))


def _stat(file: Path) -> tuple[int, ...]:
    try:
        stat = os.stat(file)
    except FileNotFoundError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


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
