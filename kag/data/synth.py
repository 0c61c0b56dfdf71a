"""Synthetic files in the `v3_residue_table` layout, with a known rule that a model can learn.

The rule. Residues sit on a jittered lattice (5.1 angstrom), numbered along a path through it. Each residue has a hidden
charge h ~ N(0, 1), independent of all others. Its embedding is noise plus h along one direction that all proteins
share, so h can be read from the embedding of that residue and from no other. Each point lies on a random residue and
has a hidden t ~ N(0, 1), visible in the first two tabular columns. The score of a point is

    1.0 * context + 0.4 * h(centre) + 0.4 * t + 0.1 * noise,
    context = sum_k w_k h(neighbour k) / sqrt(sum_k w_k^2),   w_k = exp(-distance_k / 4 angstrom),

and the best `prevalence` of each protein's points are positive. So most of the signal is in the neighbours, near ones
count more, and a model that does not see them cannot rank well. A few residues lack their last neighbour.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kag.data import layout as names
from kag.errors import DataError, UserError
from kag.text import size
from kag.track.output import Kind, output_path

SPACING = 5.1
JITTER = 1.2
RANGE = 4.0
POINTS_PER_RESIDUE = 1.25
MISSING_DISTANCE = 999.0
CHUNK_ROWS = 1024
LARGE = 2**30
"""Bytes from which on the size of a file is said before it is written."""

SYNTHETIC = Kind("a synthetic data file")


@dataclass(frozen=True)
class _Recipe:
    proteins: int
    points: int
    residues: int
    embedding: int
    neighbours: int
    features: int
    seed: int
    prevalence: float
    missing: float
    esm: bool

    @property
    def sizes(self) -> dict[str, int]:
        """What each shape letter of the layout is."""
        points, residues = self.proteins * self.points, self.proteins * self.residues
        return {"N": points, "R": residues, "K": self.neighbours, "D": self.embedding, "F": self.features}

    @property
    def layouts(self) -> list[names.Layout]:
        """The datasets with a row for each point or residue."""
        every = (*names.REQUIRED, *names.OPTIONAL)
        left_out = {names.FEATURE_NAMES, names.PROTEIN_CLUSTERS, *(() if self.esm else (names.ESM,))}
        return [one for one in every if one not in left_out]

    @property
    def bytes(self) -> int:
        """Of the file, roughly."""
        shapes = ((_type(layout).itemsize, layout.shape) for layout in self.layouts)
        return sum(itemsize * math.prod(self.sizes[letter] for letter in shape) for itemsize, shape in shapes)


def _type(layout: names.Layout) -> np.dtype[Any]:
    narrow = {names.DISTANCES: np.float16, names.SPLIT: np.int8}
    kinds = {"float": np.float32, "integer": np.int32, "text": h5py.string_dtype("utf-8")}
    found: np.dtype[Any] = np.dtype(narrow.get(layout, kinds[layout.kind]))
    return found


def synthesise(
    path: Path,
    *,
    proteins: int = 24,
    points_per_protein: int = 200,
    residues_per_protein: int | None = None,
    embedding: int = 32,
    neighbours: int = 3,
    features: int = 35,
    seed: int = 0,
    prevalence: float = 0.05,
    missing: float = 0.02,
    esm: bool = False,
    on_protein: Callable[[int], None] = lambda done: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write a learnable file; equal arguments give equal bytes. About 60/20/20 of the proteins are train/val/test.

    Args:
        residues_per_protein: default: one for each 1.25 points.
        prevalence: share of positive points in each protein; every protein has a positive and a negative one.
        missing: share of residues that lack their last neighbour.
        esm: also write, for each point, the embedding of its residue, which the residue table has already.
        on_protein: called with the number of proteins written so far.
        say: told the size of a large file before it is written.

    Raises:
        DataError: the numbers make no file, the disk has no room for it, or it cannot be written.
    """
    residues = residues_per_protein or max(neighbours + 1, round(points_per_protein / POINTS_PER_RESIDUE))
    sizes = (proteins, points_per_protein, residues, embedding, neighbours, features)
    recipe = _Recipe(*sizes, seed=seed, prevalence=prevalence, missing=missing, esm=esm)
    _refuse_impossible(recipe)
    room = _require_room(path, recipe.bytes)
    if recipe.bytes >= LARGE:
        say(f"the file takes about {size(recipe.bytes)}, {size(room)} are free there")
    try:
        with output_path(path, make_folder=True) as temporary, h5py.File(temporary, "w", libver="latest") as file:
            _write(file, recipe, on_protein)
    except UserError as error:
        raise DataError(error.what, where=error.where, remedy=error.remedy) from error


def _refuse_impossible(recipe: _Recipe) -> None:
    if recipe.proteins < 3:
        raise DataError(f"{recipe.proteins} proteins cannot fill three splits", nearest="3 proteins")
    if recipe.points < 2:
        raise DataError(f"{recipe.points} points cannot be positive and negative", nearest="2 points per protein")
    if min(recipe.embedding, recipe.neighbours, recipe.features) < 1:
        raise DataError("embedding, neighbours and features must be at least 1")
    if recipe.residues <= recipe.neighbours:
        what = f"a protein of {recipe.residues} residues has none with {recipe.neighbours} neighbours"
        raise DataError(what, nearest=f"{recipe.neighbours + 1} residues per protein")
    if not (0.0 < recipe.prevalence < 1.0 and 0.0 <= recipe.missing <= 1.0):
        raise DataError("prevalence must lie between 0 and 1, and so must missing")


def _require_room(path: Path, needed: int) -> int:
    """Bytes that are free where a file is to be written, in which it fits."""
    folder = next(folder for folder in Path(os.path.realpath(path)).parents if folder.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the file would take about {size(needed)}, {size(free)} are free there",
            where=str(path),
            remedy="name a place on another disk, or ask for fewer proteins or a narrower embedding",
        )
    return free


def _write(file: h5py.File, recipe: _Recipe, on_protein: Callable[[int], None]) -> None:
    _create(file, recipe)
    shared, *own = np.random.SeedSequence(recipe.seed).spawn(recipe.proteins + 1)
    random = np.random.Generator(np.random.Philox(shared))
    split_P = _splits(random.permutation(recipe.proteins))
    direction_D = random.standard_normal(recipe.embedding)
    direction_D *= 0.5 * np.sqrt(recipe.embedding) / np.linalg.norm(direction_D)
    for protein in range(recipe.proteins):
        arrays = _protein(recipe, np.random.Generator(np.random.Philox(own[protein])), direction_D)
        first_residue = protein * recipe.residues
        index_NK = arrays[names.NEIGHBOURS.name]
        arrays[names.NEIGHBOURS.name] = np.where(index_NK < 0, -1, index_NK + first_residue)
        arrays[names.SPLIT.name] = np.full(recipe.points, split_P[protein])
        arrays[names.PROTEIN_KEYS.name] = np.full(recipe.points, _key(protein), object)
        arrays[names.TABLE_KEYS.name] = np.full(recipe.residues, _key(protein), object)
        for name in (layout.name for layout in recipe.layouts):
            array = arrays[name]
            file[name][protein * len(array) : (protein + 1) * len(array)] = array
        on_protein(protein + 1)


def _key(protein: int) -> str:
    return f"synth{protein:05d}_A"


def _create(file: h5py.File, recipe: _Recipe) -> None:
    """Empty datasets and the attributes that files of this layout have."""
    sizes = recipe.sizes
    for layout in recipe.layouts:
        shape = tuple(sizes[letter] for letter in layout.shape)
        chunks = (min(CHUNK_ROWS, shape[0]), *shape[1:])
        file.create_dataset(layout.name, shape, _type(layout), chunks=chunks)
    file[names.FEATURE_NAMES.name] = [f"synth.column{column:02d}".encode() for column in range(recipe.features)]
    file.attrs.update(
        transformer_format=names.FORMAT,
        aggregation_mode="transformer",
        dataset_name="synth",
        processing_strategy="synth",
        neighbor_distance_metric="euclidean_angstrom",
        split_meaning="0=train, 1=val, 2=test",
        knn_k=recipe.neighbours,
        esm_dimension=recipe.embedding,
        tabular_features=recipe.features,
        num_proteins=recipe.proteins,
        num_samples=sizes["N"],
        residue_table_size=sizes["R"],
        seed=recipe.seed,
    )


def _splits(order_P: NDArray[np.int64]) -> NDArray[np.int8]:
    held_out = max(1, round(0.2 * len(order_P)))
    split_P = np.zeros(len(order_P), np.int8)
    split_P[order_P[:held_out]] = 1
    split_P[order_P[held_out : 2 * held_out]] = 2
    return split_P


def _protein(recipe: _Recipe, random: np.random.Generator, direction_D: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Arrays of one protein by dataset name; neighbour indices count from its own first residue."""
    residues, points = recipe.residues, recipe.points
    neighbour_RK, distance_RK = _neighbours(recipe, random)
    charge_R = random.standard_normal(residues)
    residue_RD = random.standard_normal((residues, recipe.embedding), np.float32)
    residue_RD += (charge_R[:, None] * direction_D).astype(np.float32)
    centre_N = np.sort(random.integers(residues, size=points))
    hidden_N = random.standard_normal(points)
    weight_RK = np.where(neighbour_RK < 0, 0.0, np.exp(-distance_RK / RANGE))
    norm_R = np.sqrt((weight_RK**2).sum(axis=1))
    context_R = (weight_RK * charge_R[neighbour_RK]).sum(axis=1) / np.where(norm_R > 0, norm_R, 1.0)
    score_N = context_R[centre_N] + 0.4 * charge_R[centre_N] + 0.4 * hidden_N + 0.1 * random.standard_normal(points)
    positives = min(max(1, round(recipe.prevalence * points)), points - 1)
    label_N = np.zeros(points, np.int32)
    label_N[np.argsort(-score_N, kind="stable")[:positives]] = 1
    number_R = np.arange(1, residues + 1, dtype=np.int32)
    return {
        names.TABULAR.name: _tabular(recipe, random, hidden_N),
        names.LABELS.name: label_N,
        names.RESIDUE_NUMBERS.name: number_R[centre_N],
        names.NEIGHBOURS.name: neighbour_RK[centre_N],
        names.DISTANCES.name: distance_RK[centre_N],
        names.NEIGHBOUR_NUMBERS.name: np.where(neighbour_RK < 0, -1, number_R[neighbour_RK])[centre_N],
        names.RESIDUE_EMBEDDINGS.name: residue_RD,
        names.TABLE_NUMBERS.name: number_R,
        **({names.ESM.name: residue_RD[centre_N]} if recipe.esm else {}),
    }


def _neighbours(recipe: _Recipe, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Nearest residues of each residue (-1 missing) and their distances in angstrom, as the file stores them."""
    side = int(np.ceil(np.cbrt(recipe.residues)))
    place_R = np.arange(recipe.residues)
    line_R, x_R = np.divmod(place_R, side)
    layer_R, y_R = np.divmod(line_R, side)
    x_R = np.where(line_R % 2, side - 1 - x_R, x_R)
    y_R = np.where(layer_R % 2, side - 1 - y_R, y_R)
    position_R3 = SPACING * np.stack([x_R, y_R, layer_R], axis=1) + random.uniform(-JITTER, JITTER, (len(place_R), 3))
    distance_RK, neighbour_RK = cKDTree(position_R3).query(position_R3, k=recipe.neighbours + 1)
    distance_RK, neighbour_RK = distance_RK[:, 1:].astype(np.float16), neighbour_RK[:, 1:].astype(np.int64)
    lacking_R = random.random(recipe.residues) < recipe.missing
    neighbour_RK[lacking_R, -1] = -1
    distance_RK[lacking_R, -1] = MISSING_DISTANCE
    return neighbour_RK, distance_RK


def _tabular(recipe: _Recipe, random: np.random.Generator, hidden_N: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns on unequal, skewed scales; the first two show the hidden value, the rest is noise, the last constant."""
    scale_F = np.geomspace(0.5, 50.0, recipe.features)
    column_NF = random.gamma(0.7, scale_F, (recipe.points, recipe.features))
    if recipe.features > 2:
        column_NF[:, -1] = 1.0
    seen_N2 = 2.0 * (hidden_N[:, None] + np.array([0.1, 0.5]) * random.standard_normal((recipe.points, 2)))
    shown = min(2, recipe.features)
    column_NF[:, :shown] = (np.sign(seen_N2) * np.expm1(np.abs(seen_N2)))[:, :shown]
    return column_NF.astype(np.float32)
