"""A tested difference in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kag.view.results import moved

if TYPE_CHECKING:
    from kag.stats.paired import Difference


def tested_text(metric: str, tested: Difference) -> str:
    """`+0.050 [+0.030, +0.070]`: the paired difference and its 95 % interval.

    Args:
        metric: of which, which says how its numbers are written.
        tested: the difference.
    """
    held = tested.interval
    bounds = f"[{moved(metric, held.low)}, {moved(metric, held.high)}]" if held else "without an interval"
    return f"{moved(metric, tested.value)} {bounds}"
