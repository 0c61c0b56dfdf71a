"""Scores that another program brings: a row for each example, with the columns of `COLUMNS`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kag.errors import RecordError
from kag.names import Part
from kag.stats.metrics import Array, Floats, Ints
from kag.stats.scores import Scores, clustered, grouped, usual_threshold

COLUMNS = ("score", "loss", "label", "group", "cluster", "threshold")

EXAMPLES = 5_000_000
"""Rows of a file."""

REMEDY = (
    "name a column score (higher is more positive) and label (0 or 1), or one column loss; "
    "group and cluster are optional"
)


def scores_from(columns: Mapping[str, Array], split: Part, *, where: str) -> Scores:
    """What columns say; columns of other names are passed over.

    Raises:
        RecordError: one is missing, of another length, or holds what it cannot hold.
    """
    value, label_N = _kind(columns, where)
    value_N = _finite(columns[value], value, where)
    if not 1 <= len(value_N) <= EXAMPLES:
        raise RecordError(f"holds {len(value_N)} examples; from 1 to {EXAMPLES} are read", where=where)
    for name in ("label", "group", "cluster"):
        if name in columns and columns[name].shape != value_N.shape:
            raise RecordError(f"its column {name} has another length than its column {value}", where=where)
    group_N, groups = _groups(columns.get("group"), len(value_N))
    cluster_G = _clusters(columns["cluster"].astype(str), group_N, where) if "cluster" in columns else None
    threshold = None
    if label_N is not None:
        threshold = _threshold(columns["threshold"], where) if "threshold" in columns else usual_threshold(value_N)
    return Scores(split, value_N, label_N, group_N, groups, threshold, cluster_G=cluster_G)


def _kind(columns: Mapping[str, Array], where: str) -> tuple[str, NDArray[np.bool_] | None]:
    """Which column has the values, and the labels if those are scores."""
    there = {name for name in columns if name in COLUMNS}
    if {"score", "loss"} <= there:
        raise RecordError("has a column score and a column loss", where=where, remedy="leave one of them out")
    if "loss" in there:
        return "loss", None
    for name in ("score", "label"):
        if name not in there:
            near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
            nearest = near[0] if near else ", ".join(sorted(columns)[:8]) or None
            raise RecordError(f"has no column {name}", where=where, nearest=nearest, remedy=REMEDY)
    return "score", _labels(columns["label"], where)


def _labels(label_N: Array, where: str) -> NDArray[np.bool_]:
    if label_N.dtype.kind == "U":
        lower_N = np.char.lower(label_N)
        label_N = np.select([lower_N == "true", lower_N == "false"], ["1", "0"], label_N)
    number_N = _finite(label_N, "label", where)
    if not np.isin(number_N, (0, 1)).all():
        raise RecordError(
            "its column label holds other numbers than 0 and 1",
            where=where,
            remedy="of several classes, write the score of one of them, and whether it is the right one",
        )
    return number_N.astype(bool)


def _finite(column_N: Array, name: str, where: str) -> Floats:
    """A column as numbers: text, as csv has it, is read as such."""
    fault = f"its column {name} is no column of numbers"
    if column_N.ndim != 1:
        raise RecordError(f"{fault}: it has {column_N.ndim} axes", where=where)
    try:
        number_N: Floats = column_N.astype(np.float64, casting="unsafe" if column_N.dtype.kind in "U" else "same_kind")
    except (ValueError, TypeError) as error:
        raise RecordError(f"{fault}: {error}", where=where) from None
    if not np.isfinite(number_N).all():
        row = int(np.flatnonzero(~np.isfinite(number_N))[0])
        raise RecordError(f"its column {name} is not finite in row {row + 1}", where=where)
    return number_N


def _groups(name_N: Array | None, examples: int) -> tuple[Ints, tuple[str, ...] | None]:
    if name_N is None:
        return np.arange(examples), None
    return grouped(name_N.astype(str))


def _clusters(name_N: Array, group_N: Ints, where: str) -> Ints | None:
    """The cluster of each group; all examples of a group are in one."""
    _, first_G = np.unique(group_N, return_index=True)
    own_N = name_N[first_G][group_N]
    astray_N = name_N != own_N
    if astray_N.any():
        row = int(astray_N.argmax())
        raise RecordError(
            f"row {row + 1} is in the cluster {name_N[row]}, another row of its group in {own_N[row]}",
            where=where,
            remedy="give all examples of a group the same cluster",
        )
    return clustered(name_N[first_G])


def _threshold(column: Array, where: str) -> float:
    """One number, or a column that repeats it."""
    found = np.unique(_finite(column.reshape(-1), "threshold", where))
    if len(found) != 1:
        raise RecordError(f"its threshold is {len(found)} numbers, not one", where=where)
    return float(found[0])
