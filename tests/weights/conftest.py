from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kag.data.facts import DataFacts
from kag.data.sites import Sites, contexts
from kag.data.tables import SiteTables, train_statistics
from kag.model.network import Network
from kag.spec import RunSpec, build_spec
from tests.october import october

MAX_DISTANCE = 20.0


def small_spec(**model: object) -> RunSpec:
    """A network of a few thousand parameters."""
    attention = {"heads": 2, "layers": 1, "width": 8, "feedforward": 8}
    tree = {"name": "small", "data": {"file": "sites.h5", "max_distance": MAX_DISTANCE, "batch_size": 64}}
    return build_spec(october({**tree, "model": {"hidden": [8, 8], "attention": attention, **model}}))


@pytest.fixture
def spec() -> RunSpec:
    return small_spec()


@pytest.fixture(scope="session")
def sites() -> Sites:
    """Twelve proteins (6 train, 3 val, 3 test) whose labels follow the first tabular column and the embedding."""
    generator = np.random.default_rng(0)
    proteins, residues, points, neighbours = 12, 20, 60, 3
    protein_R = np.repeat(np.arange(proteins), residues)
    residue_RD = generator.normal(size=(len(protein_R), 6)).astype(np.float32)
    protein_N = np.repeat(np.arange(proteins), points).astype(np.int32)
    centre_N = (protein_N * residues + generator.integers(0, residues, len(protein_N))).astype(np.int32)
    neighbour_RK = (np.arange(len(protein_R))[:, None] // residues) * residues + (
        np.arange(len(protein_R))[:, None] + np.arange(1, neighbours + 1)
    ) % residues
    neighbour_NK = neighbour_RK[centre_N].astype(np.int32)
    distance_NK = generator.uniform(3.0, 25.0, neighbour_RK.shape).astype(np.float32)[centre_N]
    tabular_NF = generator.normal(size=(len(protein_N), 4)).astype(np.float32) * 10.0
    signal_N = tabular_NF[:, 0] / 10.0 + residue_RD[centre_N, 0] + 0.5 * generator.normal(size=len(protein_N))
    return Sites(
        tabular_NF=tabular_NF,
        label_N=(signal_N > 1.5).astype(np.uint8),
        centre_N=centre_N,
        neighbour_NK=neighbour_NK,
        distance_NK=distance_NK,
        protein_N=protein_N,
        split_N=np.repeat(np.array([0, 1, 2], dtype=np.int8), [6 * points, 3 * points, 3 * points]),
        residue_RD=residue_RD,
        residue_number_R=(np.arange(len(protein_R)) % residues + 100).astype(np.int32),
        context_N=contexts(centre_N, neighbour_NK, distance_NK),
        proteins=tuple(f"{protein:04d}_A" for protein in range(proteins)),
        features=("a", "b", "c", "d"),
        path=Path("sites.h5"),
        digest="d" * 64,
    )


@pytest.fixture(scope="session")
def tables(sites: Sites) -> SiteTables:
    return SiteTables.from_sites(sites, MAX_DISTANCE)


@pytest.fixture
def facts(sites: Sites) -> DataFacts:
    return DataFacts.of(sites, MAX_DISTANCE)


def make_network(spec: RunSpec, sites: Sites, seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(
        spec.model,
        features=sites.columns,
        embedding=sites.embedding,
        max_distance=MAX_DISTANCE,
    )
    network.set_statistics(*train_statistics(sites))
    return network


@pytest.fixture
def network(spec: RunSpec, sites: Sites) -> Network:
    """Untrained, in training mode, as a trainer holds it."""
    return make_network(spec, sites, 0)


@pytest.fixture
def networks(spec: RunSpec, sites: Sites) -> Callable[[int], Network]:
    """A network with the weights of a seed."""
    return lambda seed: make_network(spec, sites, seed)


@pytest.fixture
def specs() -> Callable[..., RunSpec]:
    """A small spec with some of its model's fields changed."""
    return small_spec


@pytest.fixture(scope="session")
def module_spec() -> RunSpec:
    return small_spec()


@pytest.fixture(scope="session")
def module_network(sites: Sites) -> Callable[[RunSpec, int], Network]:
    """A network of a spec with the weights of a seed."""
    return lambda spec, seed: make_network(spec, sites, seed)
