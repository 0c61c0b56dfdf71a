"""Runs that differ from an earlier one in nothing, or in the seed alone."""

from __future__ import annotations

from collections.abc import Iterator

from kag.changelog.entry import Entry
from kag.changelog.siblings import Siblings
from kag.compare.comparison import compare
from kag.finding import Finding, note
from kag.track.record import RunRecord
from kag.view.changes import diff, phrase
from kag.view.results import measured_column

LOOKED_AT = 8
"""Earlier runs of the same settings that are looked at, the newest first."""


def same_settings(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The same settings as an earlier run, the seed included, and another result."""
    metric = siblings.judged_by(entry)
    value = entry.measured(metric) if metric else None
    if metric is None or value is None:
        return
    for other in siblings.alike(entry, but_seed=False, most=LOOKED_AT):
        before = other.measured(metric)
        if before is None or before == value or compare(other.record, entry.record).settings:
            continue
        own, there = measured_column(metric.name, (value, before))
        code = _other_code(entry.record, other.record)
        said = f"the same settings as `{other.id}`{code}: {metric.title} {own}, there {there}"
        yield note("same_settings", said, value=value, other=other.id, value_of_other=before)
        return


def seed_differs(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """Nothing but the seed differs from the run that it is compared with, or from another earlier one."""
    parent, alike = siblings.against_parent(entry), siblings.alike(entry, but_seed=True, most=LOOKED_AT)
    known = siblings.group(entry).ids
    apart = (one for one in alike if one.record.config != entry.record.config and one.id not in known)
    others = (compare(one.record, entry.record, seed_keys=siblings.seed_keys) for one in apart)
    for compared in (*([parent] if parent else ()), *others):
        if compared.seed_alone:
            other, changes = compared.before, compared.settings or diff(compared.before, entry.record)
            seeds = phrase(changes, whole=True)
            said = f"nothing but the seed differs from `{other.id}` ({seeds}){_other_code(entry.record, other)}"
            yield note("seed_differs", said, other=other.id, keys=len(changes))
            return


def _other_code(run: RunRecord, other: RunRecord) -> str:
    own, before = run.git, other.git
    return ", on another commit" if own and before and own.commit != before.commit else ""
