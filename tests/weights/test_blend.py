from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kag.data.batches import training_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError, UserError
from kag.model.losses import Objective
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights.bench import Bench
from kag.weights.blend import (
    Trial,
    best_trial,
    blend_states,
    blended,
    greedy_soup,
    grid,
    require_compatible,
    shares,
    try_ratios,
)
from kag.weights.checkpoint import DataFacts, StoredWeights, build_network, snapshot, stored
from kag.weights.digest import weights_digest
from kag.weights.evaluate import evaluate


def fine_tune(network: Network, spec: RunSpec, sites: Sites, tables: SiteTables, *, seed: int, epochs: int) -> None:
    torch.manual_seed(seed)
    objective = Objective(spec.loss, spec.model, 10.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    network.train()
    for epoch in range(epochs):
        for rows in training_batches(sites, spec.data, seed=seed, epoch=epoch):
            batch = tables.gather(torch.from_numpy(rows), share=False)
            optimizer.zero_grad()
            objective(network(batch), batch).total.backward()
            optimizer.step()


@pytest.fixture(scope="module")
def parents(
    sites: Sites, tables: SiteTables, module_spec: RunSpec, module_network: Callable[[RunSpec, int], Network]
) -> list[StoredWeights]:
    """Three fine-tunes of one parent, the last one barely trained."""
    spec = module_spec
    facts = DataFacts(sites.columns, sites.embedding, sites.neighbours, spec.data.max_distance, sites.digest)
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


def auprcs(trials: tuple[Trial, ...]) -> list[float]:
    return [trial.best.evaluation.auprc for trial in trials]


def test_the_ends_of_the_grid_are_the_parents(
    parents: list[StoredWeights], bench: Bench, sites: Sites, tables: SiteTables
) -> None:
    trials = try_ratios(parents[:2], grid("0:1:0.5", 2), bench)
    for trial, parent in ((trials[0], parents[0]), (trials[-1], parents[1])):
        assert trial.plain.weights_digest == parent.weights_digest
        assert trial.plain.evaluation == evaluate(build_network(parent), sites, tables, "val", samples=0)


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


def test_recomputed_normalisation_beats_stale_statistics(parents: list[StoredWeights], bench: Bench) -> None:
    """The blend of a network with itself, rescaled, is itself again, once its variances are measured, not averaged."""
    parent = parents[0]
    state = blend_states([parent.network, rescaled(parent, bench.network).network], (0.9, 0.1))
    alone = bench.evaluate(bench.recomputed(parent.network), "train")
    plain, recomputed = bench.evaluate(state, "train"), bench.evaluate(bench.recomputed(state), "train")
    assert recomputed.values["loss"] == pytest.approx(alone.values["loss"], abs=1e-3)
    assert recomputed.auprc == pytest.approx(alone.auprc, abs=1e-3)
    assert recomputed.auprc > plain.auprc


def test_the_better_variant_is_the_one_to_deliver(parents: list[StoredWeights], bench: Bench) -> None:
    for trial in try_ratios(parents[:2], grid("0:1:0.25", 2), bench):
        assert trial.recomputed is not None
        scores = (trial.plain.evaluation.auprc, trial.recomputed.evaluation.auprc)
        assert trial.best.evaluation.auprc == max(scores)
        assert trial.recomputed_is_better == (scores[1] > scores[0])


def test_statistics_of_another_network_are_repaired(parents: list[StoredWeights], bench: Bench) -> None:
    state = dict(parents[0].network)
    for name in state:
        if name.endswith("running_mean"):
            state[name] = state[name] + 3.0
    stale, fresh = bench.variant(state), bench.variant(bench.recomputed(state))
    own = bench.variant(parents[0].network)
    assert stale.evaluation.auprc < own.evaluation.auprc - 0.05
    assert fresh.evaluation.auprc == pytest.approx(own.evaluation.auprc, abs=0.05)


def test_the_delivered_weights_are_those_that_were_tried(
    parents: list[StoredWeights], bench: Bench, sites: Sites, tables: SiteTables
) -> None:
    trials = try_ratios(parents[:2], grid("0:1:0.25", 2), bench)
    best = best_trial(trials)
    assert best.best.evaluation.auprc == max(auprcs(trials))
    for trial in trials:
        weights = blended(parents[:2], trial, bench)
        assert weights.weights_digest == trial.best.weights_digest == weights_digest(weights.network)
        assert weights.epoch is None
        assert evaluate(build_network(weights), sites, tables, "val", samples=0) == trial.best.evaluation


def test_greedy_soup_never_gets_worse_than_its_best_parent(parents: list[StoredWeights], bench: Bench) -> None:
    seen: list[Trial] = []
    trials = greedy_soup(parents, bench, progress=seen.append)
    assert seen == list(trials)
    assert len(trials) == 5
    alone, soups = trials[:3], trials[3:]
    ranked = sorted(range(3), key=lambda number: -auprcs(alone)[number])
    members, score = {ranked[0]}, auprcs(alone)[ranked[0]]
    for number, soup in zip(ranked[1:], soups, strict=True):
        tried = members | {number}
        assert soup.ratios == tuple(1 / len(tried) if parent in tried else 0.0 for parent in range(3))
        if soup.best.evaluation.auprc >= score:
            members, score = tried, soup.best.evaluation.auprc
    assert best_trial(trials).best.evaluation.auprc == score >= max(auprcs(alone))
    assert {parent for parent, ratio in enumerate(best_trial(trials).ratios) if ratio} == members


def test_greedy_soup_takes_what_does_no_harm(parents: list[StoredWeights], bench: Bench) -> None:
    trials = greedy_soup([parents[0], parents[0]], bench)
    assert best_trial(trials).ratios == (0.5, 0.5)


def test_layer_norm_has_one_variant(
    sites: Sites, specs: Callable[..., RunSpec], module_network: Callable[[RunSpec, int], Network], facts: DataFacts
) -> None:
    spec = specs(norm="layer")
    pair = [stored(spec, module_network(spec, seed).state_dict(), facts, epoch=0) for seed in range(2)]
    bench = Bench.of(pair[0], sites)
    (trial,) = try_ratios(pair, [(0.5, 0.5)], bench)
    assert trial.recomputed is None
    assert trial.best == trial.plain
    assert blended(pair, trial, bench).weights_digest == trial.plain.weights_digest


def test_schedules_and_statistics_are_blended_too() -> None:
    one = {"context_scale": torch.tensor(0.5), "norm.running_var": torch.tensor([1.0]), "steps": torch.tensor(3)}
    other = {"context_scale": torch.tensor(1.0), "norm.running_var": torch.tensor([3.0]), "steps": torch.tensor(9)}
    mean = blend_states([one, other], (0.25, 0.75))
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


def test_grids() -> None:
    assert grid("0:1:0.1", 2)[3] == (0.7, 0.3)
    assert [ratios[1] for ratios in grid("0:1:0.1", 2)] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert grid("0.2:0.5:0.2", 2) == ((0.8, 0.2), (0.6, 0.4))
    assert grid("0.5:0.5:1", 2) == ((0.5, 0.5),)
    assert grid("0:1:0.5", 3) == (
        (1.0, 0.0, 0.0),
        (0.5, 0.0, 0.5),
        (0.0, 0.0, 1.0),
        (0.5, 0.5, 0.0),
        (0.0, 0.5, 0.5),
        (0.0, 1.0, 0.0),
    )


@given(st.integers(1, 100), st.integers(2, 3))
def test_every_blend_of_a_grid_shares_out_everything(parts: int, parents: int) -> None:
    step = 1 / parts
    if (parts + 1) ** (parents - 1) <= 1001:
        for ratios in grid(f"0:1:{step:.6f}", parents):
            assert len(ratios) == parents
            assert min(ratios) >= 0.0
            assert sum(ratios) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text", ["3:1", "1", "0:1", "0:1:0", "0:2:0.5", "0.5:0.2:0.1", "a:b:c", "0:nan:1", "0:1:1e-9", ""]
)
def test_what_is_no_grid_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UserError, match=r"--ratios 0:1:0\.1"):
        grid(text, 2)


def test_shares_written_out() -> None:
    assert shares("0.5,0.5", 2) == (0.5, 0.5)
    assert shares("0.3, 0.3, 0.4", 3) == (0.3, 0.3, 0.4)
    assert shares("1,0", 2) == (1.0, 0.0)
    assert shares("0.333333,0.333333,0.333334", 3)[2] == 0.333334


@pytest.mark.parametrize(
    "text", ["3:1", "99:1", "3,1", "0.5", "0.5,0.6", "1.5,-0.5", "0.5,0.5,0", "half,half", "nan,1", ""]
)
def test_what_are_no_shares_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--weights 0\.75,0\.25"):
        shares(text, 2)
