from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kag.cli.windows import window_figure
from kag.data.batches import evaluation_batches
from kag.data.facts import DataFacts
from kag.data.sites import Sites
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.report.png import png
from kag.spec import RunSpec
from kag.stats import metrics
from kag.stats.selection import bbc_cv
from kag.track.folder import RunFolder
from kag.weights import bench as bench_module
from kag.weights.average import weighted_mean
from kag.weights.bench import Bench
from kag.weights.checkpoint import StoredWeights, build_network, load_state, save_weights, snapshot, stored
from kag.weights.epochs import EpochWeights
from kag.weights.evaluate import evaluate, score
from kag.weights.windows import Window, WindowMap, promising, verified, window_map
from tests.weights.evaluated import evaluated
from tests.weights.former_sums import add_to_sums

EPOCHS = 6
FIRST = 2


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    module_spec: RunSpec,
    module_network: Callable[[RunSpec, int], Network],
    sites: Sites,
) -> tuple[RunFolder, list[StoredWeights]]:
    """A run that keeps its epochs, and their weights, each a step away from the last."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.checkpoints.mkdir()
    facts = DataFacts.of(sites, module_spec.data.max_distance)
    network = module_network(module_spec, 0)
    generator = torch.Generator().manual_seed(1)
    states = []
    for epoch in range(FIRST, FIRST + EPOCHS):
        with torch.no_grad():
            for value in network.parameters():
                value.add_(0.3 * torch.randn(value.shape, generator=generator))
        states.append(stored(module_spec, snapshot(network.state_dict()), facts, epoch=epoch))
        save_weights(folder.snapshot(epoch), states[-1])
    return folder, states


@pytest.fixture
def bench(run: tuple[RunFolder, list[StoredWeights]], sites: Sites) -> Bench:
    return Bench.of(run[1][0], sites)


@pytest.fixture
def epochs(run: tuple[RunFolder, list[StoredWeights]]) -> EpochWeights:
    return EpochWeights(run[0])


def test_every_window_is_ranked_by_the_mean_of_its_logits(
    run: tuple[RunFolder, list[StoredWeights]], epochs: EpochWeights, bench: Bench, sites: Sites
) -> None:
    logit_EN = np.array(
        [score(build_network(weights), bench.tables, evaluation_batches(sites, "val")).logit_N for weights in run[1]]
    )
    label_N = sites.label_N[sites.index("val")]
    found = window_map(epochs, bench, verify=2)
    assert [(w.start, w.length) for w in found.windows] == [
        (FIRST + begin, length) for begin in range(EPOCHS) for length in range(1, EPOCHS - begin + 1)
    ]
    for window in found.windows:
        begin = window.start - FIRST
        mean_N = logit_EN[begin : begin + window.length].mean(0)
        assert window.ensemble == pytest.approx(metrics.auprc(metrics.curve(mean_N, label_N)), abs=0.01)
    assert found.best_epoch.ensemble == max(w.ensemble or 0.0 for w in found.windows if w.length == 1)


def test_verified_windows_score_what_the_direct_mean_scores(
    run: tuple[RunFolder, list[StoredWeights]], epochs: EpochWeights, bench: Bench, sites: Sites
) -> None:
    found = window_map(epochs, bench, verify=None)
    assert len(found.verified) == EPOCHS * (EPOCHS - 1) // 2
    assert [w.auprc for w in found.verified] == sorted((w.auprc for w in found.verified), reverse=True)
    assert found.best == found.verified[0]
    for window in found.verified[:4]:
        begin = window.start - FIRST
        inside = [weights.network for weights in run[1][begin : begin + window.length]]
        mean = weighted_mean(inside, [1 / window.length] * window.length)
        buffers = {name: inside[-1][name] for name in inside[-1] if name not in dict(bench.network.named_parameters())}
        assert window.tried is not None
        plain = window.tried.plain.evaluation
        direct = evaluated(bench, mean | buffers)
        assert plain.values["bce"] == pytest.approx(direct.values["bce"], abs=1e-5)
        assert plain.auprc == pytest.approx(direct.auprc, abs=1e-3)


def test_the_number_of_candidates_counts_everything_that_was_looked_at(epochs: EpochWeights, bench: Bench) -> None:
    seen: dict[str, tuple[int, int]] = {}
    found = window_map(epochs, bench, verify=3, progress=lambda step, done, total: seen.update({step: (done, total)}))
    assert len(found.verified) == 3
    assert found.candidates == EPOCHS * (EPOCHS + 1) // 2 + 3 * 2
    assert seen == {"epochs": (6, 6), "windows": (21, 21), "verified": (3, 3), "resampled": (24, 24)}
    assert found.selection is not None
    assert found.selection.candidates == found.candidates


def test_what_the_best_window_is_worth_takes_no_evaluation_more(
    epochs: EpochWeights, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    monkeypatch.setattr(bench_module, "score", lambda *args, **options: scored.append(1) or score(*args, **options))
    found = window_map(epochs, bench, verify=3).selection
    assert len(scored) == EPOCHS + 3 * 2, "every epoch, and both variants of what is verified"
    assert found is not None
    assert (found.kind, found.foremost) == ("candidates", found.candidates - 3), "an exact score replaces a rank"
    assert found.value == max(bench.foremost.values)
    assert found.corrected is not None
    assert found.corrected <= found.value + 1e-9
    assert found.expected[-1] >= found.value


def test_where_every_window_is_scored_no_rank_stands_in(epochs: EpochWeights, bench: Bench, sites: Sites) -> None:
    found = window_map(epochs, bench, verify=None)
    exact = [bench.bagged(one.logit_N) for one in bench.foremost]
    for epoch in range(FIRST, FIRST + EPOCHS):
        load_state(bench.network, epochs.mean(epoch, 1))
        exact.append(bench.bagged(score(bench.network, bench.tables, evaluation_batches(sites, "val")).logit_N))
    chosen = bbc_cv(exact)
    assert found.selection is not None
    assert found.selection.corrected == pytest.approx(found.best.auprc - (chosen.value - chosen.corrected), abs=1e-3)


def test_the_delivered_weights_are_those_that_were_scored(
    run: tuple[RunFolder, list[StoredWeights]], epochs: EpochWeights, bench: Bench, sites: Sites
) -> None:
    for start, length in ((FIRST, 2), (FIRST + 1, 4)):
        window = verified(epochs, bench, Window(start, length))
        assert window.tried is not None
        weights = bench.better(epochs.mean(start, length), window.tried, epoch=window.last)
        assert weights.weights_digest == window.tried.best.weights_digest
        assert weights.epoch == start + length - 1
        assert evaluate(build_network(weights), sites, bench.tables, "val", samples=0) == window.tried.best.evaluation


def test_a_window_outside_the_run_is_refused(epochs: EpochWeights, bench: Bench) -> None:
    with pytest.raises(CheckpointError, match="epochs 2 to 7 are stored"):
        verified(epochs, bench, Window(0, 3))


def test_sums_of_another_network_are_refused(
    tmp_path: Path, specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], bench: Bench
) -> None:
    folder = RunFolder(tmp_path)
    add_to_sums(folder.sums, module_network(specs(hidden=[8, 4]), 0), epoch=0)
    with pytest.raises(CheckpointError, match="do not fit"):
        window_map(EpochWeights(folder), bench)


def test_promising_windows_are_not_nearly_the_same() -> None:
    windows = [Window(start, length, ensemble=1.0 - 0.01 * start) for start in range(10) for length in (9, 10)]
    chosen = promising(windows, 4)
    assert [(w.start, w.length) for w in chosen] == [(0, 9), (2, 9), (4, 9), (6, 9)]
    assert promising(windows, None) == sorted(windows, key=lambda w: (w.start, w.length))
    alike = [Window(0, 9, ensemble=0.9), Window(0, 10, ensemble=0.8)]
    assert promising(alike, 2) == alike
    assert promising(alike, 0) == []


def test_the_map_is_a_figure(epochs: EpochWeights, bench: Bench) -> None:
    found = window_map(epochs, bench, verify=2)
    figure = window_figure(found, "run")
    assert set(figure.framed) == {(w.length - 1, w.start - FIRST) for w in found.verified}
    assert figure.marked == (found.best.length - 1, found.best.start - FIRST)
    assert figure.values[1][0] == next(w.ensemble for w in found.windows if str(w) == f"{FIRST}:2")
    assert math.isnan(figure.values[1][EPOCHS - 1]), "no window of two epochs begins with the last one"
    unverified = WindowMap(tuple(Window(w.start, w.length, ensemble=w.ensemble) for w in found.windows))
    assert png(window_figure(unverified, "run")) != png(figure)
