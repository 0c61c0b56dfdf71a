"""`read_sites`: an HDF5 file in the `v3_residue_table` layout -> `Sites`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kag.data import layout as names
from kag.data.centres import Centres, append_from_esm, find_centres, prove_table
from kag.data.hdf5 import LayoutFile, open_layout
from kag.data.sites import Allocate, Purpose, Sites, content_digest, contexts
from kag.errors import DataError
from kag.names import SPLITS
from kag.stats.scores import clustered


class _Memory:
    """Arrays of this process alone."""

    def reserve(self, size: int) -> None:
        """The room was looked at with the header."""

    def allocate(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """Plain memory."""
        return np.empty(shape, kind)


def read_sites(
    path: Path,
    purpose: Purpose | None = Purpose.TRAINING,
    *,
    allow_virtual: bool = False,
    copies: int = 1,
    into: Allocate | None = None,
    thorough: bool = False,
) -> Sites:
    """Read a whole file into arrays, each chunk once; the per-sample `esm` is read only where the table lacks a centre.

    A neighbour is missing if its index is negative, or if it is the centre itself (files pad with it at distance 0).

    Args:
        purpose: what the data must be good for; None takes whatever it is, see `Sites.purpose`.
        allow_virtual: take virtual datasets, whose numbers lie in other files.
        copies: processes of this host that each hold the arrays.
        into: makes the two large arrays, under their names in `Sites`, where they need not fit into memory.
        thorough: compare what the file holds twice even where that costs much.

    Raises:
        DataError: anything is wrong with the file (names dataset and first row), or it is not for this purpose.
    """
    with open_layout(path, allow_virtual=allow_virtual, copies=copies, held=into is None) as file:
        _require_purpose(file, purpose)
        into = into or _Memory()
        into.reserve(_bytes(file.sizes))
        protein_N, proteins, table_protein_R = _proteins(file)
        cluster_P = _clusters(file, protein_N, proteins)
        split_N = _split(file, protein_N, proteins, every=purpose is Purpose.TRAINING)
        labelled = file.has(names.LABELS) and purpose is not Purpose.PREDICTION
        label_N = _labels(file, split_N, checked=labelled)
        centres = _centres(file, protein_N, table_protein_R)
        neighbour_NK, distance_NK = _neighbours(file, centres, proteins)
        tabular_NF = into.allocate("tabular_NF", (file.sizes["N"], file.sizes["F"]), np.float32)
        file.fill(names.TABULAR, tabular_NF, finite=True)
        residue_RD = into.allocate("residue_RD", (len(centres.number_R), file.sizes["D"]), np.float32)
        unchecked = _fill_table(file, centres, proteins, residue_RD, thorough=thorough)
        features, embedding_stated = _features(file), file.stated(names.EMBEDDING)
    compared = (tabular_NF, label_N, centres.row_N, neighbour_NK, distance_NK, protein_N, split_N, residue_RD)
    return Sites(
        tabular_NF=tabular_NF,
        label_N=label_N if len(label_N) else np.zeros_like(protein_N, np.uint8),
        centre_N=centres.row_N,
        neighbour_NK=neighbour_NK,
        distance_NK=distance_NK,
        protein_N=protein_N,
        split_N=split_N,
        residue_RD=residue_RD,
        residue_number_R=centres.number_R,
        context_N=contexts(centres.row_N, neighbour_NK, distance_NK),
        proteins=proteins,
        features=features,
        path=path,
        digest=content_digest(compared, proteins),
        labelled=labelled,
        embedding_stated=embedding_stated,
        unchecked=unchecked,
        cluster_P=cluster_P,
    )


def _centres(file: LayoutFile, protein_N: NDArray[np.int32], table_protein_R: NDArray[np.int32]) -> Centres:
    numbers_N, numbers_R = file.whole(names.RESIDUE_NUMBERS), file.whole(names.TABLE_NUMBERS)
    return find_centres(protein_N, numbers_N, table_protein_R, numbers_R)


def _bytes(sizes: Mapping[str, int]) -> int:
    """Bytes of all arrays of `Sites`, without the few residues that the table may lack."""
    of_point = 4 * sizes["F"] + 8 * sizes["K"] + 3 * 4 + 2
    return sizes["N"] * of_point + sizes["R"] * (4 * sizes["D"] + 4)


def _require_purpose(file: LayoutFile, purpose: Purpose | None) -> None:
    """Refuse a file that lacks what its purpose needs, before anything large is read."""
    if purpose is Purpose.TRAINING:
        file.require(names.SPLIT, remedy="training needs splits; `kag eval RUN --data FILE` takes a file without")
    if purpose in (Purpose.TRAINING, Purpose.EVALUATION):
        file.require(names.LABELS, remedy="`kag predict RUN --data FILE --out FILE` scores a file without labels")


def _proteins(file: LayoutFile) -> tuple[NDArray[np.int32], tuple[str, ...], NDArray[np.int32]]:
    """Protein of each point and of each row of the table (-1: it has no points), and the protein keys, sorted."""
    key_N = file.text(names.PROTEIN_KEYS)
    keys, protein_N = _codes(key_N)
    file.refuse_rows(key_N == b"", names.PROTEIN_KEYS, "the protein key is empty")
    table_key_R = file.text(names.TABLE_KEYS)
    file.refuse_rows(table_key_R == b"", names.TABLE_KEYS, "the protein key is empty")
    table_keys, code_R = _codes(table_key_R)
    place = np.minimum(np.searchsorted(keys, table_keys), len(keys) - 1)
    known = np.where(keys[place] == table_keys, place, -1).astype(np.int32)
    return protein_N, file.decode(names.PROTEIN_KEYS, keys), known[code_R]


def _clusters(file: LayoutFile, protein_N: NDArray[np.int32], proteins: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Cluster of each protein, all of whose points are in one."""
    if not file.has(names.PROTEIN_CLUSTERS):
        return None
    name_N = file.text(names.PROTEIN_CLUSTERS)
    file.refuse_rows(name_N == b"", names.PROTEIN_CLUSTERS, "the cluster is empty")
    _, first_P = np.unique(protein_N, return_index=True)
    strays_N = name_N != name_N[first_P][protein_N]
    if strays_N.any():
        protein = proteins[protein_N[strays_N.argmax()]]
        file.refuse_rows(strays_N, names.PROTEIN_CLUSTERS, f"protein `{protein}` is in two clusters")
    return clustered(name_N[first_P])


def _codes(key_N: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[np.int32]]:
    """Distinct keys, sorted, and the place of each key among them. Keys come in runs, so only the runs are sorted."""
    starts = np.flatnonzero(np.concatenate([[True], key_N[1:] != key_N[:-1]]))
    keys, code = np.unique(key_N[starts], return_inverse=True)
    lengths = np.diff(np.append(starts, len(key_N)))
    return keys, np.repeat(code.astype(np.int32), lengths)


def _split(
    file: LayoutFile, protein_N: NDArray[np.int32], proteins: tuple[str, ...], *, every: bool
) -> NDArray[np.int8]:
    """Split of each point, -1 where the file has none; `every` one must have points."""
    if not file.has(names.SPLIT):
        return np.full(len(protein_N), -1, np.int8)
    split_N = file.whole(names.SPLIT)
    file.refuse_rows((split_N < 0) | (split_N >= len(SPLITS)), names.SPLIT, "the split is not 0, 1 or 2")
    _, first_P = np.unique(protein_N, return_index=True)
    strays_N = split_N != split_N[first_P][protein_N]
    if strays_N.any():
        protein = proteins[protein_N[strays_N.argmax()]]
        file.refuse_rows(strays_N, names.SPLIT, f"protein `{protein}` is in two splits")
    for code, split in enumerate(SPLITS) if every else ():
        if not (split_N == code).any():
            raise DataError(
                f"the {split} split is empty: no row is {code}",
                where=file.where(names.SPLIT),
                remedy="training needs all three splits; `kag eval RUN --data FILE` takes any",
            )
    return split_N.astype(np.int8)


def _labels(file: LayoutFile, split_N: NDArray[np.int8], *, checked: bool) -> NDArray[np.uint8]:
    """Label of each point; empty where the file has none."""
    if not file.has(names.LABELS):
        return np.zeros(0, np.uint8)
    label_N = file.whole(names.LABELS)
    if checked:
        file.refuse_rows((label_N != 0) & (label_N != 1), names.LABELS, "the label is not 0 or 1")
        _refuse_one_class(file, label_N, split_N)
    return label_N.astype(np.uint8)


def _refuse_one_class(file: LayoutFile, label_N: NDArray[np.int32], split_N: NDArray[np.int8]) -> None:
    for code in np.unique(split_N):
        label = label_N[split_N == code]
        if label.min() == label.max():
            part = f"the {SPLITS[code]} split" if code >= 0 else "the file"
            raise DataError(
                f"every label of {part} is {label[0]}: there is nothing to rank",
                where=file.where(names.LABELS, int((split_N == code).argmax())),
            )


def _neighbours(
    file: LayoutFile, centres: Centres, proteins: tuple[str, ...]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    neighbour_NK = file.whole(names.NEIGHBOURS)
    residues = file.sizes["R"]
    file.refuse_rows(
        neighbour_NK >= residues, names.NEIGHBOURS, f"the index is beyond the residue table of {residues} rows"
    )
    there_NK = neighbour_NK >= 0
    neighbour_NK[~there_NK] = -1
    _refuse_strangers(file, centres, proteins, neighbour_NK)
    if file.has(names.NEIGHBOUR_NUMBERS):
        number_NK = file.whole(names.NEIGHBOUR_NUMBERS)
        file.refuse_rows(
            there_NK & (centres.number_R[neighbour_NK] != number_NK),
            names.NEIGHBOURS,
            f"the residue number at this index of the table differs from `{names.NEIGHBOUR_NUMBERS.name}`",
        )
    distance_NK = file.whole(names.DISTANCES)
    own_NK = centres.key_R[neighbour_NK] == centres.key_N[:, None]
    # Under an insertion code another residue has the centre's number: it is a neighbour, the centre is at distance 0.
    there_NK &= ~own_NK | (centres.twice_N[:, None] & (distance_NK != 0))
    file.refuse_rows(there_NK & ~np.isfinite(distance_NK), names.DISTANCES, "the value is NaN or infinite")
    file.refuse_rows(there_NK & (distance_NK < 0), names.DISTANCES, "the distance is negative")
    file.refuse_rows(there_NK & (distance_NK == 0), names.DISTANCES, "the distance to another residue is 0")
    neighbour_NK[~there_NK] = -1
    distance_NK[~there_NK] = np.inf
    return neighbour_NK, distance_NK


def _refuse_strangers(
    file: LayoutFile, centres: Centres, proteins: tuple[str, ...], neighbour_NK: NDArray[np.int32]
) -> None:
    """Refuse a neighbour that lies in another protein than its centre."""
    protein_R = (centres.key_R >> 32).astype(np.int32)
    protein_N = (centres.key_N >> 32).astype(np.int32)
    stranger_NK = (neighbour_NK >= 0) & (protein_R[neighbour_NK] != protein_N[:, None])
    if stranger_NK.any():
        row, place = np.argwhere(stranger_NK)[0]
        index = int(neighbour_NK[row, place])
        other = int(protein_R[index])
        of = f"protein `{proteins[other]}`" if other >= 0 else "a protein without points"
        file.refuse_rows(
            stranger_NK,
            names.NEIGHBOURS,
            f"the residue at index {index} of the table is of {of}, the centre of `{proteins[protein_N[row]]}`",
            remedy="indices count over the whole residue table: add the row at which the protein begins",
        )


def _fill_table(
    file: LayoutFile,
    centres: Centres,
    proteins: tuple[str, ...],
    residue_RD: NDArray[np.float32],
    *,
    thorough: bool,
) -> tuple[str, ...]:
    """Fill the residue table, which has a row more for each centre that it lacks; say what was not compared with it."""
    residues = file.sizes["R"]
    file.fill(names.RESIDUE_EMBEDDINGS, residue_RD[:residues], finite=True)
    if centres.lacking_N.any():
        append_from_esm(file, centres, residue_RD, proteins)
    return prove_table(file, centres, residue_RD, thorough=thorough) if file.has(names.ESM) else ()


def _features(file: LayoutFile) -> tuple[str, ...] | None:
    if not file.has(names.FEATURE_NAMES):
        return None
    name_F = file.text(names.FEATURE_NAMES)
    file.refuse_rows(name_F == b"", names.FEATURE_NAMES, "the name of the column is empty")
    _, first_F, place_F = np.unique(name_F, return_index=True, return_inverse=True)
    texts = file.decode(names.FEATURE_NAMES, name_F)
    again_F = first_F[place_F] != np.arange(len(name_F))
    what = f"the name `{texts[int(again_F.argmax())]}` stands for two columns"
    file.refuse_rows(again_F, names.FEATURE_NAMES, what)
    return texts
