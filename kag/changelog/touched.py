"""The files that lie between a run of another program and its parent: the client sends the commit, git has the rest."""

from __future__ import annotations

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
