"""Verdicts: on two runs, and on each of several runs, or groups of replicates, against the first. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from kag.compare.paired import DrawnOf, not_asked
from kag.compare.replicates import Replicates
from kag.compare.verdict import Values, Verdict
from kag.compare.wording import group_text
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.view.metrics import OWN, Metric
from kag.view.results import headline


def verdict(
    before: RunRecord,
    after: RunRecord,
    metrics: Sequence[Metric] = OWN,
    values: Values | None = None,
    drawn: DrawnOf = not_asked,
) -> Verdict:
    """The verdict on two runs of one source as they stand.

    Args:
        before: the run that was named first.
        after: the other one.
        metrics: those that count in the source, in their order.
        values: what stands for runs of other programs.
        drawn: where the draws of both are.
    """
    return _verdict((Replicates((before,)), Replicates((after,))), metrics, values, drawn)


def verdicts(
    records: Sequence[RunRecord],
    groups: Sequence[Replicates] = (),
    metrics: Sequence[Metric] = OWN,
    values: Values | None = None,
    drawn: DrawnOf = not_asked,
    *,
    seed_keys: Sequence[str] = (),
) -> tuple[Verdict, ...]:
    """A verdict on each run against the first one, none of one run alone; see `verdict`.

    Where some of them are of several seeds and there are others, on each group against the first one. Runs of one seed
    are the same run once more, and each is judged by itself.

    Args:
        records: the runs, in the order in which they were named.
        groups: the same, those together that differ in the seed alone.
        metrics: those that count in the source, in their order.
        values: what stands for runs of other programs.
        drawn: where the draws of all are.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
    """
    alone = [Replicates((record,), seed_keys=tuple(seed_keys)) for record in records]
    over_seeds = [group for group in groups if len(group.by_seed) > 1]
    grouped = {record.id: group for group in over_seeds for record in group.runs}
    found = (grouped.get(own.runs[0].id, own) for own in alone)
    sides = list({one.runs[0].id: one for one in found}.values())
    shown = sides if over_seeds and len(sides) > 1 else alone
    return tuple(_verdict((shown[0], other), metrics, values, drawn) for other in shown[1:])


def _verdict(
    groups: tuple[Replicates, Replicates], metrics: Sequence[Metric], values: Values | None, drawn: DrawnOf
) -> Verdict:
    ordered = sorted(metrics, key=lambda one: one.goal is None)
    lacking: list[tuple[str, ...]] = []
    for metric in ordered:
        own, other = (_value(group, metric, values or {}) for group in groups)
        if own is not None and other is not None:
            before, after = (_result(group.runs[0], metric) if len(group.runs) == 1 else None for group in groups)
            return Verdict(groups, metric, (own, other), (before, after), drawn=drawn)
        told = zip(groups, (own, other), strict=True)
        lacking.append(tuple(group_text(group) for group, value in told if value is None))
    if not ordered:
        return Verdict(groups, lacking=tuple(map(group_text, groups)), drawn=drawn)
    return Verdict(groups, ordered[0], lacking=lacking[0], drawn=drawn)


def value_of_run(metric: Metric, values: Values, record: RunRecord) -> float | None:
    """What stands for a run: what its record says, or of another program what was worked out of its history."""
    result = _result(record, metric)
    return result.value if result else values.get(record.id, {}).get(metric)


def sentences(found: Iterable[Verdict]) -> tuple[str, ...]:
    """Those of runs that may be compared, for whoever says by itself which may not."""
    return tuple(one.sentence for one in found if not one.reasons)


def _value(group: Replicates, metric: Metric, values: Values) -> float | None:
    """What stands for a run, or the mean over the seeds of a group."""
    of_run = partial(value_of_run, metric, values)
    return of_run(group.runs[0]) if len(group.runs) == 1 else group.spread(of_run).mean


def _result(record: RunRecord, metric: Metric) -> Result | None:
    """What kag's own record says of it."""
    split, _, name = metric.name.partition("/")
    return headline(record, split, name) if metric.value == "delivered" else None
