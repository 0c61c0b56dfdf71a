"""Builders of faulty files. Each writes one file with one fault; `MESSAGES` holds what the error must say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kag.data.synth import synthesise

Builder = Callable[[Path], None]


def write_small(path: Path) -> None:
    """A good file: 5 proteins of 20 points on 16 residues, 2 neighbours, width 4."""
    synthesise(path, proteins=5, points_per_protein=20, embedding=4, neighbours=2, features=3, missing=0.0, esm=True)


def replace(file: h5py.File, name: str, array: Any, **options: Any) -> None:
    """Put another array in the place of a dataset."""
    del file[name]
    file.create_dataset(name, data=array, **options)


def edited(edit: Callable[[h5py.File], None]) -> Builder:
    """A good file with one edit."""

    def build(path: Path) -> None:
        write_small(path)
        with h5py.File(path, "r+") as file:
            edit(file)

    return build


def value(name: str, place: Any, new: Any) -> Builder:
    """A good file with one other value."""

    def edit(file: h5py.File) -> None:
        file[name][place] = new

    return edited(edit)


def without(name: str) -> Builder:
    """A good file without a dataset."""
    return edited(lambda file: file.__delitem__(name))


def retyped(name: str, dtype: Any) -> Builder:
    """A good file with another type of a dataset."""
    return edited(lambda file: replace(file, name, file[name][:].astype(dtype)))


def attribute(name: str, new: Any) -> Builder:
    """A good file with another attribute."""
    return edited(lambda file: file.attrs.__setitem__(name, new))


def corrupt_chunk(path: Path, name: str, row: int) -> None:
    """Change the first byte of the stored chunk that holds a row, behind the back of its checksum."""
    with h5py.File(path, "r") as file:
        dataset = file[name]
        first = row // dataset.chunks[0] * dataset.chunks[0]
        place = dataset.id.get_chunk_info_by_coord((first,) + (0,) * (dataset.ndim - 1))
    with path.open("r+b") as stream:
        stream.seek(place.byte_offset)
        stored = stream.read(1)
        stream.seek(place.byte_offset)
        stream.write(bytes([stored[0] ^ 0x5A]))


def _text(path: Path) -> None:
    path.write_text("name,label\n")


def _group(file: h5py.File) -> None:
    del file["split"]
    file.create_group("split")


def _truncated(path: Path) -> None:
    write_small(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _damaged(path: Path) -> None:
    write_small(path)
    with h5py.File(path, "r+") as file:
        replace(file, "tabular", file["tabular"][:], chunks=(10, 3), fletcher32=True)
    corrupt_chunk(path, "tabular", 35)


def _protein_in_two_splits(file: h5py.File) -> None:
    file["split"][27] = (file["split"][27] + 1) % 3


def _one_class(file: h5py.File) -> None:
    file["labels"][file["split"][:] == 1] = 0


def _centre_unknown(file: h5py.File) -> None:
    del file["esm"]
    file["residue_numbers"][[30, 31]] = 999


def _esm_nan_where_needed(file: h5py.File) -> None:
    file["residue_numbers"][30] = 999
    file["esm"][30, 2] = np.nan


def _indices_of_each_chain(file: h5py.File) -> None:
    """Indices begin with each protein; the residue numbers agree by chance, since all proteins count from 1."""
    first_N = np.repeat(np.arange(5) * 16, 20)
    file["neighbor_residue_indices"][:] -= first_N[:, None].astype(np.int32)


def _indices_of_each_chain_alone(file: h5py.File) -> None:
    _indices_of_each_chain(file)
    del file["neighbor_resnums"]


def _neighbour_in_a_protein_without_points(file: h5py.File) -> None:
    keys = file["residue_protein_keys"][:]
    keys[64:] = b"unseen_A"
    file["residue_protein_keys"][:] = keys
    file["neighbor_residue_indices"][0, 1] = 70
    file["neighbor_resnums"][0, 1] = file["residue_numbers_table"][70]


def _insertion_code(file: h5py.File) -> None:
    """Residues 5 and 6 of the first protein become 5 and 5A; points lie on both."""
    table = file["residue_embeddings"][:]
    file["esm"][:4] = table[[4, 5, 4, 5]]
    file["residue_numbers"][:4] = 5
    file["residue_numbers_table"][5] = 5
    del file["neighbor_resnums"]


def _insertion_code_without_esm(file: h5py.File) -> None:
    _insertion_code(file)
    del file["esm"]


def _escape_in_a_key(file: h5py.File) -> None:
    for name in ("protein_keys", "residue_protein_keys"):
        keys = file[name][:]
        keys[keys == b"synth00001_A"] = "synth\x9b31m".encode()
        replace(file, name, keys, dtype=h5py.string_dtype())


def _esm_contradicts_itself(file: h5py.File) -> None:
    file["residue_numbers"][[30, 39]] = 999
    file["esm"][39] = file["esm"][30] + 1


MALFORMED: dict[str, Builder] = {
    "missing file": lambda path: None,
    "not HDF5": _text,
    "empty file": lambda path: path.touch(),
    "folder": lambda path: path.mkdir(),
    "truncated": _truncated,
    "damaged chunk": _damaged,
    "another format": attribute("transformer_format", "v2_sample_indices"),
    "distances counted in residues": attribute("neighbor_distance_metric", "sequence"),
    "no labels": without("labels"),
    "no residue table": without("residue_embeddings"),
    "misspelt dataset": edited(lambda file: file.move("neighbor_distances", "neighbour_distances")),
    "group for a dataset": edited(_group),
    "labels with two axes": edited(lambda file: replace(file, "labels", file["labels"][:][:, None])),
    "one label too few": edited(lambda file: replace(file, "labels", file["labels"][:-1])),
    "residue keys too many": edited(lambda file: replace(file, "residue_protein_keys", ["synth00000_A"] * 81)),
    "esm of another width": edited(lambda file: replace(file, "esm", file["esm"][:, :3])),
    "no columns": edited(lambda file: replace(file, "tabular", np.empty((100, 0), np.float32))),
    "labels are floats": retyped("labels", np.float32),
    "tabular are integers": retyped("tabular", np.int32),
    "keys are numbers": edited(lambda file: replace(file, "protein_keys", np.arange(100))),
    "knn_k": attribute("knn_k", 5),
    "esm_dimension": attribute("esm_dimension", 2560),
    "NaN in tabular": value("tabular", (17, 1), np.nan),
    "two infinities in tabular": value("tabular", ([17, 18], 1), np.inf),
    "infinity in residue table": value("residue_embeddings", (33, 2), -np.inf),
    "float64 beyond float32": edited(
        lambda file: replace(file, "tabular", np.where(np.arange(300).reshape(100, 3) == 51, 1e300, 1.0))
    ),
    "NaN in distances": value("neighbor_distances", (44, 1), np.nan),
    "negative distance": value("neighbor_distances", (45, 0), -3.0),
    "distance 0 to another residue": value("neighbor_distances", (46, 0), 0.0),
    "neighbour beyond the table": value("neighbor_residue_indices", (47, 1), 80),
    "neighbour beyond 32 bits": edited(
        lambda file: replace(
            file, "neighbor_residue_indices", np.where(np.arange(200).reshape(100, 2) == 96, 2**32 + 1, 0)
        )
    ),
    "neighbour and its number disagree": value("neighbor_resnums", (48, 1), 77),
    "label 2": value("labels", 49, 2),
    "label -1": value("labels", 50, -1),
    "split 3": value("split", 51, 3),
    "protein in two splits": edited(_protein_in_two_splits),
    "empty split": edited(lambda file: replace(file, "split", np.where(file["split"][:] == 2, 0, file["split"][:]))),
    "one class in val": edited(_one_class),
    "empty protein key": value("protein_keys", 52, ""),
    "protein key not UTF-8": edited(
        lambda file: replace(file, "protein_keys", np.array([b"\xff\xfe"] * 100, dtype="S2"))
    ),
    "esm contradicts the table": value("esm", (0, 0), 9.0),
    "centre in no table": edited(_centre_unknown),
    "needed esm row is NaN": edited(_esm_nan_where_needed),
    "esm of one residue differs": edited(_esm_contradicts_itself),
    "neighbours counted in each chain": edited(_indices_of_each_chain),
    "neighbours counted in each chain, no numbers": edited(_indices_of_each_chain_alone),
    "neighbour in a protein without points": edited(_neighbour_in_a_protein_without_points),
    "insertion code": edited(_insertion_code),
    "insertion code without esm": edited(_insertion_code_without_esm),
    "size that is no number": attribute("knn_k", "three"),
    "size as other text": attribute("esm_dimension", "5"),
    "size of several numbers": attribute("tabular_features", [3, 3]),
    "escape in an attribute": attribute("transformer_format", "\x1b[31mv3"),
    "column named twice": edited(lambda file: replace(file, "feature_names", [b"a", b"b", b"a"])),
    "column without a name": edited(lambda file: replace(file, "feature_names", [b"a", b"", b"c"])),
    "escape in a column": edited(lambda file: replace(file, "feature_names", [b"a", b"\x1b[2Jb", b"c"])),
    "escape in a protein key": edited(_escape_in_a_key),
    "escape in the name of a dataset": edited(lambda file: file.move("labels", "label\x1bs")),
    "table key is empty": value("residue_protein_keys", 53, ""),
}

MESSAGES: dict[str, tuple[str, ...]] = {
    "missing file": ("no such file", "kag data synth"),
    "not HDF5": ("not an HDF5 file",),
    "empty file": ("not an HDF5 file",),
    "folder": ("folder",),
    "truncated": ("truncated or damaged",),
    "damaged chunk": ("`tabular`", "rows 0 to 99", "damaged"),
    "another format": ("transformer_format", "v2_sample_indices", "v3_residue_table"),
    "distances counted in residues": ("neighbor_distance_metric", "sequence", "euclidean_angstrom"),
    "no labels": ("`labels`", "missing"),
    "no residue table": ("`residue_embeddings`", "missing"),
    "misspelt dataset": ("`neighbor_distances`", "missing", "nearest: neighbour_distances"),
    "group for a dataset": ("`split`", "group"),
    "labels with two axes": ("`labels`", "(100, 1)", "(N)"),
    "one label too few": ("`labels`", "99", "`tabular`", "100"),
    "residue keys too many": ("`residue_protein_keys`", "81", "`residue_embeddings`", "80"),
    "esm of another width": ("`esm`", "3", "`residue_embeddings`", "4"),
    "no columns": ("`tabular`", "length 0"),
    "labels are floats": ("`labels`", "float32", "integer"),
    "tabular are integers": ("`tabular`", "int32", "float"),
    "keys are numbers": ("`protein_keys`", "int64", "text"),
    "knn_k": ("knn_k", "5", "`neighbor_residue_indices`", "2"),
    "esm_dimension": ("esm_dimension", "2560", "`residue_embeddings`", "4"),
    "NaN in tabular": ("`tabular`, row 17:", "NaN or infinite"),
    "two infinities in tabular": ("`tabular`, row 17:", "2 rows"),
    "infinity in residue table": ("`residue_embeddings`, row 33:", "NaN or infinite"),
    "float64 beyond float32": ("`tabular`, row 17:", "infinite"),
    "NaN in distances": ("`neighbor_distances`, row 44:", "NaN"),
    "negative distance": ("`neighbor_distances`, row 45:", "negative"),
    "distance 0 to another residue": ("`neighbor_distances`, row 46:", "0"),
    "neighbour beyond the table": ("`neighbor_residue_indices`, row 47:", "80 rows"),
    "neighbour beyond 32 bits": ("`neighbor_residue_indices`, row 48:", "beyond"),
    "neighbour and its number disagree": ("`neighbor_residue_indices`, row 48:", "`neighbor_resnums`"),
    "label 2": ("`labels`, row 49:", "not 0 or 1"),
    "label -1": ("`labels`, row 50:", "not 0 or 1"),
    "split 3": ("`split`, row 51:", "not 0, 1 or 2"),
    "protein in two splits": ("`split`, row 27:", "synth00001_A", "two splits"),
    "empty split": ("`split`", "test split is empty"),
    "one class in val": ("`labels`", "val split"),
    "empty protein key": ("`protein_keys`, row 52:", "empty"),
    "protein key not UTF-8": ("`protein_keys`", "UTF-8"),
    "esm contradicts the table": ("`esm`, row 0:", "`residue_embeddings`"),
    "centre in no table": ("`residue_numbers`, row 30:", "2 ", "synth00001_A 999"),
    "needed esm row is NaN": ("`esm`, row 30:", "NaN"),
    "esm of one residue differs": ("`esm`, row 39:", "same residue"),
    "neighbours counted in each chain": (
        "`neighbor_residue_indices`, row 20:",
        "synth00000_A",
        "synth00001_A",
        "80 rows",
    ),
    "neighbours counted in each chain, no numbers": ("`neighbor_residue_indices`, row 20:", "whole residue table"),
    "neighbour in a protein without points": ("`neighbor_residue_indices`, row 0:", "index 70", "without points"),
    "insertion code": ("`esm`, row 1:", "insertion codes", "a number of its own"),
    "insertion code without esm": (
        "`residue_numbers`, row 0:",
        "synth00000_A 5",
        "insertion codes",
        "a number of its own",
    ),
    "size that is no number": ("knn_k", "'three'", "str", "number"),
    "size as other text": ("esm_dimension", "5", "`residue_embeddings`", "4"),
    "size of several numbers": ("tabular_features", "[3, 3]", "ndarray"),
    "escape in an attribute": ("transformer_format", r"`\x1b[31mv3`"),
    "column named twice": ("`feature_names`, row 2:", "`a`", "two columns"),
    "column without a name": ("`feature_names`, row 1:", "empty"),
    "escape in a column": ("`feature_names`", r"`\x1b[2Jb`", "control character"),
    "escape in a protein key": ("`protein_keys`", r"\x9b31m", "control character"),
    "escape in the name of a dataset": ("`labels`", "missing", r"nearest: label\x1bs"),
    "table key is empty": ("`residue_protein_keys`, row 53:", "empty"),
}
