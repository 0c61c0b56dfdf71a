"""The two generated lists below the table: what changed in the code between the runs, and what is planned next.

Only commits that a run stands on count, never HEAD: else the commit that holds the document would make it stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kag.changelog.cells import body, escape
from kag.changelog.entry import Entry, Siblings
from kag.changelog.repository import Commit, Repository
from kag.changelog.schema import key_changes, spec_keys
from kag.changelog.table import planned
from kag.spec.flat import Scalar, flat
from kag.spec.load import load_spec
from kag.text import commit as short
from kag.view.changes import changed_settings, phrase

SPEC = "kag/spec"
GROUPS = {
    SPEC: "Spec",
    "kag/model": "Model",
    "kag/data": "Data",
    "kag/train": "Training",
    "kag/weights": "Weights and evaluation",
}
"""Folders whose changes can change a number, and what they are called."""

SHOWN = 12
"""Newest commits listed for a folder."""


@dataclass(frozen=True)
class Plan:
    """A run that has not begun."""

    name: str
    change: str | None
    parent: str | None
    spec: dict[str, Scalar]


def structure(siblings: Siblings, repository: Repository) -> str:
    """Commits between the first and the newest run, by folder, and what they did to the keys of the spec."""
    stands_on = list(dict.fromkeys(entry.record.git.commit for entry in siblings.entries if entry.record.git))
    if not stands_on:
        return "No run stands on a commit yet."
    commits = list(repository.between(stands_on[0], stands_on[-1], list(GROUPS)))
    parts = [_part("Spec keys", _schema_lines(commits, stands_on[0], repository))]
    for folder, title in GROUPS.items():
        touching = [commit for commit in commits if any(file.startswith(f"{folder}/") for file in commit.files)]
        lines = [f"{commit.day} `{short(commit.id)}` {escape(commit.subject)}" for commit in touching[-SHOWN:]]
        parts.append(_part(f"{title} (`{folder}`)", lines))
    return "\n\n".join(part for part in parts if part) or "Nothing between the runs' commits."


def plans(siblings: Siblings, specs: Path) -> list[Plan]:
    """Planned runs, then the specs of a folder that no run has the name of.

    Raises:
        SpecError: a spec in the folder is broken.
    """
    found = [
        Plan(entry.record.name, entry.record.change, entry.record.parent, dict(entry.record.config))
        for entry in planned(siblings)
    ]
    names = {entry.record.name for entry in siblings.entries}
    for file in sorted(specs.glob("*.yaml")):
        spec = load_spec(file)
        if spec.name not in names:
            source = spec.start_from.run if spec.start_from else None
            found.append(Plan(spec.name, spec.change, spec.parent or source, flat(spec)))
    return found


def plan_list(found: Sequence[Plan], siblings: Siblings) -> str:
    """The plans as a numbered list, each with what it would change against its parent."""
    if not found:
        return "Nothing is planned."
    return "\n".join(f"{number}. {_plan(plan, siblings)}" for number, plan in enumerate(found, start=1))


def _plan(plan: Plan, siblings: Siblings) -> str:
    parent = siblings.find(plan.parent)
    changes = _against(plan, parent) if parent else ""
    said = body(plan.change or "")
    against = f"against `{parent.id}` `{changes}`" if parent and changes else ""
    details = "; ".join(part for part in (said, against) if part)
    return escape(f"`{plan.name}`: {details}" if details else f"`{plan.name}`")


def _against(plan: Plan, parent: Entry) -> str:
    return phrase(changed_settings(parent.record.config, plan.spec, partial=parent.record.kind == "imported"))


def _schema_lines(commits: Iterable[Commit], first: str, repository: Repository) -> Iterator[str]:
    before = _keys(first, repository)
    for commit in commits:
        if any(file.startswith(f"{SPEC}/") for file in commit.files):
            after = _keys(commit.id, repository)
            if changes := key_changes(before, after):
                yield f"{commit.day} `{short(commit.id)}` {escape('; '.join(changes))}"
            before = after


def _keys(commit: str, repository: Repository) -> dict[str, str]:
    files = (file for file in repository.files(commit, SPEC) if file.endswith(".py"))
    return spec_keys(repository.text(commit, file) or "" for file in files)


def _part(title: str, lines: Iterable[str]) -> str:
    listed = "\n".join(f"- {line}" for line in lines)
    return f"**{title}**\n\n{listed}" if listed else ""
