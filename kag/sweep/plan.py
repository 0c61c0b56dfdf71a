"""What a sweep would run, before it runs: trials, epochs with and without forks, and what preflight says of them."""

from __future__ import annotations

import itertools
import json
from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from kag import names
from kag.errors import SpecError
from kag.finding import Severity
from kag.spec import Facts, RunSpec, build_spec, preflight
from kag.spec.prefix import part_points, prefix_digest
from kag.sweep.check import objective
from kag.sweep.command import TrainCommand
from kag.sweep.config import Params, Sweep
from kag.sweep.trial import point_digest

MOST_POINTS = 2000
"""A grid up to this size is looked at point by point."""

DRAWS = 64
"""Points that stand for the inside of a space that is too large, beside the extremes of every parameter."""


class FindingCount(BaseModel):
    """A finding of preflight, and of how many points it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    severity: Severity
    points: int
    example: str
    """Its sentence for the first of them."""


class Plan(BaseModel):
    """A sweep before it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    trials: int | None
    """None for a search without end."""
    points: int
    """Points that were looked at."""
    complete: bool
    """Whether these are all that will run; else they stand for them."""
    epochs: int | None
    """Of all trials, each by itself, if none stops early. None for a search without end."""
    epochs_forked: int | None
    """The same if trials share what they have in common. None where the points are not known beforehand."""
    shares: bool
    """Whether the command lets trials share."""
    findings: tuple[FindingCount, ...]
    """Errors first."""

    @property
    def errors(self) -> list[FindingCount]:
        """What no run may begin with."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]


def plan(sweep: Sweep, base: RunSpec, command: TrainCommand, facts: Facts | None = None) -> Plan:
    """Look at a sound sweep: at every point of a grid, else at a sample with both extremes of every range.

    `base` is the spec that its command names, with the command's own overrides.
    """
    trials = sweep.trial_count()
    complete = sweep.method == "grid" and trials is not None and trials <= MOST_POINTS
    points = list(itertools.islice(sweep.grid(), trials)) if complete else sample(sweep)
    specs, refused = _built(base, points)
    lengths = [spec.last_epoch + 1 for spec in specs]
    return Plan(
        method=sweep.method,
        trials=trials,
        points=len(points),
        complete=complete,
        epochs=sum(lengths) if complete else None if trials is None else trials * max(lengths, default=0),
        epochs_forked=forked_epochs(specs, command.part_at) if complete else None,
        shares=command.share is not None,
        findings=(*refused, *_ranked((*_undecided(sweep, len(points)), *_summed(specs, facts)))),
    )


def sample(sweep: Sweep) -> list[Params]:
    """Points that stand for a whole space: every extreme of every parameter, all low, all high, and evenly spread ones.

    The spread ones are an additive sequence on powers of the generalised golden ratio, which fills the unit cube evenly
    and is the same at each call.
    """
    leaves = sweep.leaves()
    middle = {key: leaf.value(0.5) for key, leaf in leaves.items()}
    shares = [[share] * len(leaves) for share in (0.0, 1.0)]
    ratio = 2.0
    for _ in range(64):
        ratio = (1.0 + ratio) ** (1.0 / (len(leaves) + 1))
    steps = [ratio**-power for power in range(1, len(leaves) + 1)]
    shares += [[(0.5 + number * step) % 1.0 for step in steps] for number in range(DRAWS)]
    points = [middle | {key: value} for key, leaf in leaves.items() for value in leaf.extremes()]
    points += [
        {key: leaf.value(share) for (key, leaf), share in zip(leaves.items(), row, strict=True)} for row in shares
    ]
    return list({point_digest(point): point for point in points}.values())


def forked_epochs(specs: Sequence[RunSpec], part_at: Sequence[int]) -> int:
    """Epochs that trials train which take over the deepest state that fits and store theirs where they part."""
    everywhere = sorted({point for spec in specs for point in part_points(spec, part_at)})
    stored: set[tuple[str, str]] = set()
    trained = 0
    for spec in specs:
        length = spec.last_epoch + 1
        keys = {at: (spec.data.file, prefix_digest(spec, at)) for at in everywhere if at <= length}
        deepest = max((at for at, key in keys.items() if key in stored), default=0)
        trained += length - deepest
        stored |= {keys[at] for at in part_points(spec, part_at)}
    return trained


def _built(base: RunSpec, points: Sequence[Params]) -> tuple[list[RunSpec], list[FindingCount]]:
    """The specs of the points. Values that are valid one by one may not be valid together: those points are counted."""
    tree = base.model_dump(mode="json")
    specs: list[RunSpec] = []
    refused: list[str] = []
    for point in points:
        try:
            specs.append(build_spec(tree, point, title=json.dumps(point)))
        except SpecError as error:
            refused.append(str(error))
    if not refused:
        return specs, []
    count = FindingCount(code="no_valid_spec", severity=Severity.ERROR, points=len(refused), example=refused[0])
    return specs, [count]


def _undecided(sweep: Sweep, points: int) -> Iterator[FindingCount]:
    telling = objective(sweep.varied())
    if sweep.metric is not None and sweep.metric.name == names.OBJECTIVE != telling:
        yield FindingCount(
            code="metric_ties",
            severity=Severity.WARNING,
            points=points,
            example=f"every trial whose best single epoch beats its average delivers that epoch, and all of them have "
            f"the same {names.OBJECTIVE}; judge averaging by {telling}",
        )


def _summed(specs: Sequence[RunSpec], facts: Facts | None) -> Iterator[FindingCount]:
    # A code that comes twice for one point still is one point.
    found = [{finding.code: finding for finding in reversed(preflight(spec, facts))} for spec in specs]
    points = Counter(code for once in found for code in once)
    for code, first in ChainMap(*found).items():
        yield FindingCount(code=code, severity=first.severity, points=points[code], example=first.sentence)


def _ranked(counts: Iterable[FindingCount]) -> list[FindingCount]:
    return sorted(counts, key=lambda count: (count.severity.rank, -count.points, count.code))
