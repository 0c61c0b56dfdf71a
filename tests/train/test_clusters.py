"""Proteins that belong together are drawn as one: a run with clusters has other intervals and the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kag.compare.comparison import compare
from kag.compare.paired import Unpaired, kept_by, read_once
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.errors import DataError
from kag.spec import build_spec
from kag.stats.bootstrap import interval, metric_draws
from kag.track.folders import FolderSource
from kag.track.scores_of_run import scores_in
from kag.view.words import find_run
from tests.delivered import delivered
from tests.train.conftest import TINY, MakeSpec, Train


@pytest.fixture(scope="module")
def synthetic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six proteins in val and in test, so that there are three clusters of two."""
    path = tmp_path_factory.mktemp("clusters") / "sites.h5"
    synthesise(path, proteins=30, points_per_protein=40, embedding=8)
    return path


@pytest.fixture(scope="module")
def sites(synthetic_file: Path) -> Sites:
    return read_sites(synthetic_file)


@pytest.fixture(scope="module")
def make_spec(synthetic_file: Path) -> MakeSpec:
    return lambda **overrides: build_spec(TINY, {"data.file": str(synthetic_file), **overrides})


@pytest.fixture
def clusters(sites: Sites, tmp_path: Path) -> Path:
    """Every two proteins of a split are homologues; the last one of an odd split is alone."""
    file, lines = tmp_path / "homologues.csv", ["protein,cluster"]
    for split in ("train", "val", "test"):
        proteins = np.unique(sites.protein_N[sites.index(split)])
        lines += [f"{sites.proteins[protein]},{split}{place // 2}" for place, protein in enumerate(proteins)]
    file.write_text("\n".join([*lines, "stranger,x"]))
    return file


def test_clusters_change_the_intervals_of_a_run_and_nothing_else(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, clusters: Path
) -> None:
    plain = train(make_spec(name="plain", epochs=1))
    apart = train(make_spec(name="clustered", epochs=1, **{"data.clusters": str(clusters)}))
    assert (apart.data_digest, apart.found and apart.found.spec_digest) == (
        plain.data_digest,
        plain.found and plain.found.spec_digest,
    )
    for split in ("val", "test"):
        one, other = (delivered(record, split, "auprc") for record in (plain, apart))
        assert (one.value, one.weights_digest) == (other.value, other.weights_digest)
        kept = scores_in(find_run(runs, "clustered").path, split)
        assert kept is not None
        assert kept.label_N is not None
        protein_N = sites.protein_N[sites.index(split)]
        place_N = np.unique(protein_N, return_inverse=True)[1]
        draws = metric_draws(kept.value_N, kept.label_N, place_N // 2, kept.threshold, protein_N=protein_N)
        bounds = interval(draws["auprc"].draw_S)
        assert bounds is not None
        assert (other.ci_low, other.ci_high) == (bounds.low, bounds.high)
        assert (one.ci_low, one.ci_high) != (bounds.low, bounds.high)
        assert len(kept.draws["auprc"].left_out_U) == -(-len(np.unique(protein_N)) // 2)
        for name, found in kept.draws.items():
            assert np.array_equal(found.left_out_U, draws[name].left_out_U.astype(np.float32)), name
    source = FolderSource(runs)
    drawn = read_once(kept_by(source))
    mixed, alike = compare(plain, apart, drawn).tested("val"), compare(apart, apart, drawn).tested("val")
    assert isinstance(mixed, Unpaired)
    assert mixed.reason == f"{plain.id} and {apart.id} scored the same examples of val in other clusters"
    assert not isinstance(alike, Unpaired)
    assert compare(plain, apart, drawn).settings == (), "which proteins are drawn as one is no setting of a training"


def test_a_file_that_lacks_a_protein_is_refused_before_anything_is_trained(
    make_spec: MakeSpec, train: Train, runs: Path, clusters: Path
) -> None:
    clusters.write_text(clusters.read_text().replace("synth00003_A", "synth0003_A"))
    with pytest.raises(DataError, match=r"has no line for 1 of \d+ proteins, the first is `synth00003_A`"):
        train(make_spec(**{"data.clusters": str(clusters)}))
    assert not runs.exists()
