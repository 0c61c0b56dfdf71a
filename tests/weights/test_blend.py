from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from kag.data.batches import evaluation_batches, training_batches
from kag.data.facts import DataFacts
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.losses import Objective
from kag.model.network import Network
from kag.spec import RunSpec
from kag.stats.selection import bagged, bbc_cv, tied_with_best
from kag.weights import bench as bench_module
from kag.weights import evaluate as evaluate_module
from kag.weights.average import weighted_mean
from kag.weights.bench import Bench
from kag.weights.blend import Trial, best_trial, blended, greedy_soup, require_compatible, try_ratios, worth
from kag.weights.checkpoint import StoredWeights, build_network, snapshot, stored
from kag.weights.digest import weights_digest
from kag.weights.evaluate import evaluate
from kag.weights.foremost import Foremost
from tests.weights.evaluated import evaluated

HALVES = [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
QUARTERS = [(1.0, 0.0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.0, 1.0)]


def fine_tune(network: Network, spec: RunSpec, sites: Sites, tables: SiteTables, *, seed: int, epochs: int) -> None:
    torch.manual_seed(seed)
    objective = Objective(spec.loss, spec.model, 10.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    network.train()
    for epoch in range(epochs):
        for rows in training_batches(sites, spec.data, seed=seed, epoch=epoch):
            batch = tables.gather(torch.from_numpy(rows), share="nothing")
            optimizer.zero_grad()
            objective(network(batch), batch).total.backward()
            optimizer.step()


@pytest.fixture(scope="module")
def parents(
    sites: Sites, tables: SiteTables, module_spec: RunSpec, module_network: Callable[[RunSpec, int], Network]
) -> list[StoredWeights]:
    """Three fine-tunes of one parent, the last one barely trained."""
    spec = module_spec
    facts = DataFacts.of(sites, spec.data.max_distance)
    ancestor = module_network(spec, 0)
    fine_tune(ancestor, spec, sites, tables, seed=0, epochs=6)
    found = []
    for seed, epochs in ((1, 8), (2, 8), (3, 1)):
        child = module_network(spec, 0)
        child.load_state_dict(ancestor.state_dict())
        fine_tune(child, spec, sites, tables, seed=seed, epochs=epochs)
        found.append(stored(spec, snapshot(child.state_dict()), facts, epoch=epochs - 1))
    return found


@pytest.fixture
def bench(parents: list[StoredWeights], sites: Sites) -> Bench:
    return Bench.of(parents[0], sites)


def auprcs(trials: Sequence[Trial]) -> list[float]:
    return [trial.tried.auprc for trial in trials]


def test_the_ends_of_the_grid_are_the_parents(
    parents: list[StoredWeights], bench: Bench, sites: Sites, tables: SiteTables
) -> None:
    trials = list(try_ratios(parents[:2], HALVES, bench))
    for trial, parent in ((trials[0], parents[0]), (trials[-1], parents[1])):
        assert trial.tried.plain.weights_digest == parent.weights_digest
        assert trial.tried.plain.evaluation == evaluate(build_network(parent), sites, tables, "val", samples=0)


def rescaled(weights: StoredWeights, network: Network) -> StoredWeights:
    """The same function: every other unit before a BatchNorm is scaled by 100, and its statistics with it."""
    state = snapshot(weights.network)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            head, _, place = name.rpartition(".")
            linear = f"{head}.{int(place) - 1}"
            factor = torch.tensor([1.0, 100.0]).repeat(module.num_features // 2)
            state[f"{linear}.weight"] *= factor[:, None]
            state[f"{linear}.bias"] *= factor
            state[f"{name}.running_mean"] *= factor
            state[f"{name}.running_var"] *= factor**2
    return stored(weights.spec, state, weights.data, epoch=weights.epoch)


def test_recomputed_normalisation_undoes_stale_statistics(parents: list[StoredWeights], bench: Bench) -> None:
    """The blend of a network with itself, rescaled, is itself again, once its variances are measured, not averaged."""
    parent = parents[0]
    state = weighted_mean([parent.network, rescaled(parent, bench.network).network], (0.9, 0.1))
    alone = evaluated(bench, bench.recomputed(parent.network), "train")
    plain, recomputed = evaluated(bench, state, "train"), evaluated(bench, bench.recomputed(state), "train")
    assert recomputed.values["bce"] == pytest.approx(alone.values["bce"], abs=1e-3)
    assert recomputed.auprc == pytest.approx(alone.auprc, abs=1e-3)
    assert plain.values["bce"] != pytest.approx(alone.values["bce"], abs=5e-3)


def test_the_better_variant_is_the_one_to_deliver(parents: list[StoredWeights], bench: Bench) -> None:
    for trial in try_ratios(parents[:2], QUARTERS, bench):
        assert trial.tried.recomputed is not None
        scores = (trial.tried.plain.evaluation.auprc, trial.tried.recomputed.evaluation.auprc)
        assert trial.tried.auprc == max(scores)
        assert trial.tried.recomputed_is_better == (scores[1] > scores[0])


def test_the_best_blend_is_corrected_by_the_logits_that_were_tried(
    parents: list[StoredWeights], bench: Bench, sites: Sites, tables: SiteTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six candidates, each evaluated once; chosen anew in every bag as if their logits were computed again."""
    scored: list[int] = []
    monkeypatch.setattr(
        bench_module, "score", lambda *args, **options: scored.append(1) or evaluate_module.score(*args, **options)
    )
    trials = list(try_ratios(parents[:2], HALVES, bench))
    seen: list[tuple[int, int]] = []
    found = worth(trials, bench, lambda done, total: seen.append((done, total)))
    assert len(scored) == 2 * len(trials), "no candidate is evaluated twice"
    assert seen == [(done, 6) for done in range(1, 7)]
    index_N = sites.index("val")
    again = []
    for ratios in HALVES:
        state = weighted_mean([one.network for one in parents[:2]], ratios)
        for variant in (state, bench.recomputed(state)):
            network = build_network(stored(parents[0].spec, variant, parents[0].data, epoch=None))
            logit_N = evaluate_module.score(network, tables, evaluation_batches(sites, "val")).logit_N
            again.append(bagged(logit_N, sites.label_N[index_N], sites.protein_N[index_N], "auprc"))
    chosen = bbc_cv(again)
    assert found is not None
    assert (found.kind, found.candidates, found.foremost) == ("candidates", 6, 6)
    assert found.value == max(auprcs(trials)) == pytest.approx(chosen.value)
    assert found.corrected == pytest.approx(chosen.corrected)
    assert found.tied == tied_with_best([[one.resampled] for one in again])


def test_one_blend_was_not_chosen(parents: list[StoredWeights], bench: Bench) -> None:
    bench = replace(bench, foremost=Foremost())
    trials = list(try_ratios(parents[:1], [(1.0,)], bench))
    assert len(bench.foremost.values) == 2, "plain and recomputed: a choice among two"
    assert worth(trials, bench, lambda done, total: None) is not None
    alone = replace(bench, foremost=Foremost())
    alone.foremost.add(0.4, np.zeros(3, dtype=np.float32))
    assert worth(trials, alone, lambda done, total: None) is None


def test_statistics_of_another_network_are_repaired(parents: list[StoredWeights], bench: Bench) -> None:
    state = dict(parents[0].network)
    for name in state:
        if name.endswith("running_mean"):
            state[name] = state[name] + 3.0
    stale, fresh = evaluated(bench, state), evaluated(bench, bench.recomputed(state))
    own = evaluated(bench, parents[0].network)
    assert stale.auprc < own.auprc - 0.05
    assert fresh.auprc == pytest.approx(own.auprc, abs=0.05)


def test_the_delivered_weights_are_those_that_were_tried(
    parents: list[StoredWeights], bench: Bench, sites: Sites, tables: SiteTables
) -> None:
    trials = list(try_ratios(parents[:2], QUARTERS, bench))
    best = best_trial(trials)
    assert best.tried.auprc == max(auprcs(trials))
    for trial in trials:
        weights = blended(parents[:2], trial, bench)
        assert weights.weights_digest == trial.tried.best.weights_digest == weights_digest(weights.network)
        assert weights.epoch is None
        assert evaluate(build_network(weights), sites, tables, "val", samples=0) == trial.tried.best.evaluation


def test_greedy_soup_never_gets_worse_than_its_best_parent(parents: list[StoredWeights], bench: Bench) -> None:
    trials = tuple(greedy_soup(parents, bench))
    assert len(trials) == 5
    alone, soups = trials[:3], trials[3:]
    ranked = sorted(range(3), key=lambda number: -auprcs(alone)[number])
    members, score = {ranked[0]}, auprcs(alone)[ranked[0]]
    for number, soup in zip(ranked[1:], soups, strict=True):
        tried = members | {number}
        assert soup.ratios == tuple(1 / len(tried) if parent in tried else 0.0 for parent in range(3))
        if soup.tried.auprc >= score:
            members, score = tried, soup.tried.auprc
    assert best_trial(trials).tried.auprc == score >= max(auprcs(alone))
    assert {parent for parent, ratio in enumerate(best_trial(trials).ratios) if ratio} == members


def test_greedy_soup_takes_what_does_no_harm(parents: list[StoredWeights], bench: Bench) -> None:
    trials = list(greedy_soup([parents[0], parents[0]], bench))
    assert best_trial(trials).ratios == (0.5, 0.5)


def test_layer_norm_has_one_variant(
    sites: Sites, specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], facts: DataFacts
) -> None:
    spec = specs(norm="layer")
    pair = [stored(spec, module_network(spec, seed).state_dict(), facts, epoch=0) for seed in range(2)]
    bench = Bench.of(pair[0], sites)
    (trial,) = try_ratios(pair, [(0.5, 0.5)], bench)
    assert trial.tried.recomputed is None
    assert trial.tried.best == trial.tried.plain
    assert blended(pair, trial, bench).weights_digest == trial.tried.plain.weights_digest


def test_schedules_and_statistics_are_blended_too() -> None:
    one = {"context_scale": torch.tensor(0.5), "norm.running_var": torch.tensor([1.0]), "steps": torch.tensor(3)}
    other = {"context_scale": torch.tensor(1.0), "norm.running_var": torch.tensor([3.0]), "steps": torch.tensor(9)}
    mean = weighted_mean([one, other], (0.25, 0.75))
    assert {name: value.item() for name, value in mean.items()} == {
        "context_scale": 0.875,
        "norm.running_var": 2.5,
        "steps": 9,
    }


def test_what_keeps_runs_apart_is_listed(
    sites: Sites, specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], facts: DataFacts
) -> None:
    spec = specs()
    first = stored(spec, module_network(spec, 0).state_dict(), facts, epoch=0)
    wide = specs(hidden=[8, 16], gate={"temperature": 2.0, "clamp": [0.3, 0.7]})
    second = stored(wide, module_network(wide, 0).state_dict(), facts, epoch=0)
    moved = dataclasses.replace(first, data=dataclasses.replace(facts, data_digest="e" * 64))
    with pytest.raises(CheckpointError) as caught:
        require_compatible([first, second, moved])
    text = str(caught.value)
    assert "model.hidden: [8, 8] in parent 1, [8, 16] in parent 2" in text
    assert "model.gate.temperature: 1.5 in parent 1, 2.0 in parent 2" in text
    assert "model.gate.clamp: None in parent 1, [0.3, 0.7] in parent 2" in text
    assert "classifier.logit.weight: float32[1, 8] in the first, float32[1, 16] in the second (parents 1 and 2)" in text
    assert "data: dddddddddddd in parent 1, eeeeeeeeeeee in parent 3" in text
    with pytest.raises(CheckpointError, match="trained on data eeeeeeeeeeee"):
        Bench.of(moved, sites)


def test_runs_that_were_only_trained_differently_blend(
    specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], facts: DataFacts
) -> None:
    one, other = (
        specs(),
        specs(
            dropout=0.4,
            modality_dropout=0.0,
            gate={"penalty": {"weight": 0.3}, "dropout": {"rate": 0.0}, "context_scale": 0.7, "initial": 0.6},
        ),
    )
    parents = [stored(spec, module_network(spec, 0).state_dict(), facts, epoch=0) for spec in (one, other)]
    require_compatible(parents)


def test_a_fixed_gate_is_part_of_what_is_computed(
    specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], facts: DataFacts
) -> None:
    pair = [specs(gate={"kind": "fixed", "initial": initial}) for initial in (0.4, 0.6)]
    parents = [stored(spec, module_network(spec, 0).state_dict(), facts, epoch=0) for spec in pair]
    with pytest.raises(CheckpointError, match=r"model\.gate\.initial: 0\.4 in parent 1, 0\.6 in parent 2"):
        require_compatible(parents)
