"""The two generated lists below the table: what changed in the code between the runs, and what is planned next.

Only commits that a run stands on count, never HEAD: else the commit that holds the document would make it stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from kag.changelog.cells import body, escape
from kag.changelog.entry import Entry
from kag.changelog.repository import Between, Commit, NotKnown, Repository
from kag.changelog.schema import key_changes, spec_keys
from kag.changelog.siblings import Siblings
from kag.changelog.table import planned
from kag.spec.flat import Scalar, flat
from kag.spec.load import load_spec
from kag.text import commit as short
from kag.track.record import RunRecord
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

SCHEMA = "Spec keys"
NO_COMMIT = "No run stands on a commit yet."
NOTHING = "Nothing between the runs' commits."
UNKNOWN = "What changed in the code is not known: "
"""What stands there, with the reason behind it, where git could never say."""
NO_PLAN = "Nothing is planned."
MISSING = "Runs stand on commits that no branch has, and are not counted here: "

_FIXED = {NO_COMMIT, NOTHING, *(f"**{title}**" for title in (SCHEMA, *(f"{t} (`{f}`)" for f, t in GROUPS.items())))}
_COMMIT_LINE = re.compile(r"- \d{4}-\d\d-\d\d `[0-9a-f]{10}` ")
_NUMBER = re.compile(r"^\d+\. ")
_MISSING_LINE = re.compile(rf"{re.escape(MISSING)}(`[0-9a-f]{{10}}`(, )?)+\.")


@dataclass(frozen=True)
class Section:
    """A generated list."""

    text: str
    is_own: Callable[[str], bool]
    """Whether kag may have written a line, which has no blank around it, at some time; else a person did."""
    unknown: str | None = None
    """Why the text says nothing, so that an older list is better than it."""


@dataclass(frozen=True)
class Plan:
    """A run that has not begun."""

    name: str
    change: str | None
    parent: str | None
    spec: dict[str, Scalar]


def structure(siblings: Siblings, repository: Repository, before: str = "", rows: Container[str] = ()) -> Section:
    """Commits between those that runs stand on, by folder, and what they did to the keys of the spec.

    Where git cannot say, or not all that it could say when the section was made, `unknown` says why, and the section
    should stay as it is.

    Args:
        siblings: every run; `between` holds the commits.
        repository: where the files of those commits are looked up.
        before: the section as it stands in the document.
        rows: ids of the runs that the document has a row of.
    """
    try:
        changes, missing = _code_changes(siblings, repository, before, rows)
    except NotKnown as why:
        return Section(f"{UNKNOWN}{why}.", _is_like_own, str(why))
    known = {f"- {line}" for lines in changes.values() for line in lines}
    parts = [_part(title, lines if title == SCHEMA else lines[-SHOWN:]) for title, lines in changes.items()]
    text = laid_out([*(line for part in parts for line in part), *_missing_line(missing)])
    if not text:
        text = NOTHING if any(entry.record.git for entry in siblings.entries) else NO_COMMIT
    return Section(text, lambda line: line in known or (_is_like_own(line) and not _COMMIT_LINE.match(line)))


def laid_out(lines: Sequence[str]) -> str:
    """Lines of the section as they stand below each other: paragraphs apart, items of a list not."""
    pairs = zip(["", *lines], lines, strict=False)
    apart = ((not above.startswith("- ") or not line.startswith("- "), line) for above, line in pairs)
    return "".join(f"\n\n{line}" if is_apart else f"\n{line}" for is_apart, line in apart).strip("\n")


def _code_changes(
    siblings: Siblings, repository: Repository, before: str, rows: Container[str]
) -> tuple[dict[str, list[str]], Sequence[str]]:
    """The lines of each part of the section, and the commits of runs that no branch has.

    Raises:
        NotKnown: git cannot say.
    """
    between = siblings.between
    if isinstance(between, NotKnown):
        raise between
    stands_on = {entry.id: entry.record.git.commit for entry in siblings.entries if entry.record.git}
    _require_no_less(between, {commit for run, commit in stands_on.items() if run in rows}, repository, before)
    if stands_on and set(between.missing) >= set(stands_on.values()):
        raise NotKnown("no branch here has any of the commits that runs stand on")
    changes = {SCHEMA: list(_schema_lines(between.commits, repository))}
    for folder, title in GROUPS.items():
        touching = (one for one in between.commits if any(file.startswith(f"{folder}/") for file in one.files))
        changes[f"{title} (`{folder}`)"] = [_commit_line(one, escape(one.subject)) for one in touching]
    return changes, between.missing


def _is_like_own(line: str) -> bool:
    """Whether a line has the form of those that kag writes here."""
    return line in _FIXED or bool(_COMMIT_LINE.match(line) or _MISSING_LINE.fullmatch(line))


def _require_no_less(between: Between, commits: Set[str], repository: Repository, before: str) -> None:
    """A section that was made of commits that are not here must not lose what it says of them."""
    said = _MISSING_LINE.search(before)
    lost = [commit for commit in between.missing if commit in commits and not (said and short(commit) in said[0])]
    if not lost or not any(_COMMIT_LINE.match(line) for line in before.split("\n")):
        return
    if lost := [commit for commit in lost if commit not in repository.holds(lost)]:
        raise NotKnown(
            f"no branch here has `{short(lost[0])}`, of which it was made (`git fetch` may bring it; empty the section "
            "to have it made of what is here)"
        )


def plans(siblings: Siblings, specs: Path) -> list[Plan]:
    """Planned runs, then the specs of a folder that no run has the name of.

    Raises:
        SpecError: a spec in the folder is broken.
    """
    found = [_plan_of(entry.record) for entry in planned(siblings)]
    names = {entry.record.name for entry in siblings.entries}
    for file in sorted(specs.glob("*.yaml")):
        spec = load_spec(file)
        if spec.name not in names:
            source = spec.start_from.run if spec.start_from else None
            found.append(Plan(spec.name, spec.change, spec.parent or source, flat(spec)))
    return found


def plan_list(found: Sequence[Plan], siblings: Siblings) -> Section:
    """The plans as a numbered list, each with what it would change against its parent."""
    lines = [_plan(plan, siblings) for plan in found]
    text = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1)) or NO_PLAN

    def is_own(line: str) -> bool:
        """A plan that is none any more was one of a run that has begun since."""
        plan = _NUMBER.sub("", line)
        begun = (one.record for one in siblings.entries if plan.startswith(f"`{one.record.name}`"))
        return line == NO_PLAN or plan in lines or any(plan == _plan(_plan_of(one), siblings) for one in begun)

    return Section(text, is_own)


def _plan_of(record: RunRecord) -> Plan:
    return Plan(record.name, record.change, record.parent, dict(record.config))


def _plan(plan: Plan, siblings: Siblings) -> str:
    parent = siblings.find(plan.parent)
    changes = _against(plan, parent) if parent else ""
    said = body(plan.change or "")
    against = f"against `{parent.id}` `{changes}`" if parent and changes else ""
    details = "; ".join(part for part in (said, against) if part)
    return escape(f"`{plan.name}`: {details}" if details else f"`{plan.name}`")


def _against(plan: Plan, parent: Entry) -> str:
    return phrase(changed_settings(parent.record.config, plan.spec, partial=parent.record.kind == "imported"))


def _schema_lines(commits: Iterable[Commit], repository: Repository) -> Iterator[str]:
    """What each commit did to the keys of the spec; one without a parent has nothing to be compared with."""
    pairs = [
        (one, one.parent)
        for one in commits
        if one.parent is not None and any(file.startswith(f"{SPEC}/") for file in one.files)
    ]
    texts = repository.texts(list(dict.fromkeys(name for one, parent in pairs for name in (parent, one.id))), SPEC)
    keys = {commit: spec_keys(files) for commit, files in texts.items()}
    for one, parent in pairs:
        if changes := key_changes(keys[parent], keys[one.id]):
            yield _commit_line(one, escape("; ".join(changes)))


def _commit_line(commit: Commit, said: str) -> str:
    return f"{commit.day} `{short(commit.id)}` {said}"


def _missing_line(commits: Sequence[str]) -> list[str]:
    named = ", ".join(f"`{short(commit)}`" for commit in sorted(commits))
    return [f"{MISSING}{named}."] if named else []


def _part(title: str, lines: Sequence[str]) -> list[str]:
    return [f"**{title}**", *(f"- {line}" for line in lines)] if lines else []
