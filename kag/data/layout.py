"""The `v3_residue_table` layout: datasets, what they hold and how their shapes hang together."""

from __future__ import annotations

from typing import Literal, NamedTuple

FORMAT = "v3_residue_table"

Kind = Literal["float", "integer", "text"]


class Layout(NamedTuple):
    """A dataset: its name, what it holds, and its shape in letters (see `kag.data.sites`)."""

    name: str
    kind: Kind
    shape: tuple[str, ...]


TABULAR = Layout("tabular", "float", ("N", "F"))
LABELS = Layout("labels", "integer", ("N",))
SPLIT = Layout("split", "integer", ("N",))
PROTEIN_KEYS = Layout("protein_keys", "text", ("N",))
RESIDUE_NUMBERS = Layout("residue_numbers", "integer", ("N",))
NEIGHBOURS = Layout("neighbor_residue_indices", "integer", ("N", "K"))
DISTANCES = Layout("neighbor_distances", "float", ("N", "K"))
RESIDUE_EMBEDDINGS = Layout("residue_embeddings", "float", ("R", "D"))
TABLE_KEYS = Layout("residue_protein_keys", "text", ("R",))
TABLE_NUMBERS = Layout("residue_numbers_table", "integer", ("R",))

NEIGHBOUR_NUMBERS = Layout("neighbor_resnums", "integer", ("N", "K"))
FEATURE_NAMES = Layout("feature_names", "text", ("F",))
ESM = Layout("esm", "float", ("N", "D"))
PROTEIN_CLUSTERS = Layout("protein_clusters", "text", ("N",))

REQUIRED = (
    TABULAR,
    PROTEIN_KEYS,
    RESIDUE_NUMBERS,
    NEIGHBOURS,
    DISTANCES,
    RESIDUE_EMBEDDINGS,
    TABLE_KEYS,
    TABLE_NUMBERS,
)
OPTIONAL = (LABELS, SPLIT, NEIGHBOUR_NUMBERS, FEATURE_NAMES, ESM, PROTEIN_CLUSTERS)
"""Labels and splits are needed for training. `esm` repeats the centre's row of the residue table; it is needed only for
centres that the table lacks. Clusters say which proteins are drawn as one (`kag.data.clusters`)."""

STATEMENTS = {"transformer_format": FORMAT, "neighbor_distance_metric": "euclidean_angstrom"}
"""What file attributes must say if they are there: other layouts, and distances counted in residues, look alike."""

SIZES = {"knn_k": "K", "esm_dimension": "D", "tabular_features": "F"}
"""File attributes that state a size."""

EMBEDDING = ("embedding_source", "embedding_columns", "embedding_model", "embedding_layer", "esm_model", "esm_layer")
"""File attributes that state which embedding the residues have."""
