"""`DataFacts`: what weights know of the data they were made on, and `as_trained`, which asks it of other data.

A network reads tabular columns and embeddings by their place alone. Data whose columns stand in another order, or whose
embeddings are of another kind, would be scored without complaint, and wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kag.data.layout import FEATURE_NAMES, RESIDUE_EMBEDDINGS
from kag.data.sites import Sites
from kag.errors import DataError

if TYPE_CHECKING:
    from kag.model.size import Sizes

SAMPLED = 8192
"""Residues from which the moments of an embedding are taken: enough for two digits."""

COLUMNS = 256
"""Dimensions that are widened to 64 bits together."""

FEWEST = 50
"""Residues below which moments tell nothing."""

MOST_SHIFT = 1.0
"""Root mean square over the dimensions of the shift of their means, in standard deviations.

Between train and test residues of `sites_v3.h5` it is 0.1, between train residues and any one protein at most 0.3."""

MOST_STRETCH = 0.6
"""The same of the natural logarithm of the ratio of their standard deviations.

There it is 0.05 and 0.25; with the dimensions in another order, or of numbers that were not scaled alike, 0.7 and more.
"""


@dataclass(frozen=True)
class EmbeddingFacts:
    """What tells one kind of residue embedding from another."""

    stated: tuple[tuple[str, str], ...]
    """File attributes of `kag.data.layout.EMBEDDING`, by name."""
    mean_D: tuple[float, ...]
    """Over the residues on which points lie."""
    std_D: tuple[float, ...]
    residues: int
    """Residues that were looked at."""

    @classmethod
    def of(cls, sites: Sites, split: str) -> EmbeddingFacts:
        """The facts of the centre residues of a split, or of `all`."""
        if split == "train" and sites.prepared is not None and sites.prepared.embedded is not None:
            return sites.prepared.embedded
        row_R = np.unique(sites.centre_N[sites.index(split)])
        row_R = row_R[:: len(row_R) // SAMPLED + 1]
        mean_D: list[float] = []
        std_D: list[float] = []
        for first in range(0, sites.embedding, COLUMNS):
            value_RD = sites.residue_RD[row_R, first : first + COLUMNS].astype(np.float64)
            mean_D += value_RD.mean(0).tolist()
            std_D += value_RD.std(0).tolist()
        return cls(sites.embedding_stated, tuple(mean_D), tuple(std_D), len(row_R))

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> EmbeddingFacts:
        """Facts as JSON has them: what was a tuple is a list there."""
        stated = tuple((name, value) for name, value in kept["stated"])
        return cls(stated, tuple(kept["mean_D"]), tuple(kept["std_D"]), kept["residues"])

    def apart(self, other: EmbeddingFacts) -> str | None:
        """Why the other ones cannot be of the same kind, in words; None if nothing says so."""
        theirs = dict(other.stated)
        for name, value in self.stated:
            if theirs.get(name, value) != value:
                return f"the attribute `{name}` is {theirs[name]!r}, it was {value!r}"
        if min(self.residues, other.residues) < FEWEST:
            return None
        mean_D, std_D, new_mean_D, new_std_D = map(np.array, (self.mean_D, self.std_D, other.mean_D, other.std_D))
        # What is constant in a file, such as a residue type that it lacks, cannot be compared.
        varied_D = (std_D > 0.0) & (new_std_D > 1e-3 * std_D)
        shift = _root_mean_square((new_mean_D - mean_D)[varied_D] / std_D[varied_D])
        stretch = _root_mean_square(np.log(new_std_D[varied_D] / std_D[varied_D]))
        if shift <= MOST_SHIFT and stretch <= MOST_STRETCH:
            return None
        return (
            f"a dimension lies {shift:.1f} standard deviations off and varies {np.exp(stretch):.1f} times as much, "
            "or as little, on average"
        )


@dataclass(frozen=True)
class DataFacts:
    """What a network must know of its data, and which data it was trained on."""

    features: int
    """Tabular columns."""
    embedding: int
    """Width of a residue embedding."""
    neighbours: int
    """Neighbours of a centre residue."""
    max_distance: float
    """Angstrom."""
    data_digest: str
    columns: tuple[str, ...] | None = None
    """Names of the tabular columns; None if the file, or the checkpoint that states these facts, has none."""
    embedded: EmbeddingFacts | None = None
    """Of the train split; None for a checkpoint that does not say."""

    @classmethod
    def of(cls, sites: Sites, max_distance: float) -> DataFacts:
        """The facts of some data, of whose neighbours those within `max_distance` (angstrom) are used."""
        return cls(
            sites.columns,
            sites.embedding,
            sites.neighbours,
            max_distance,
            sites.digest,
            sites.features,
            EmbeddingFacts.of(sites, "train"),
        )

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> DataFacts:
        """Facts as `plain` wrote them; what an older kag did not write is unknown.

        Raises:
            TypeError: a fact is missing, or is not what it should be.
        """
        known = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        embedded = known.pop("embedded", None)
        return cls(**known, embedded=None if embedded is None else EmbeddingFacts(**embedded))

    def plain(self) -> dict[str, Any]:
        """The facts as a mapping of plain values."""
        return asdict(self)

    @property
    def sizes(self) -> Sizes:
        """What decides the shapes of a network."""
        return {"features": self.features, "embedding": self.embedding, "neighbours": self.neighbours}


class Fitted(NamedTuple):
    """Data as some weights know them."""

    sites: Sites
    """With the tabular columns in the order of the weights; the digest stays that of the file."""
    unchecked: tuple[str, ...]
    """What could not be compared, a sentence each."""


def as_trained(sites: Sites, facts: DataFacts) -> Fitted:
    """Data for weights that were made on the data of these facts: columns by name, embeddings of the same kind.

    Raises:
        DataError: a size differs, a column is missing or foreign, or the embedding is another one.
    """
    if sites.digest == facts.data_digest:
        return Fitted(sites, ())
    have = (sites.columns, sites.embedding, sites.neighbours)
    want = (facts.features, facts.embedding, facts.neighbours)
    if have != want:
        raise DataError(
            f"the weights were made for {want[0]} tabular columns, embeddings of {want[1]}, {want[2]} neighbours; "
            f"the data has {have[0]}, {have[1]}, {have[2]}",
            where=str(sites.path),
        )
    refuse_other_embedding(sites, facts)
    unchecked = []
    if facts.columns is None or sites.features is None:
        who = "the weights have" if facts.columns is None else "the file has"
        unchecked.append(f"{who} no names of the tabular columns: their order cannot be checked")
    if facts.embedded is None:
        unchecked.append("the weights do not say which embedding they know: it cannot be checked")
    elif (residues := min(facts.embedded.residues, len(np.unique(sites.centre_N)))) < FEWEST:
        unchecked.append(f"{residues} residues are too few to tell one embedding from another")
    order_F = column_order(sites, facts)
    if order_F is not None:
        sites = replace(sites, tabular_NF=sites.tabular_NF[:, order_F], features=facts.columns)
    return Fitted(sites, tuple(unchecked))


def column_order(sites: Sites, facts: DataFacts) -> NDArray[np.int64] | None:
    """Where in the data each tabular column of the weights lies; None if they stand in order, or one side has no names.

    Raises:
        DataError: a column is missing, foreign, or there twice.
    """
    known, there = facts.columns, sites.features
    if known is None or there is None or known == there:
        return None
    where = f"{sites.path}, dataset `{FEATURE_NAMES.name}`"
    missing, foreign = [name for name in known if name not in there], [name for name in there if name not in known]
    if missing or foreign:
        near = {name: get_close_matches(name, foreign, n=1) for name in missing}
        raise DataError(
            "these are not the tabular columns that the weights know: "
            + "; ".join(
                f"{what} {', '.join(found)}" for what, found in (("missing", missing), ("foreign", foreign)) if found
            ),
            where=where,
            nearest=", ".join(f"{found[0]} for {name}" for name, found in near.items() if found) or None,
        )
    if len(set(there)) < len(there):
        raise DataError("two tabular columns have one name: their order cannot be told", where=where)
    return np.array([there.index(name) for name in known])


def refuse_other_embedding(sites: Sites, facts: DataFacts) -> None:
    """Refuse data whose embeddings are not of the kind that the weights know, as far as that can be told.

    Raises:
        DataError: says what tells them apart.
    """
    if facts.embedded is None or len(facts.embedded.mean_D) != sites.embedding:
        return
    why = facts.embedded.apart(EmbeddingFacts.of(sites, "all"))
    if why is not None:
        raise DataError(
            f"another embedding than the one that the weights were made with: {why}",
            where=f"{sites.path}, dataset `{RESIDUE_EMBEDDINGS.name}`",
            remedy="embed these proteins with the same model, layer and scaling as the training data",
        )


def _root_mean_square(value_D: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(value_D**2))) if len(value_D) else 0.0
