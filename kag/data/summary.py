"""What is in a file, as plain rows for a table or for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kag.data.sites import Sites
from kag.names import ALL, SPLITS

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
WIDEST = 5


@dataclass(frozen=True)
class SplitRow:
    """One split."""

    split: str
    proteins: int
    points: int
    positives: int | None
    """None without labels."""
    prevalence: float | None
    residues: int
    """Distinct centre residues."""
    contexts: int
    """Distinct (centre, neighbours, distances)."""


@dataclass(frozen=True)
class ColumnRow:
    """One tabular column over the train split, or over all rows where there is none."""

    column: str
    minimum: float
    median: float
    maximum: float
    skew: float
    """Third standardised moment; 0 is symmetric."""


@dataclass(frozen=True)
class Summary:
    """A whole file."""

    path: str
    digest: str
    purpose: str
    """`training`, `evaluation` or `prediction`: the most that it can be used for."""
    lacks: tuple[str, ...]
    """What it lacks for training: `train split`, ..., `labels`."""
    splits: tuple[SplitRow, ...]
    residues: int
    """Rows of the residue table."""
    embedding: int
    neighbours: int
    columns: int
    one_context_per_centre: bool
    missing_share: float
    """Share of neighbours that are missing."""
    adjacent_share: float
    """Share of the neighbours that are the residue before or after the centre in sequence."""
    distances: dict[str, float]
    """Quantiles of the distance to a neighbour, angstrom."""
    widest_columns: tuple[ColumnRow, ...]
    """Tabular columns with the widest range."""
    clusters: int | None
    """Of proteins that belong together, those that are alone counted as well; None without any."""
    constant_columns: tuple[str, ...]
    """Tabular columns with one value in the whole train split, or in all rows where there is none."""

    def plain(self) -> dict[str, Any]:
        """The same as dicts and lists."""
        return asdict(self)


def summary(sites: Sites) -> Summary:
    """Count and measure."""
    there_NK = sites.neighbour_NK >= 0
    step_NK = sites.residue_number_R[sites.neighbour_NK] - sites.residue_number_R[sites.centre_N][:, None]
    distance = sites.distance_NK[there_NK]
    train_NF = sites.tabular_NF[sites.index("train" if "train" in sites.parts else ALL)]
    least_F, most_F = train_NF.min(axis=0), train_NF.max(axis=0)
    widest = np.argsort(least_F - most_F, kind="stable")[:WIDEST]
    features = sites.features or tuple(f"column_{column}" for column in range(sites.columns))
    return Summary(
        path=str(sites.path),
        digest=sites.digest,
        purpose=str(sites.purpose),
        lacks=_lacks(sites),
        splits=tuple(_split_row(sites, split) for split in sites.parts),
        residues=sites.residues,
        embedding=sites.embedding,
        neighbours=sites.neighbours,
        columns=sites.columns,
        one_context_per_centre=sites.contexts == len(np.unique(sites.centre_N)),
        missing_share=float(1.0 - there_NK.mean()),
        adjacent_share=float((np.abs(step_NK[there_NK]) == 1).mean()) if there_NK.any() else 0.0,
        distances={f"{share:g}": float(np.quantile(distance, share)) for share in QUANTILES} if distance.size else {},
        widest_columns=tuple(_column_row(features[column], train_NF[:, column]) for column in widest),
        clusters=None if sites.cluster_P is None else int(sites.cluster_P.max()) + 1,
        constant_columns=tuple(features[column] for column in np.flatnonzero(least_F == most_F)),
    )


def _lacks(sites: Sites) -> tuple[str, ...]:
    missing = [split for split in SPLITS if split not in sites.parts]
    splits = ["splits"] if sites.parts == (ALL,) else [f"{split} split" for split in missing]
    return (*splits, *([] if sites.labelled else ["labels"]))


def _split_row(sites: Sites, split: str) -> SplitRow:
    index = sites.index(split)
    return SplitRow(
        split=split,
        proteins=len(np.unique(sites.protein_N[index])),
        points=len(index),
        positives=int(sites.label_N[index].sum()) if sites.labelled else None,
        prevalence=sites.prevalence(split) if sites.labelled else None,
        residues=len(np.unique(sites.centre_N[index])),
        contexts=len(np.unique(sites.context_N[index])),
    )


def _column_row(name: str, value_N: np.ndarray[Any, np.dtype[np.float32]]) -> ColumnRow:
    value = value_N.astype(np.float64)
    spread = float(value.std())
    return ColumnRow(
        column=name,
        minimum=float(value.min()),
        median=float(np.median(value)),
        maximum=float(value.max()),
        skew=float((((value - value.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0,
    )
