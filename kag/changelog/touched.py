"""The files that lie between a run of another program and its parent: the client sends the commit, git has the rest.

Commits never change. So where git cannot say what lies between two of them, a document keeps what it says already.
"""

from __future__ import annotations

from dataclasses import replace

from kag.changelog.entry import Siblings
from kag.changelog.markdown import FILES, digest, parse
from kag.changelog.repository import Repository
from kag.track.record import RunRecord


def with_touched(record: RunRecord, parent: RunRecord | None, repository: Repository) -> RunRecord:
    """The record with the files that changed since its parent's commit.

    `git.since` is that commit, or None where it is not known what changed: without a parent or its commit, and where
    the repository does not have both commits. A record that says it already, as kag's own do, stays as it is.
    """
    git, before = record.git, parent.git if parent else None
    if not record.is_foreign or git is None or before is None or git.since is not None:
        return record
    # One commit needs no repository, and most runs of a day stand on the same.
    changed = [] if before.commit == git.commit else repository.changed(before.commit, git.commit)
    if changed is None:
        return record
    touched = tuple(sorted({*changed, *git.uncommitted}))
    return record.model_copy(update={"git": git.model_copy(update={"touched": touched, "since": before.commit})})


def with_told(siblings: Siblings, region: str) -> Siblings:
    """The runs with what the rows of a table say of their files, as far as nobody has changed these rows."""
    lines = {line.run: line.cells[FILES] for line in map(parse, region.split("\n")) if line.run and line.as_printed}
    found = ((entry.id, lines.get(digest(entry.id))) for entry in siblings.entries if entry.record.is_foreign)
    return replace(siblings, told_files={run: cell for run, cell in found if cell})
