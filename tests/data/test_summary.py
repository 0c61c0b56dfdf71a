from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.summary import summary


def test_counts_per_split(synthetic_sites: Sites) -> None:
    rows = summary(synthetic_sites).splits
    assert [row.split for row in rows] == ["train", "val", "test"]
    assert [row.proteins for row in rows] == [14, 5, 5]
    assert [row.points for row in rows] == [2800, 1000, 1000]
    assert [row.positives for row in rows] == [140, 50, 50]
    assert all(row.prevalence == pytest.approx(0.05) for row in rows)
    assert sum(row.contexts for row in rows) == sum(row.residues for row in rows) == synthetic_sites.contexts


def test_neighbours_and_distances(synthetic_sites: Sites) -> None:
    found = summary(synthetic_sites)
    present = adjacent = 0
    distances = []
    for point in range(synthetic_sites.points):
        centre = synthetic_sites.residue_number_R[synthetic_sites.centre_N[point]]
        for neighbour, distance in zip(
            synthetic_sites.neighbour_NK[point], synthetic_sites.distance_NK[point], strict=True
        ):
            if neighbour >= 0:
                present += 1
                adjacent += abs(int(synthetic_sites.residue_number_R[neighbour]) - int(centre)) == 1
                distances.append(distance)
    assert found.missing_share == pytest.approx(1 - present / (3 * synthetic_sites.points))
    assert found.adjacent_share == pytest.approx(adjacent / present)
    assert found.distances["0.5"] == pytest.approx(float(np.median(distances)))
    assert found.distances["1"] == pytest.approx(max(distances))
    assert found.one_context_per_centre


def test_the_widest_columns_come_first_and_constant_ones_are_named(synthetic_sites: Sites) -> None:
    found = summary(synthetic_sites)
    span = [row.maximum - row.minimum for row in found.widest_columns]
    assert span == sorted(span, reverse=True)
    assert {row.column for row in found.widest_columns[:2]} == {"synth.column00", "synth.column01"}
    assert found.constant_columns == ("synth.column34",)


def test_all_neighbours_missing_is_shown_not_hidden(default_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "lonely.h5"
    path.write_bytes(default_file.read_bytes())
    with h5py.File(path, "r+") as file:
        file["neighbor_residue_indices"][:] = -1
    found = summary(read_sites(path))
    assert (found.missing_share, found.adjacent_share, found.distances) == (1.0, 0.0, {})


def test_it_is_plain_enough_for_json(synthetic_sites: Sites) -> None:
    content = json.loads(json.dumps(summary(synthetic_sites).plain(), allow_nan=False))
    assert content["digest"] == synthetic_sites.digest
    assert content["splits"][1]["points"] == 1000
