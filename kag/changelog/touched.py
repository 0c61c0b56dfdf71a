"""The files that lie between a run of another program and its parent: the client sends the commit, git has the rest.

Commits never change. So where git cannot say what lies between two of them, a document keeps what it says already.
"""

from __future__ import annotations

from dataclasses import replace

from kag.changelog.cells import digest
from kag.changelog.entry import Entry, Siblings
from kag.changelog.markdown import FILES, parse
from kag.changelog.repository import NotKnown, Repository


def with_touched(siblings: Siblings, repository: Repository) -> Siblings:
    """The runs with the files that changed since their parents' commits, and these commits as `git.since`; as they are
    where one of the commits is not known.
    """
    pairs = {entry.id: pair for entry in siblings.entries if (pair := _commits(entry, siblings))}
    try:
        changed = repository.changed(set(pairs.values()))
    except NotKnown:
        return siblings
    known = {run: (pair[0], changed[pair]) for run, pair in pairs.items() if pair in changed}
    entries = (_touched(one, *known[one.id]) if one.id in known else one for one in siblings.entries)
    return replace(siblings, entries=tuple(entries))


def with_told(siblings: Siblings, region: str) -> Siblings:
    """The runs with what the rows of a table say of their files, as far as nobody has changed these rows."""
    lines = {line.run: line.cells[FILES] for line in map(parse, region.split("\n")) if line.run and line.as_printed}
    found = ((entry.id, lines.get(digest(entry.id))) for entry in siblings.entries if entry.record.foreign)
    return replace(siblings, told_files={run: cell for run, cell in found if cell})


def _commits(entry: Entry, siblings: Siblings) -> tuple[str, str] | None:
    """The commits of a run's parent and of the run, where they differ."""
    parent = siblings.parent(entry) if entry.record.foreign else None
    git, before = entry.record.git, parent.record.git if parent else None
    return (before.commit, git.commit) if git and before and git.commit != before.commit else None


def _touched(entry: Entry, since: str, files: list[str]) -> Entry:
    git = entry.record.git
    if git is None:
        return entry
    known = git.model_copy(update={"touched": tuple(sorted({*files, *git.uncommitted})), "since": since})
    return replace(entry, record=entry.record.model_copy(update={"git": known}))
