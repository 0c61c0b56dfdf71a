"""The difference of two models on the same units: value, interval, chance that one is above, p-value.

The interval is jackknife-t: the standard error comes from the difference with each unit left out, the quantile from
Student's t with one degree of freedom less than there are units. On 36 and on 93 proteins it holds the truth in 94 to
96 of 100 data sets, where percentiles of the draws do in 92 to 94 (`python -m tests.benchmarks statistics`).

Where a threshold was chosen elsewhere, as for IoU and recall, the difference is one of weights with their thresholds.
What luck a threshold had is in no draw: two equal models differ in recall, and truly, if their thresholds do.

Shape letters: U units, S resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kag.errors import DataError
from kag.stats.bootstrap import Resampled
from kag.stats.interval import Interval
from kag.stats.metrics import Floats

ALPHA = 0.05
"""Share of intervals that may leave out the truth, and the p-value below which two are told apart."""


@dataclass(frozen=True)
class Difference:
    """How far the second of two lies above the first."""

    value: float
    """NaN where one of them is undefined."""
    interval: Interval | None
    """95 %; None where there are fewer than two units, or one cannot be left out."""
    lead: float
    """Share of the resamples in which the second is above, less those in which the first is; NaN without one."""
    p_value: float
    """Two-sided, below 0.05 where the interval leaves zero out; NaN without an interval."""
    error: float = math.nan
    """Standard error, and its degrees of freedom below; NaN without an interval."""
    freedom: float = math.nan
    over_seeds: bool = False
    """Whether the interval is of other seeds too; without, it is of these very weights on other units."""

    def __neg__(self) -> Difference:
        flipped = self.interval and Interval(-self.interval.high, -self.interval.low)
        return replace(self, value=-self.value, interval=flipped, lead=-self.lead)

    @property
    def better(self) -> float:
        """Probability that the second is above the first on other units, ties counted half (arXiv 2103.03098).

        Of a loss, where less is better, ask the negated difference.
        """
        return (1.0 + self.lead) / 2.0

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval is not None and not self.interval.low <= 0.0 <= self.interval.high


def paired_difference(a: Resampled, b: Resampled) -> Difference:
    """b minus a, of the same metric on the same units.

    Raises:
        DataError: they are not of the same number of units and resamples.
    """
    check_paired((a, b))
    error, freedom = jackknife_error(b.left_out_U - a.left_out_U)
    return difference(b.value - a.value, error, freedom, lead(b.draw_S - a.draw_S))


def difference(value: float, error: float, freedom: float, ahead: float) -> Difference:
    """By Student's t from a standard error; without an interval where the error is NaN.

    Args:
        error: standard error of the value.
        freedom: its degrees of freedom.
        ahead: the `lead`.
    """
    from scipy.special import stdtr

    if math.isnan(value) or math.isnan(error):
        return Difference(value, None, ahead, math.nan)
    reach = quantile(freedom) * error
    distance = abs(value) / error if error else math.inf if value else 0.0
    p_value = 2.0 * float(stdtr(freedom, -distance))
    return Difference(value, Interval(value - reach, value + reach), ahead, p_value, error, freedom)


def independent_difference(a: Difference, b: Difference) -> Difference:
    """b minus a where the units of one are no units of the other, as of val and test (Welch 1947).

    The chance that one is above the other is not known of them (NaN), and there is no interval where one has none.
    """
    squares = a.error**2, b.error**2
    doubt = squares[0] ** 2 / a.freedom + squares[1] ** 2 / b.freedom
    freedom = sum(squares) ** 2 / doubt if doubt else min(a.freedom, b.freedom)
    return difference(b.value - a.value, math.sqrt(sum(squares)), freedom, math.nan)


def quantile(freedom: float) -> float:
    """Of Student's t: how many standard errors a 95 % interval reaches to each side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1.0 - ALPHA / 2.0))


def jackknife_error(left_out_U: Floats) -> tuple[float, float]:
    """Standard error of a value and its degrees of freedom, from the value without each unit (Efron & Stein 1981).

    Both NaN with fewer than two units, and where leaving one out leaves the value undefined.
    """
    units = len(left_out_U)
    if units < 2 or np.isnan(left_out_U).any():
        return math.nan, math.nan
    return math.sqrt((units - 1) * float(np.var(left_out_U))), units - 1.0


def lead(draw_S: Floats) -> float:
    """Share of draws above zero less the share below; undefined ones (NaN) do not count, NaN where none is left."""
    known_S = draw_S[~np.isnan(draw_S)]
    return float(np.sign(known_S).sum()) / len(known_S) if len(known_S) else math.nan


def holm(p_values: Sequence[float], *, family: int | None = None) -> tuple[float, ...]:
    """Adjusted p-values of a family of tests, in the given order (Holm 1979, Scand. J. Statist. 6:65).

    At most 5 % of families in which nothing differs have one below 0.05. A test without a p-value (NaN) keeps none and
    does not count in the family.

    Args:
        family: how many tests there are in all where these are chosen from them; None where these are all.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = list(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, ((family or len(known)) - rank) * p))
        adjusted[place] = largest
    return tuple(adjusted)


def check_paired(resampled: Sequence[Resampled]) -> None:
    """Refuse what was drawn from different units.

    Raises:
        DataError: with the numbers of units and resamples.
    """
    shapes = sorted({(len(each.left_out_U), len(each.draw_S)) for each in resampled})
    if len(shapes) > 1:
        found = " and ".join(f"{units} units in {samples} resamples" for units, samples in shapes)
        raise DataError(f"draws of {found} are not pairs", remedy="compare models on the same data, drawn alike")
