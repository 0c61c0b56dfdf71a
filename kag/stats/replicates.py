"""The difference of two groups of runs on the same units; those of a group differ in nothing but the seed.

What a difference would be with other seeds and on other units has two sources of spread, and both count (Bouthillier et
al. 2021, arXiv 2103.03098; Agarwal et al. 2021, arXiv 2108.13264). The spread of seeds that is measured contains what
each seed happens to do on these very units; the jackknife over units has counted that already, so it is taken off. A
bootstrap that draws seeds and units counts it several times (Owen 2007, doi 10.1214/07-AOAS122), and draws too little
from few seeds: it tells equal groups of five apart in 1 of 100 data sets and equal groups of three in up to 8.

Shape letters: R replicates, U units, S resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kag.errors import DataError
from kag.stats.bootstrap import Resampled
from kag.stats.paired import Difference, check_paired, difference, jackknife_error, lead


def replicate_difference(a: Sequence[Resampled], b: Sequence[Resampled]) -> Difference:
    """Mean of b minus mean of a; `better` is the probability that one run of b is above one run of a.

    With one replicate on a side nothing is known of the spread of its seeds: the difference is then that of these very
    weights on other units, and `over_seeds` is False.

    Raises:
        DataError: a side is empty, or they are not of the same units and resamples.
    """
    if not a or not b:
        raise DataError("there is no replicate on one side")
    check_paired((*a, *b))
    value = float(np.mean([each.value for each in b]) - np.mean([each.value for each in a]))
    left_out_U = np.mean([each.left_out_U for each in b], axis=0) - np.mean([each.left_out_U for each in a], axis=0)
    ahead = lead(np.concatenate([other.draw_S - one.draw_S for one in a for other in b]))
    error, freedom = jackknife_error(left_out_U)
    over_seeds = len(a) > 1 and len(b) > 1
    if over_seeds:
        error, freedom = _with_seeds(error, freedom, (a, b))
    return replace(difference(value, error, freedom, ahead), over_seeds=over_seeds)


def _with_seeds(error: float, freedom: float, groups: Sequence[Sequence[Resampled]]) -> tuple[float, float]:
    """Standard error and degrees of freedom of both sources together (Satterthwaite 1946)."""
    variances, doubts = [error**2], [error**4 / freedom]
    for group in groups:
        seeds = float(np.var([each.value for each in group], ddof=1))
        own = max(0.0, seeds - _on_these_units(group))
        variances.append(own / len(group))
        doubts.append((seeds / len(group)) ** 2 / (len(group) - 1) if own else 0.0)
    variance, doubt = math.fsum(variances), math.fsum(doubts)
    return math.sqrt(variance), variance**2 / doubt if doubt else freedom


def _on_these_units(group: Sequence[Resampled]) -> float:
    """Variance between seeds that is due to the units that happen to be in the data."""
    left_out_RU = np.array([each.left_out_U for each in group])
    errors = [jackknife_error(own_U)[0] for own_U in left_out_RU - left_out_RU.mean(axis=0)]
    return sum(error**2 for error in errors) / (len(group) - 1)
