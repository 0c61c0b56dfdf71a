"""Sites made in memory, for tests in which only who belongs to which protein and split matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kag.data.sites import Sites, contexts


def small_sites(points_P: list[int], split_P: list[int], *, shuffle: int | None = None) -> Sites:
    """Proteins of given sizes and splits, two points on a residue; `shuffle` seeds a random order of the points."""
    protein_N = np.repeat(np.arange(len(points_P), dtype=np.int32), points_P)
    if shuffle is not None:
        protein_N = np.random.default_rng(shuffle).permutation(protein_N)
    points = len(protein_N)
    begin_P = np.cumsum(points_P) - points_P
    place_N = np.empty(points, np.int64)
    place_N[np.argsort(protein_N, kind="stable")] = np.arange(points) - np.repeat(begin_P, points_P)
    centre_N = (begin_P[protein_N] + place_N // 2).astype(np.int32)
    neighbour_NK = np.stack([(centre_N + 1) % max(points, 2), np.full(points, -1)], axis=1).astype(np.int32)
    distance_NK = np.stack([3.0 + centre_N % 5, np.full(points, np.inf)], axis=1).astype(np.float32)
    residues = max(points, 2)
    return Sites(
        tabular_NF=np.arange(points, dtype=np.float32)[:, None],
        label_N=(np.arange(points) % 3 == 0).astype(np.uint8),
        centre_N=centre_N,
        neighbour_NK=neighbour_NK,
        distance_NK=distance_NK,
        protein_N=protein_N,
        split_N=np.asarray(split_P, np.int8)[protein_N],
        residue_RD=np.arange(residues, dtype=np.float32)[:, None] + np.float32(0.5),
        residue_number_R=np.arange(residues, dtype=np.int32),
        context_N=contexts(centre_N, neighbour_NK, distance_NK),
        proteins=tuple(f"p{protein}" for protein in range(len(points_P))),
        features=("column",),
        path=Path("memory"),
        digest="0" * 64,
    )
