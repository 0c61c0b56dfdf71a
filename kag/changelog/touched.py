"""The files that lie between a run of another program and its parent: the client sends the commit, git has the rest.

Commits never change. So where git cannot say what lies between two of them, a document keeps what it says already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from kag.changelog.entry import Entry, Siblings
from kag.changelog.markdown import FILES, digest, parse
from kag.changelog.repository import Repository
from kag.track.record import RunRecord

Changed = Callable[[str, str], list[str] | None]
"""Files that differ between two commits; None where that is not known."""


def with_touched(siblings: Siblings, repository: Repository) -> Siblings:
    """The runs with the files that changed since their parents' commits."""
    changed = cache(repository.changed)
    return replace(siblings, entries=tuple(_entry(entry, siblings, changed) for entry in siblings.entries))


def with_told(siblings: Siblings, region: str) -> Siblings:
    """The runs with what the rows of a table say of their files, as far as nobody has changed these rows."""
    lines = {line.run: line.cells[FILES] for line in map(parse, region.split("\n")) if line.run and line.as_printed}
    found = ((entry.id, lines.get(digest(entry.id))) for entry in siblings.entries if entry.record.is_foreign)
    return replace(siblings, told_files={run: cell for run, cell in found if cell})


def _entry(entry: Entry, siblings: Siblings, changed: Changed) -> Entry:
    parent = siblings.parent(entry) if entry.record.is_foreign else None
    record = _touched(entry.record, parent.record, changed) if parent else entry.record
    return entry if record is entry.record else replace(entry, record=record)


def _touched(record: RunRecord, parent: RunRecord, changed: Changed) -> RunRecord:
    """The record with the files that changed since its parent's commit, and that commit as `git.since`; as it is where
    one of the commits is not known.
    """
    git, before = record.git, parent.git
    files = changed(before.commit, git.commit) if git and before and git.commit != before.commit else None
    if git is None or before is None or files is None:
        return record
    since = {"touched": tuple(sorted({*files, *git.uncommitted})), "since": before.commit}
    return record.model_copy(update={"git": git.model_copy(update=since)})
