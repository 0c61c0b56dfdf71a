"""The mean of several curves, with how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Points = tuple[Sequence[float], Sequence[float]]
"""Places on the x axis, in order, and values; NaN is none."""


class Mean(NamedTuple):
    """A curve of several ones."""

    x: Sequence[float]
    y: Sequence[float]
    sd: Sequence[float]
    """Standard deviation (n - 1) of the curves there; NaN where only one goes so far."""
    n: Sequence[int]
    """Curves that the mean is of."""


def mean_of(curves: Sequence[Points], points: int) -> Mean:
    """The mean over the places that the curves have, as far as at least half of them go.

    Of more places than `points` neighbours are taken together: each curve counts there with the mean of its values.
    """
    import numpy as np

    x_P = np.concatenate([np.asarray(x, float) for x, _ in curves])
    y_P = np.concatenate([np.asarray(y, float) for _, y in curves])
    owner_P = np.repeat(np.arange(len(curves)), [len(x) for x, _ in curves])
    known_P = np.isfinite(y_P)
    x_P, y_P, owner_P = x_P[known_P], y_P[known_P], owner_P[known_P]
    if not len(x_P):
        return Mean((), (), (), ())
    x_X, place_P = np.unique(x_P, return_inverse=True)
    if len(x_X) > points:
        edges = np.linspace(x_X[0], x_X[-1], points + 1)
        place_P = np.clip(np.searchsorted(edges, x_P, side="right") - 1, 0, points - 1)
        x_X = (edges[:-1] + edges[1:]) / 2
    # One value of each curve at each place.
    cell_C, cell_P = np.unique(place_P * len(curves) + owner_P, return_inverse=True)
    value_C = np.bincount(cell_P, y_P) / np.bincount(cell_P)
    place_C = cell_C // len(curves)
    n_X = np.bincount(place_C, minlength=len(x_X))
    kept_X = 2 * n_X >= len(curves)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_X = np.bincount(place_C, value_C, len(x_X)) / n_X
        apart_X = np.bincount(place_C, (value_C - mean_X[place_C]) ** 2, len(x_X))
        sd_X = np.sqrt(apart_X / (n_X - 1))
    sd_X[n_X < 2] = np.nan
    return Mean(x_X[kept_X].tolist(), mean_X[kept_X].tolist(), sd_X[kept_X].tolist(), n_X[kept_X].tolist())
