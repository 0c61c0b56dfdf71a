from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kag.data.sites import Sites
from kag.data.soundness import soundness, soundness_for
from kag.finding import Finding
from kag.spec.run import RunSpec


def zero_rows(sites: Sites) -> Sites:
    residue_RD = sites.residue_RD.copy()
    residue_RD[[3, 90, 91]] = 0.0
    return replace(sites, residue_RD=residue_RD)


def one_vector_for_some(sites: Sites) -> Sites:
    residue_RD = sites.residue_RD.copy()
    residue_RD[10:40] = residue_RD[10]
    return replace(sites, residue_RD=residue_RD)


def listed_twice(sites: Sites) -> Sites:
    neighbour_NK = sites.neighbour_NK.copy()
    neighbour_NK[17, 2] = neighbour_NK[17, 0]
    return replace(sites, neighbour_NK=neighbour_NK)


def scaled(factor: float) -> Callable[[Sites], Sites]:
    return lambda sites: replace(sites, distance_NK=sites.distance_NK * np.float32(factor))


def without_neighbours(sites: Sites) -> Sites:
    distance_NK = np.full_like(sites.distance_NK, np.inf)
    return replace(sites, neighbour_NK=np.full_like(sites.neighbour_NK, -1), distance_NK=distance_NK)


def chain_again(sites: Sites) -> Sites:
    """The residues of the first protein of test become those of one of train."""
    one, other = (int(sites.protein_N[sites.index(split)[0]]) for split in ("train", "test"))
    rows = len(sites.residue_RD) // len(sites.proteins)
    residue_RD = sites.residue_RD.copy()
    residue_RD[other * rows : (other + 1) * rows] = residue_RD[one * rows : (one + 1) * rows]
    return replace(sites, residue_RD=residue_RD)


ODD: dict[str, tuple[Callable[[Sites], Sites], str, dict[str, Any]]] = {
    "zero rows": (zero_rows, "embeddings_zero", {"zero": 3}),
    "one vector for some": (one_vector_for_some, "embeddings_repeated", {"again": 29}),
    "listed twice": (listed_twice, "neighbours_repeated", {"points": 1, "first": 17}),
    "nanometres": (scaled(0.1), "distances_odd", {}),
    "picometres": (scaled(100.0), "distances_odd", {}),
    "no neighbours": (without_neighbours, "neighbours_missing", {"points": 4800}),
    "one chain twice": (chain_again, "chain_in_two_splits", {"proteins": 1}),
}


@pytest.mark.parametrize("name", ODD)
def test_each_oddity_is_one_warning_with_its_numbers(synthetic_sites: Sites, name: str) -> None:
    change, code, numbers = ODD[name]
    (found,) = soundness(change(synthetic_sites))
    assert (found.code, found.severity.value) == (code, "warning")
    assert numbers.items() <= found.evidence.items()


def test_the_chain_is_named_with_its_splits(synthetic_sites: Sites) -> None:
    (found,) = soundness(chain_again(synthetic_sites))
    one, other = (
        synthetic_sites.proteins[synthetic_sites.protein_N[synthetic_sites.index(split)[0]]]
        for split in ("train", "test")
    )
    assert f"{other} (test) and {one} (train)" in found.sentence


def test_good_data_is_quiet(synthetic_sites: Sites) -> None:
    assert soundness(synthetic_sites) == []
    assert soundness_for(synthetic_sites, spec(30.0)) == []


def spec(max_distance: float, context: float = 1.0) -> RunSpec:
    scale = {"start": context, "end": context, "epochs": 0}
    return RunSpec.model_validate(
        {
            "name": "n",
            "data": {"file": "n.h5", "max_distance": max_distance},
            "model": {"gate": {"context_scale": scale}},
        }
    )


def told(sites: Sites, run: RunSpec) -> list[Finding]:
    return [finding for finding in soundness_for(sites, run) if finding.code in ("no_neighbours", "few_neighbours")]


def test_a_run_that_sees_no_neighbour_is_an_error_with_limit_and_smallest_distance(synthetic_sites: Sites) -> None:
    (found,) = told(synthetic_sites, spec(1.0))
    smallest = float(synthetic_sites.distance_NK.min())
    assert (found.severity.value, found.evidence["smallest"]) == ("error", smallest)
    assert "data.max_distance = 1 angstrom" in found.sentence
    assert f"{smallest:.4g}" in found.sentence
    (found,) = told(without_neighbours(synthetic_sites), spec(30.0))
    assert (found.severity.value, found.evidence["smallest"]) == ("error", None)


def test_a_run_that_sees_few_is_warned_and_one_without_context_is_not(synthetic_sites: Sites) -> None:
    few = float(np.quantile(synthetic_sites.distance_NK[synthetic_sites.neighbour_NK >= 0], 0.05))
    (found,) = told(synthetic_sites, spec(few))
    assert (found.code, found.severity.value) == ("few_neighbours", "warning")
    assert told(synthetic_sites, spec(1.0, context=0.0)) == []
