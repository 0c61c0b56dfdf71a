"""What weights ask of data that they were not made on: columns by name, embeddings of the same kind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from kag.data.facts import DataFacts, EmbeddingFacts, as_trained
from kag.data.read import read_sites
from kag.data.sites import Purpose, Sites
from kag.data.synth import synthesise
from kag.errors import DataError

FAR = 20.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    """Raw embeddings, as a language model gives them: each dimension has a place and a scale of its own."""
    path = tmp_path_factory.mktemp("facts") / "trained.h5"
    synthesise(path, proteins=8, points_per_protein=90, embedding=24, features=5)
    return uneven(read_sites(path))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    """Other proteins, embedded alike."""
    path = tmp_path_factory.mktemp("facts") / "benchmark.h5"
    synthesise(path, proteins=3, points_per_protein=90, embedding=24, features=5, seed=7)
    return uneven(read_sites(path))


def uneven(sites: Sites) -> Sites:
    random = np.random.default_rng(5)
    scale_D = np.exp(random.normal(0.0, 0.8, sites.embedding)).astype(np.float32)
    return dataclasses.replace(sites, residue_RD=sites.residue_RD * scale_D + 2.0 * scale_D)


@pytest.fixture(scope="module")
def facts(trained: Sites) -> DataFacts:
    return DataFacts.of(trained, FAR)


def reordered(sites: Sites, order: list[int], names: list[str] | None = None) -> Sites:
    features = names or [(sites.features or ())[column] for column in order]
    return dataclasses.replace(sites, tabular_NF=sites.tabular_NF[:, order], features=tuple(features))


def test_other_proteins_of_the_same_kind_are_taken_as_they_are(facts: DataFacts, benchmark: Sites) -> None:
    fitted = as_trained(benchmark, facts)
    assert fitted.sites is benchmark
    assert fitted.unchecked == ()


def test_columns_in_another_order_are_put_in_order(facts: DataFacts, benchmark: Sites) -> None:
    fitted = as_trained(reordered(benchmark, [3, 0, 4, 2, 1]), facts)
    assert np.array_equal(fitted.sites.tabular_NF, benchmark.tabular_NF)
    assert fitted.sites.features == facts.columns
    assert fitted.sites.digest == benchmark.digest, "the digest names the file"


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ("synth.colum04", "missing synth.column04"),
        ("charge", "foreign charge"),
        ("synth.column03", "missing synth.column04"),
    ],
)
def test_missing_and_foreign_columns_are_named(facts: DataFacts, benchmark: Sites, last: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        as_trained(reordered(benchmark, [0, 1, 2, 3, 4], [*(benchmark.features or ())[:4], last]), facts)
    assert "dataset `feature_names`" in str(caught.value)
    if last == "synth.colum04":
        assert caught.value.nearest == "synth.colum04 for synth.column04"


def test_columns_of_one_name_are_taken_in_place_or_not_at_all(facts: DataFacts, benchmark: Sites) -> None:
    twice = dataclasses.replace(facts, columns=("a", "a", "b", "c", "d"))
    assert as_trained(reordered(benchmark, [0, 1, 2, 3, 4], ["a", "a", "b", "c", "d"]), twice).unchecked == ()
    with pytest.raises(DataError, match="two tabular columns have one name"):
        as_trained(reordered(benchmark, [0, 1, 2, 3, 4], ["a", "b", "a", "c", "d"]), twice)


def test_what_cannot_be_compared_is_said(facts: DataFacts, benchmark: Sites) -> None:
    nameless = dataclasses.replace(benchmark, features=None)
    assert "the file has no names" in " ".join(as_trained(nameless, facts).unchecked)
    older = dataclasses.replace(facts, columns=None, embedded=None)
    columns, embedding = as_trained(benchmark, older).unchecked
    assert "the weights have no names" in columns
    assert "which embedding" in embedding
    with pytest.raises(DataError, match="made for 6 tabular columns"):
        as_trained(benchmark, dataclasses.replace(older, features=6))


@pytest.mark.parametrize(
    "change",
    [
        lambda residue_RD: np.roll(residue_RD, 1, axis=1),
        lambda residue_RD: residue_RD[:, ::-1].copy(),
        lambda residue_RD: 10.0 * residue_RD,
        lambda residue_RD: (residue_RD - residue_RD.mean(0)) / residue_RD.std(0),
    ],
    ids=["rolled", "mirrored", "scaled", "standardised"],
)
def test_another_embedding_of_the_same_width_is_refused(facts: DataFacts, benchmark: Sites, change: object) -> None:
    other = dataclasses.replace(benchmark, residue_RD=change(benchmark.residue_RD))  # type: ignore[operator]
    with pytest.raises(DataError, match="another embedding") as caught:
        as_trained(other, facts)
    assert "dataset `residue_embeddings`" in str(caught.value)


def test_an_embedding_is_known_by_what_its_file_says(benchmark: Sites, trained: Sites) -> None:
    facts = DataFacts.of(dataclasses.replace(trained, embedding_stated=(("esm_model", "esm2_t33_650M"),)), FAR)
    assert as_trained(benchmark, facts).sites is benchmark, "a file that says nothing contradicts nothing"
    other = dataclasses.replace(benchmark, embedding_stated=(("esm_model", "esm1b"), ("esm_layer", "33")))
    with pytest.raises(DataError, match=r"`esm_model` is 'esm1b', it was 'esm2_t33_650M'"):
        as_trained(other, facts)


def test_one_protein_and_even_dimensions_are_no_other_embedding(trained: Sites, facts: DataFacts) -> None:
    for number in range(len(trained.proteins)):
        (rows,) = np.nonzero(trained.protein_N == number)
        alone = dataclasses.replace(
            trained,
            digest="1" * 64,
            **{name: getattr(trained, name)[rows] for name in ("tabular_NF", "centre_N", "split_N", "label_N")},
        )
        assert as_trained(alone, facts).unchecked == ()
    few = EmbeddingFacts(stated=(), mean_D=(99.0,) * 24, std_D=(1.0,) * 24, residues=10)
    assert facts.embedded is not None
    assert facts.embedded.apart(few) is None, "ten residues tell nothing"
    (said,) = as_trained(alone, dataclasses.replace(facts, embedded=few)).unchecked
    assert said.startswith("10 residues are too few"), "and it is said"


def test_the_data_that_weights_were_made_on_are_theirs(facts: DataFacts, trained: Sites) -> None:
    renamed = dataclasses.replace(trained, features=("p", "q", "r", "s", "t"))
    assert as_trained(renamed, facts).sites is renamed, "the digest says that every number stands in its place"


def test_real_chains_are_of_one_embedding_and_mixed_up_ones_are_not(real_file: Path, trained: Sites) -> None:
    with h5py.File(real_file) as file:
        residue_RD, key_R = file["residue_embeddings"][:9000], file["residue_protein_keys"][:9000]

    def known(residue_RD: np.ndarray) -> EmbeddingFacts:
        rows = np.arange(len(residue_RD), dtype=np.int32)
        label_N = np.zeros(len(rows), np.uint8)
        sites = dataclasses.replace(trained, residue_RD=residue_RD, centre_N=rows, label_N=label_N)
        return EmbeddingFacts.of(sites, "all")

    several, others = known(residue_RD[:6000]), residue_RD[6000:]
    assert several.apart(known(others)) is None
    assert several.apart(known(residue_RD[key_R == key_R[-1]])) is None, "one protein alone"
    order_D = np.random.default_rng(0).permutation(residue_RD.shape[1])
    assert several.apart(known(others[:, order_D])) is not None


def test_facts_are_plain_values_and_come_back(facts: DataFacts, tmp_path: Path) -> None:
    torch.save(facts.plain(), tmp_path / "facts")
    assert DataFacts.read(torch.load(tmp_path / "facts", weights_only=True)) == facts


def test_a_file_is_for_what_is_in_it(benchmark: Sites) -> None:
    assert benchmark.purpose is Purpose.TRAINING
    only_test = dataclasses.replace(benchmark, split_N=np.full_like(benchmark.split_N, 2))
    assert (only_test.purpose, only_test.parts) == (Purpose.EVALUATION, ("test",))
    no_split = dataclasses.replace(benchmark, split_N=np.full_like(benchmark.split_N, -1))
    assert (no_split.purpose, no_split.parts) == (Purpose.EVALUATION, ("all",))
    assert no_split.index("all").tolist() == list(range(no_split.points))
    assert dataclasses.replace(benchmark, labelled=False).purpose is Purpose.PREDICTION
