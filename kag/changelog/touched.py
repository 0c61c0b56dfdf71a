"""The files that lie between a run of another program and its parent: the client sends the commit, git has the rest.

Commits never change. So where git cannot say what lies between two of them, a document keeps what it says already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kag.changelog.cells import digest
from kag.changelog.entry import Entry
from kag.changelog.markdown import FILES, parse
from kag.changelog.repository import NotKnown, Repository
from kag.changelog.siblings import Siblings


def with_touched(siblings: Siblings, repository: Repository) -> Siblings:
    """The runs with the files that changed since their parents' commits.

    `git.since` is that commit, or None where it is not known what changed: without a parent or its commit, and where
    the repository does not have both commits. A record that says it already, as kag's own do, stays as it is.
    """
    pairs = {entry.id: pair for entry in siblings.entries if (pair := _commits(entry, siblings))}
    try:
        changed = repository.changed({pair for pair in pairs.values() if pair[0] != pair[1]})
    except NotKnown:
        changed = {}
    # One commit needs no repository, and most runs of a day stand on the same.
    changed |= {pair: [] for pair in pairs.values() if pair[0] == pair[1]}
    known = {run: (pair[0], changed[pair]) for run, pair in pairs.items() if pair in changed}
    entries = (_touched(one, *known[one.id]) if one.id in known else one for one in siblings.entries)
    return replace(siblings, entries=tuple(entries))


def with_told(siblings: Siblings, region: str) -> Siblings:
    """The runs with what the rows of a table say of their files, as far as nobody has changed these rows."""
    lines = {line.run: line.cells[FILES] for line in map(parse, region.split("\n")) if line.run and line.as_printed}
    found = ((entry.id, lines.get(digest(entry.id))) for entry in siblings.entries if entry.record.is_foreign)
    return replace(siblings, told_files={run: cell for run, cell in found if cell})


def _commits(entry: Entry, siblings: Siblings) -> tuple[str, str] | None:
    """The commits of a run's parent and of the run."""
    git = entry.record.git if entry.record.is_foreign else None
    parent = siblings.parent(entry) if git and git.since is None else None
    before = parent.record.git if parent else None
    return (before.commit, git.commit) if git and before else None


def _touched(entry: Entry, since: str, files: Sequence[str]) -> Entry:
    git = entry.record.git
    if git is None:
        return entry
    known = git.model_copy(update={"touched": tuple(sorted({*files, *git.uncommitted})), "since": since})
    return replace(entry, record=entry.record.model_copy(update={"git": known}))
