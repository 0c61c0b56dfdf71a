"""A tested difference, and what replicates come to, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kag.compare.replicates import Replicates, Spread
from kag.text import MISSING
from kag.view.metrics import Metric
from kag.view.results import moved

if TYPE_CHECKING:
    from kag.stats.paired import Difference

SEEDS = 6
"""Seeds that are listed."""


def tested_text(metric: str, tested: Difference) -> str:
    """`+0.050 [+0.030, +0.070]`: the paired difference and its 95 % interval.

    Args:
        metric: of which, which says how its numbers are written.
        tested: the difference.
    """
    held = tested.interval
    bounds = f"[{moved(metric, held.low)}, {moved(metric, held.high)}]" if held else "without an interval"
    return f"{moved(metric, tested.value)} {bounds}"


def spread_text(metric: Metric, found: Spread) -> str:
    """`mean 0.312, sd 0.004, 0.307 to 0.318, n = 5`; a seed without a number leaves `n = 4 of 5`."""
    counted = f"n = {n_text(found)}"
    if found.n < 2:
        return f"{metric.text(found.mean)}, {counted}"
    mean, sd, low, high = map(metric.text, (found.mean, found.sd, found.low, found.high))
    return f"mean {mean}, sd {sd}, {low} to {high}, {counted}"


def n_text(found: Spread) -> str:
    """`5`, or `4 of 5` where not all seeds have a number."""
    return str(found.n) if found.n == found.of else f"{found.n} of {found.of}"


def seeds_counted(group: Replicates) -> str:
    """What stands behind the name of a group: ` (2 of 3 seeds)`; nothing behind that of a run alone."""
    return f" ({n_text(group.spread(lambda _: 1.0))} seeds)" if len(group.runs) > 1 else ""


def group_text(group: Replicates) -> str:
    """`ID (2 of 3 seeds)`: a group by its first run; a run alone is its id."""
    return group.runs[0].id + seeds_counted(group)


def seeds_listed(seeds: Iterable[str | None]) -> str:
    """`1, 2, 3`; of many the first ones."""
    known = [seed for seed in seeds if seed is not None]
    rest = f" and {len(known) - SEEDS} more" if len(known) > SEEDS else ""
    return ", ".join(known[:SEEDS]) + rest or MISSING


def without_text(seeds: Sequence[str]) -> str:
    """`without seed 2`; empty if none is missing."""
    return f"without seed{'s' if len(seeds) > 1 else ''} {seeds_listed(seeds)}" if seeds else ""
