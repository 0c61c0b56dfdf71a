"""Clusters: proteins that belong together, as homologues do, or apo and holo forms, and are drawn as one.

Nothing is trained otherwise with them and no value changes: they decide how wide the interval of a number is, and what
a paired test tells apart. So they are no part of the digest of the data.

Shape letters: P proteins.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kag.errors import DataError, RecordError
from kag.stats.scores import clustered
from kag.track.reading import read_bytes
from kag.track.scores_table import csv_cells

PROTEIN, CLUSTER = "protein", "cluster"
"""Columns of a file of clusters."""

REMEDY = f"the first line is `{PROTEIN},{CLUSTER}`; each protein has a line, one that is alone a cluster of its own"


def read_clusters(file: Path, proteins: Sequence[str]) -> NDArray[np.int64] | None:
    """The cluster of each protein from a csv file, numbered as `clustered` does; None if each is on its own.

    Other columns are passed over, and so are proteins that the data have not: one file may serve several data sets.

    Args:
        file: csv with the columns `protein` and `cluster`.
        proteins: keys, each once.

    Raises:
        DataError: the file is not there, or no such csv; a protein of the data is missing in it, or in two clusters.
    """
    known = _clusters_of(file)
    missing = [protein for protein in proteins if protein not in known]
    if missing:
        strangers = sorted(known.keys() - set(proteins))
        near = get_close_matches(missing[0], strangers, n=1)
        raise DataError(
            f"has no line for {len(missing)} of {len(proteins)} proteins, the first is `{missing[0]}`",
            where=str(file),
            nearest=near[0] if near else None,
            remedy=REMEDY,
        )
    return clustered(np.array([known[protein] for protein in proteins]))


def _clusters_of(file: Path) -> dict[str, str]:
    """The cluster of every protein that a file names."""
    where = str(file)
    if not file.exists():
        remedy = "correct data.clusters in the spec; `kag eval` and `kag data check` take --clusters FILE"
        raise DataError("there is no such file", where=where, remedy=remedy)
    try:
        cells = csv_cells(read_bytes(file), (PROTEIN, CLUSTER), where=where)
    except RecordError as error:
        raise DataError(error.what, where=where, remedy=REMEDY) from None
    for name in (PROTEIN, CLUSTER):
        if name not in cells:
            raise DataError(f"has no column `{name}`", where=where, nearest=", ".join(cells) or None, remedy=REMEDY)
    found: dict[str, str] = {}
    for protein, cluster in zip(cells[PROTEIN], cells[CLUSTER], strict=True):
        if not protein or not cluster:
            raise DataError(f"a {CLUSTER if protein else PROTEIN} is empty", where=where, remedy=REMEDY)
        if found.setdefault(protein, cluster) != cluster:
            raise DataError(f"`{protein}` is in two clusters, `{found[protein]}` and `{cluster}`", where=where)
    return found
