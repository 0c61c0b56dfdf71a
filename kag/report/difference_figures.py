"""The figures of two runs on the same examples: by how much their numbers differ, and on which proteins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from kag.compare.comparison import COMPARED, Comparison
from kag.compare.groups import GroupComparison
from kag.compare.paired import ProfileOf, Unpaired
from kag.compare.wording import tested_text
from kag.names import METRICS, Part, evaluation
from kag.report.figure import Dots, Dotted, Estimate, Figure, Forest
from kag.report.score_figures import Pictured, profile_of_delivered, rounded
from kag.text import three_decimals
from kag.track.record import RunRecord
from kag.view.metric_names import by_name
from kag.view.metrics import Metric
from kag.view.results import moved

if TYPE_CHECKING:  # numpy takes longer to load than a report of runs without scores
    from kag.stats.paired import Difference
    from kag.stats.profile import Profile

WORST = 5
"""Proteins that are named, those that lost most."""

REASONS = 3
"""Reasons, and things of each, that are told of what is unpaired."""

NAME, VALUE = "scores-difference", "difference, 95 % interval"

Tests = Mapping[Part, "Mapping[str, Difference] | Unpaired"]


def pair_pictures(compared: Comparison, profiled: ProfileOf, called: Sequence[str] = ()) -> Pictured:
    """A forest plot of the later run's differences from the earlier one, and of each split the proteins of both.

    Args:
        compared: the two runs.
        profiled: what their scores look like.
        called: what the two are called; their ids without it.
    """
    before, after = called or (compared.before.id, compared.after.id)
    if compared.same_weights:
        return Pictured(said=(f"{before} and {after} hand on the same weights: nothing can differ",))
    tests: Tests = {split: compared.tested(split) for split in COMPARED}
    title = f"Paired difference of {after} from {before}"
    forest = _forest(title, [row for split in COMPARED for row in _of_split(split, tests[split])], tests)
    figures: list[Figure] = [forest] if forest.rows else []
    said = [] if forest.rows else list(forest.notes)
    for split in COMPARED:
        if not isinstance(tests[split], Unpaired):
            found = _proteins(compared, split, profiled, (before, after))
            if isinstance(found, str):
                said.append(found)
            else:
                figures.append(found)
    return Pictured(tuple(figures), tuple(said))


def headline_pictures(against: Sequence[tuple[str, Comparison]], first: str) -> Pictured:
    """A forest plot of the AUPRC of several runs, each against the first one.

    Args:
        against: what each is called, and its comparison with the first.
        first: what that is called.
    """
    rows: list[Estimate] = []
    why: dict[str, list[str]] = {}
    for split in COMPARED:
        for label, compared in against:
            found = compared.test(split)
            if isinstance(found, Unpaired):
                why.setdefault(found.reason, []).append(f"{label} on {split}")
            else:
                rows.append(_estimate(f"{label}, {split} AUPRC", "auprc", found))
    notes = tuple(_reasons(why))
    figures = (Forest(NAME, f"Paired differences from {first}", VALUE, tuple(rows), notes),) if rows else ()
    return Pictured(figures, () if rows else notes)


def _forest(title: str, rows: Sequence[Estimate], tests: Tests) -> Forest:
    why: dict[str, list[str]] = {}
    for split, found in tests.items():
        if isinstance(found, Unpaired):
            why.setdefault(found.reason, []).append(split)
    metrics = dict.fromkeys(metric for found in tests.values() if not isinstance(found, Unpaired) for metric in found)
    less = [f"of {metric} less is better" for metric in metrics if by_name(metric) == "min"]
    return Forest(NAME, title, VALUE, tuple(rows), (*_reasons(why), *less))


def _reasons(why: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What is unpaired, by the reason; of many reasons the first ones."""
    told = list(why.items())
    for reason, what in told[:REASONS]:
        rest = f" and {len(what) - REASONS} more" if len(what) > REASONS else ""
        yield f"unpaired, {', '.join(what[:REASONS])}{rest}: {reason}"
    if len(told) > REASONS:
        yield f"unpaired for other reasons: {sum(len(what) for _, what in told[REASONS:])} more"


def _of_split(split: Part, found: Mapping[str, Difference] | Unpaired) -> Iterator[Estimate]:
    if isinstance(found, Unpaired):
        return
    for metric in (*(one for one in METRICS if one in found), *(one for one in found if one not in METRICS)):
        yield _estimate(Metric(evaluation(split, metric)).title, metric, found[metric])


def _estimate(label: str, metric: str, tested: Difference) -> Estimate:
    held = tested.interval
    return Estimate(
        label=label,
        value=rounded(tested.value),
        low=rounded(held.low) if held else None,
        high=rounded(held.high) if held else None,
        told=tested_text(metric, tested),
        apart=tested.told_apart,
    )


def _proteins(compared: Comparison, split: Part, profiled: ProfileOf, called: tuple[str, str]) -> Dots | str:
    """The AUPRC of each protein of a split by both sides, or why it is not drawn; of a group the mean of its seeds."""
    sides: list[list[Profile]] = []
    for records in _sides(compared, split):
        found = [profile_of_delivered(record, split, profiled) for record in records]
        missing = next((one for one in found if isinstance(one, Unpaired)), None)
        if missing is not None:
            return missing.reason
        sides.append([one for one in found if not isinstance(one, Unpaired)])
    every = [one for side in sides for one in side]
    if len({one.examples_digest for one in every}) > 1:
        return f"the scores of {compared.before.id} or {compared.after.id} on {split} have changed meanwhile"
    thing, groups = _thing(compared.after), every[0].groups
    if groups is None:
        return f"the scores of {split} name no {thing}s: none can be drawn by itself"
    names = [name for name in groups if all(name in one.auprc_of for one in every)]
    if not names:
        return f"no {thing} of {split} has a positive: none has an AUPRC"
    own, other = ([fmean(one.auprc_of[name] for one in side) for name in names] for side in sides)
    return _dots(split, thing, names, (own, other), called, len(groups))


def _sides(compared: Comparison, split: Part) -> Iterator[Sequence[RunRecord]]:
    """The runs of both sides whose scores the test took."""
    if isinstance(compared, GroupComparison):
        yield from ([record for record, _ in side] for side in compared.sides(split))
    else:
        yield from ([record] for record in (compared.before, compared.after))


def _dots(
    split: Part,
    thing: str,
    names: Sequence[str],
    values: tuple[Sequence[float], Sequence[float]],
    called: tuple[str, str],
    total: int,
) -> Dots:
    own, other = values
    change = [after - before for before, after in zip(own, other, strict=True)]
    worst = [place for place in sorted(range(len(names)), key=change.__getitem__)[:WORST] if change[place] < 0]
    told = [
        f"{name}: {three_decimals(before)} to {three_decimals(after)}, {moved('auprc', after - before)}"
        for name, before, after in zip(names, own, other, strict=True)
    ]
    part = Dotted(
        label=f"{thing}s of {split}",
        x=tuple(map(rounded, own)),
        y=tuple(map(rounded, other)),
        told=tuple(told),
        named=tuple((place, names[place]) for place in worst),
        colour=COMPARED.index(split),
    )
    return Dots(
        name=f"scores-{thing}s-{split}",
        title=f"AUPRC of each {thing} of {split}",
        x_label=called[0],
        y_label=called[1],
        diagonal="no difference",
        parts=(part,),
        notes=tuple(_told(thing, names, change, worst, total)),
    )


def _told(thing: str, names: Sequence[str], change: Sequence[float], worst: Sequence[int], total: int) -> Iterator[str]:
    higher, lower = (sum(sign * one > 0 for one in change) for sign in (1, -1))
    yield f"{higher} of {len(names)} {thing}s are higher, {lower} lower"
    if worst:
        yield "lost most: " + ", ".join(f"{names[place]} {moved('auprc', change[place])}" for place in worst)
    if total > len(names):
        without = total - len(names)
        yield f"{without} of {total} {thing}s {'has' if without == 1 else 'have'} no positive, so no AUPRC"


def _thing(record: RunRecord) -> str:
    """What the examples of a run belong to; another program may group them by anything."""
    return "group" if record.is_foreign else "protein"
