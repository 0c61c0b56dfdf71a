from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from kag.data.batches import training_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights.average import (
    RunSums,
    add_to_sums,
    read_sums,
    recompute_normalisation,
    stored_epochs,
    weighted_mean,
)

EPOCHS = 7
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "context_scale", "dropout_rate", "mean_F", "std_F")


def wander(network: Network, epoch: int) -> None:
    """Stand in for an epoch: parameters jump, schedules and statistics move on."""
    generator = torch.Generator().manual_seed(epoch)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 10.0 ** (epoch % 3))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_(generator=generator)
                module.num_batches_tracked.add_(1)
    network.set_epoch(epoch)


def train(network: Network, folder: Path, epochs: range) -> list[dict[str, torch.Tensor]]:
    states = []
    for epoch in epochs:
        wander(network, epoch)
        add_to_sums(folder, network, epoch=epoch)
        states.append({name: value.clone() for name, value in network.state_dict().items()})
    return states


def test_every_window_is_the_direct_mean(tmp_path: Path, network: Network) -> None:
    states = train(network, tmp_path, range(EPOCHS))
    windows = [(start, length) for start in range(EPOCHS) for length in range(1, EPOCHS - start + 1)]
    assert len(windows) == 28
    sums = RunSums(tmp_path)
    for start, length in windows:
        averaged = sums.average(start, length)
        assert averaged.keys() == states[0].keys()
        for name, value in averaged.items():
            inside = torch.stack([state[name] for state in states[start : start + length]])
            assert value.dtype == inside.dtype
            if name.endswith(BUFFERS):
                assert torch.equal(value, inside[-1]), name
            else:
                torch.testing.assert_close(value, inside.double().mean(0).float(), rtol=1e-6, atol=1e-6)


def test_a_window_of_one_epoch_is_that_epoch(tmp_path: Path, network: Network) -> None:
    states = train(network, tmp_path, range(EPOCHS))
    for epoch, state in enumerate(states):
        averaged = RunSums(tmp_path).average(epoch, 1)
        assert max(float((averaged[name] - state[name]).abs().max()) for name in state) < 1e-6


def test_the_window_is_that_of_torch(tmp_path: Path, network: Network) -> None:
    average = AveragedModel(network)
    for epoch in range(EPOCHS):
        wander(network, epoch)
        add_to_sums(tmp_path, network, epoch=epoch)
        if 2 <= epoch < 6:
            average.update_parameters(network)
    torch.testing.assert_close(RunSums(tmp_path).average(2, 4), dict(average.module.state_dict()), rtol=1e-5, atol=1e-5)


def test_sums_may_begin_late_and_epochs_before_are_refused(tmp_path: Path, network: Network) -> None:
    states = train(network, tmp_path, range(3, 6))
    assert stored_epochs(tmp_path) == [3, 4, 5]
    sums = RunSums(tmp_path)
    name = "classifier.logit.weight"
    torch.testing.assert_close(sums.average(3, 3)[name], torch.stack([state[name] for state in states]).mean(0))
    for start, length in ((2, 3), (5, 2), (5, 0)):
        with pytest.raises(CheckpointError, match=f"window {start}:{length} is not covered") as caught:
            sums.average(start, length)
        assert "epochs 3 to 5 are stored" in str(caught.value)


def test_an_epoch_that_is_trained_again_counts_once(tmp_path: Path, networks: Callable[[int], Network]) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    train(networks(0), once, range(5))
    train(networks(0), again, range(5))
    killed = networks(0)
    for epoch in range(3):
        wander(killed, epoch)
    add_to_sums(again, killed, epoch=2)
    assert stored_epochs(again) == [0, 1, 2]
    train(killed, again, range(3, 5))
    for epoch in range(5):
        one, other = read_sums(once, epoch), read_sums(again, epoch)
        assert all(torch.equal(one.sums[name], other.sums[name]) for name in one.sums)


def test_a_gap_and_a_damaged_file_are_refused(tmp_path: Path, network: Network) -> None:
    train(network, tmp_path, range(3))
    with pytest.raises(CheckpointError, match=r"epoch_0003\.pt: no such file"):
        add_to_sums(tmp_path, network, epoch=4)
    with pytest.raises(CheckpointError, match="no running sums"):
        RunSums(tmp_path / "missing")
    last = tmp_path / "epoch_0002.pt"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"epoch_0002\.pt: not a torch file"):
        add_to_sums(tmp_path, network, epoch=3)
    (tmp_path / "epoch_0001.pt").rename(last)
    with pytest.raises(CheckpointError, match="does not hold the sums up to epoch 2"):
        read_sums(tmp_path, 2)
    with pytest.raises(CheckpointError, match=r"epoch_0001\.pt: no such file"):
        RunSums(tmp_path)
    torch.save({"format": "other"}, last)
    with pytest.raises(CheckpointError, match="not a file of running sums"):
        read_sums(tmp_path, 2)


def test_sums_are_kept_in_float64(tmp_path: Path, network: Network) -> None:
    """A small weight after a large one: in float32 the difference of the sums would have lost it."""
    name = "classifier.logit.bias"
    for epoch, number in enumerate([1e6, 1e-3, 3e-3]):
        with torch.no_grad():
            network.classifier.logit.bias.fill_(number)
        add_to_sums(tmp_path, network, epoch=epoch)
    assert RunSums(tmp_path).average(1, 2)[name].item() == pytest.approx(2e-3, rel=1e-6)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=4), st.integers(0, 1000))
@settings(deadline=None)
def test_a_weighted_mean_lies_where_the_ratios_say(shares: list[float], seed: int) -> None:
    total = sum(shares)
    ratios = [share / total for share in shares] if total else [1.0] + [0.0] * (len(shares) - 1)
    generator = torch.Generator().manual_seed(seed)
    states = [
        {"w": torch.randn(5, generator=generator), "count": torch.tensor(number)} for number in range(len(ratios))
    ]
    mean = weighted_mean(states, ratios)
    expected = sum(ratio * state["w"].double() for ratio, state in zip(ratios, states, strict=True))
    torch.testing.assert_close(mean["w"], expected.float())
    assert ratios[int(mean["count"])] == max(ratios)


def test_a_state_alone_comes_back_bit_for_bit() -> None:
    one = {"w": torch.tensor([0.1, -0.0, torch.inf, 1e-42])}
    other = {"w": torch.tensor([torch.nan, 2.0, -torch.inf, 1.0])}
    for ratios in ([1.0, 0.0], [0.0, 1.0]):
        mean = weighted_mean([one, other], ratios)["w"]
        own = (one if ratios[0] else other)["w"]
        assert mean.numpy().tobytes() == own.numpy().tobytes()
        assert mean.data_ptr() != own.data_ptr()


def test_what_cannot_be_averaged_is_listed() -> None:
    one = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"(?s)a: float32\[2\] in the first, float64\[2\].*b: only in the first"):
        weighted_mean([one, {"a": torch.zeros(2, dtype=torch.float64)}], [0.5, 0.5])
    for ratios in ([0.5, 0.4], [1.5, -0.5], [1.0]):
        with pytest.raises(CheckpointError, match="no shares"):
            weighted_mean([one, one], ratios)


def batches_of(sites: Sites, spec: RunSpec) -> list:
    return training_batches(sites, spec.data, seed=0, epoch=0)


def statistics(network: Network) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if "running" in name}


def test_recomputed_statistics_are_those_of_update_bn_without_dropout(
    networks: Callable[[int], Network], specs: Callable[..., RunSpec], sites: Sites, tables: SiteTables
) -> None:
    network, reference = networks(1), networks(1)
    spec = specs()
    batches = batches_of(sites, spec)
    recompute_normalisation(network, tables, batches)
    for module in reference.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    still = specs(modality_dropout=0.0).model
    reference.spec = still
    reference.gate.dropout_rate.zero_()
    update_bn([(tables.gather(torch.from_numpy(rows), share="nothing"),) for rows in batches], reference)
    torch.testing.assert_close(statistics(network), statistics(reference))


def test_recomputing_is_deterministic_draws_nothing_and_restores_the_mode(
    network: Network, sites: Sites, spec: RunSpec, tables: SiteTables
) -> None:
    network.gate.eval()
    modes = {name: module.training for name, module in network.named_modules()}
    parameters = {name: value.clone() for name, value in network.named_parameters()}
    random = torch.get_rng_state()
    recompute_normalisation(network, tables, batches_of(sites, spec))
    first = statistics(network)
    recompute_normalisation(network, tables, batches_of(sites, spec))
    assert all(torch.equal(value, first[name]) for name, value in statistics(network).items())
    assert torch.equal(torch.get_rng_state(), random)
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert all(torch.equal(value, parameters[name]) for name, value in network.named_parameters())
    assert all(value.requires_grad and value.grad is None for value in network.parameters())
    assert {module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm1d)} == {0.1}


def test_layer_norm_has_nothing_to_recompute(specs: Callable[..., RunSpec], sites: Sites, tables: SiteTables) -> None:
    spec = specs(norm="layer")
    network = Network(
        spec.model,
        features=sites.columns,
        embedding=sites.embedding,
        max_distance=20.0,
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def never() -> object:
        raise AssertionError("no batch is needed")
        yield

    recompute_normalisation(network, tables, never())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
