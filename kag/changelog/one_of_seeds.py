"""What is said beside a run that is one of several seeds: what they come to together, and against their parent's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from kag.changelog.entry import Entry
from kag.changelog.siblings import Siblings
from kag.compare.comparison import Comparison
from kag.compare.groups import GroupComparison, seeds_text
from kag.compare.paired import Unpaired
from kag.compare.replicates import Replicates
from kag.compare.verdict import paired_text
from kag.compare.wording import spread_text
from kag.track.record import RunRecord
from kag.view.metrics import Metric


class OneOfSeeds(NamedTuple):
    """A run among its replicates."""

    runs: tuple[str, ...]
    """All of them, in the order of start."""
    sentence: str


def one_of_seeds(entry: Entry, siblings: Siblings) -> OneOfSeeds | None:
    """What the group of a run comes to, beside the group of its parent; None of a run that has no replicates.

    What a test tells apart is for the rules, which know how many were tested.
    """
    group, metric = siblings.group(entry), siblings.judged_by(entry)
    if not group.is_several:
        return None
    ids, own = tuple(one.id for one in group.entries), f"one of {len(group.alike.by_seed)} seeds"
    if metric is None:
        return OneOfSeeds(ids, own)
    compared = siblings.against_parent(entry)
    against = f"; against {_beside(compared, metric, siblings)}" if compared else ""
    return OneOfSeeds(ids, f"{own}: {metric.title} {spread_text(metric, group.spread(metric))}{against}")


def _beside(compared: Comparison, metric: Metric, siblings: Siblings) -> str:
    """The group of the parent, as it stood, and how far this one lies from it."""
    assert isinstance(compared, GroupComparison)
    parent, tested = compared.groups[0], compared.test_of(metric.name)
    called = parent.runs[0].id
    if len(parent.runs) > 1:
        called = f"the {len(parent.by_seed)} seeds of {called}"
    if compared.reason is not None:
        return f"{called}: not comparable: {compared.reason}"
    value = _spread_of(parent, metric, siblings)
    if isinstance(tested, Unpaired):
        return f"{called}: {value}; not tested: {tested.reason}"
    return f"{called}: {value}; {paired_text(metric.name, tested)}{seeds_text(compared)}"


def _spread_of(group: Replicates, metric: Metric, siblings: Siblings) -> str:
    value = partial(_measured, siblings, metric)
    return spread_text(metric, group.spread(value)) if len(group.runs) > 1 else metric.text(value(group.runs[0]))


def _measured(siblings: Siblings, metric: Metric, record: RunRecord) -> float | None:
    return replace(siblings.by_id[record.id], record=record).measured(metric)
