"""Weights at the ends of a run's epochs: snapshots, the sums of older runs, and means over windows of either."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from kag.data.facts import DataFacts
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.track.folder import RunFolder
from kag.weights.average import weighted_mean
from kag.weights.checkpoint import parameter_names, read_checkpoint, save_weights, stored
from kag.weights.digest import weights_digest
from kag.weights.epochs import EpochWeights, drop_epochs
from kag.weights.given import named_checkpoint
from tests.weights.former_sums import add_to_sums
from tests.weights.test_storage import flip

EPOCHS = 7
SINCE = 3
"""First epoch that an older run, which held sums, was trained by a kag that keeps snapshots."""

State = dict[str, Tensor]
Train = Callable[..., list[State]]


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


@pytest.fixture
def train(spec: RunSpec, facts: DataFacts) -> Train:
    """Epochs of a network, kept in a run's folder: as sums before `since`, as snapshots from there on."""

    def run(network: Network, folder: RunFolder, epochs: range, since: int = 0) -> list[State]:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        states = []
        for epoch in epochs:
            wander(network, epoch)
            if epoch < since:
                add_to_sums(folder.sums, network, epoch=epoch)
            else:
                save_weights(folder.snapshot(epoch), stored(spec, network.state_dict(), facts, epoch=epoch))
            states.append({name: value.clone() for name, value in network.state_dict().items()})
        return states

    return run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def same(one: State, other: State) -> bool:
    return weights_digest(one) == weights_digest(other)


@pytest.mark.parametrize("since", [0, SINCE, EPOCHS], ids=["snapshots", "sums, then snapshots", "sums"])
def test_every_window_is_the_direct_mean(folder: RunFolder, network: Network, train: Train, since: int) -> None:
    states = train(network, folder, range(EPOCHS), since)
    windows = [(start, length) for start in range(EPOCHS) for length in range(1, EPOCHS - start + 1)]
    assert len(windows) == 28
    epochs, parameters = EpochWeights(folder), dict(network.named_parameters())
    for start, length in windows:
        found = epochs.mean(start, length)
        inside = states[start : start + length]
        expected = dict(inside[-1])
        for name in parameters:
            total = inside[0][name].double()
            for state in inside[1:]:
                total = total + state[name].double()
            expected[name] = (total / length).float()
        assert found.keys() == expected.keys()
        if start >= since:
            assert same(found, expected), "rounded once, and in the order of the epochs"
        for name, value in found.items():
            torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6, msg=name)
            assert name in parameters or torch.equal(value, expected[name]), "of the last epoch"


def test_a_window_of_one_epoch_is_that_epoch_bit_for_bit(folder: RunFolder, network: Network, train: Train) -> None:
    states = train(network, folder, range(2))
    assert [same(EpochWeights(folder).mean(epoch, 1), state) for epoch, state in enumerate(states)] == [True] * 2


def test_a_minus_zero_stays_one(folder: RunFolder, network: Network, spec: RunSpec, facts: DataFacts) -> None:
    folder.checkpoints.mkdir()
    with torch.no_grad():
        network.classifier.logit.bias.fill_(-0.0)
    weights = stored(spec, network.state_dict(), facts, epoch=0)
    save_weights(folder.snapshot(0), weights)
    assert weights_digest(EpochWeights(folder).mean(0, 1)) == weights.weights_digest


def test_the_window_is_that_of_torch_and_that_of_a_blend(folder: RunFolder, network: Network, train: Train) -> None:
    average = AveragedModel(network)
    states = []
    for epoch in range(EPOCHS):
        states += train(network, folder, range(epoch, epoch + 1))
        if 2 <= epoch < 5:
            average.update_parameters(network)
    window = EpochWeights(folder).mean(2, 3)
    torch.testing.assert_close(window, dict(average.module.state_dict()), rtol=1e-5, atol=1e-5)
    blend = weighted_mean(states[2:5], [1 / 3] * 3)
    trained = dict(network.named_parameters())
    assert same({name: window[name] for name in trained}, {name: blend[name] for name in trained})


def test_a_small_weight_after_a_large_one_keeps_its_digits(
    folder: RunFolder, network: Network, spec: RunSpec, facts: DataFacts
) -> None:
    folder.checkpoints.mkdir()
    for epoch, number in enumerate([1e6, 1e-3, 3e-3]):
        with torch.no_grad():
            network.classifier.logit.bias.fill_(number)
        add_to_sums(folder.sums, network, epoch=epoch)
        save_weights(folder.snapshot(epoch), stored(spec, network.state_dict(), facts, epoch=epoch))
    name = "classifier.logit.bias"
    assert EpochWeights(folder).mean(1, 2)[name].item() == pytest.approx(2e-3, rel=1e-6), "in float32 it were lost"
    drop_sums(folder)
    assert EpochWeights(folder).mean(0, 3)[name].item() == pytest.approx((1e6 + 4e-3) / 3, rel=1e-7)


def drop_sums(folder: RunFolder) -> None:
    for path in folder.sums.iterdir():
        path.unlink()


def test_epochs_take_the_bytes_of_their_weights_and_no_more(folder: RunFolder, network: Network, train: Train) -> None:
    (state, *_) = train(network, folder, range(EPOCHS))
    one = sum(value.numel() * value.element_size() for value in state.values())
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}, "int64 counts batches"
    tensors, whole = 0, 0
    for path in folder.snapshots().values():
        with zipfile.ZipFile(path) as archive:
            tensors += sum(entry.file_size for entry in archive.infolist() if "/data/" in entry.filename)
        whole += path.stat().st_size
    assert tensors == EPOCHS * one
    assert [path for path in folder.path.rglob("*") if path.is_file()] == list(folder.checkpoints.iterdir())
    described = 8000 + 500 * len(state)
    assert whole < tensors + EPOCHS * described, "the spec, and names and places of tensors, whatever their size"


def test_a_snapshot_is_a_checkpoint_like_any_other(folder: RunFolder, network: Network, train: Train) -> None:
    states = train(network, folder, range(11))
    assert list(folder.snapshots()) == list(range(11)), "by number: 10 comes after 9"
    for word in ("epoch_9", "epoch_9.ckpt"):
        assert named_checkpoint(folder, word) == folder.snapshot(9)
    weights = read_checkpoint(folder.snapshot(9))
    assert (weights.epoch, same(weights.network, states[9])) == (9, True)
    assert parameter_names(weights) == {name for name, _ in network.named_parameters()}
    save_weights(folder.best, weights)
    with pytest.raises(CheckpointError, match="no checkpoint 'epoch_11'") as caught:
        named_checkpoint(folder, "epoch_11")
    assert caught.value.nearest == "best, epoch_0 to epoch_10"
    assert caught.value.remedy is None
    for first, nearest in ((1, "best, epoch_0"), (0, "best")):
        drop_epochs(folder, first)
        with pytest.raises(CheckpointError) as caught:
            named_checkpoint(folder, "epoch_1")
        assert caught.value.nearest == nearest
    assert "swa.keep_sums=true" in str(caught.value.remedy)


@pytest.mark.parametrize("since", [3, 6], ids=["snapshots", "sums"])
def test_epochs_may_begin_late_and_those_before_are_refused(
    folder: RunFolder, network: Network, train: Train, since: int
) -> None:
    states = train(network, folder, range(3, 6), since)
    epochs, name = EpochWeights(folder), "classifier.logit.weight"
    assert (epochs.first, epochs.last) == (3, 5)
    torch.testing.assert_close(epochs.mean(3, 3)[name], torch.stack([state[name] for state in states]).mean(0))
    for start, length in ((2, 3), (5, 2), (5, 0)):
        with pytest.raises(CheckpointError, match=f"window {start}:{length} is not covered") as caught:
            epochs.mean(start, length)
        assert "epochs 3 to 5 are stored" in str(caught.value)


def test_what_is_trained_again_counts_once(tmp_path: Path, networks: Callable[[int], Network], train: Train) -> None:
    once, again = RunFolder(tmp_path / "once"), RunFolder(tmp_path / "again")
    states = train(networks(0), once, range(5))
    network = networks(0)
    train(network, again, range(4), since=2)
    drop_epochs(again, 1)
    assert [path.name for path in again.sums.iterdir()] == ["epoch_0000.pt"]
    assert not again.snapshots()
    network.load_state_dict(states[0])
    train(network, again, range(1, 5))
    for start in range(1, 4):
        assert same(EpochWeights(again).mean(start, 2), EpochWeights(once).mean(start, 2))
    torch.testing.assert_close(EpochWeights(again).mean(0, 5), EpochWeights(once).mean(0, 5))


def test_what_is_missing_or_damaged_is_named(folder: RunFolder, network: Network, train: Train) -> None:
    with pytest.raises(CheckpointError, match="no weights of single epochs") as caught:
        EpochWeights(folder)
    assert "swa.keep_sums=true" in str(caught.value)
    train(network, folder, range(6))
    flip(folder.snapshot(4))
    with pytest.raises(CheckpointError, match=r"epoch_4\.ckpt: its weights have the digest"):
        EpochWeights(folder).mean(3, 2)
    assert EpochWeights(folder).mean(1, 3), "other windows are as they were"
    folder.snapshot(5).write_bytes(folder.snapshot(0).read_bytes())
    with pytest.raises(CheckpointError, match=r"epoch_5\.ckpt: holds epoch 0, not 5"):
        EpochWeights(folder).mean(5, 1)
    folder.snapshot(1).unlink()
    folder.snapshot(2).unlink()
    with pytest.raises(CheckpointError, match="of epochs 0 to 5, these are missing: 1, 2"):
        EpochWeights(folder)


def test_snapshots_of_different_networks_have_no_mean(
    folder: RunFolder, network: Network, train: Train, specs: Callable[..., RunSpec], facts: DataFacts
) -> None:
    train(network, folder, range(2))
    other = specs(hidden=[8, 4])
    wider = Network(other.model, features=facts.features, embedding=facts.embedding, max_distance=facts.max_distance)
    save_weights(folder.snapshot(2), stored(other, wider.state_dict(), facts, epoch=2))
    with pytest.raises(CheckpointError, match=r"(?s)cannot be averaged.*float32\[4\] in the second"):
        EpochWeights(folder).mean(0, 3)


def test_sums_that_are_missing_or_damaged_are_named(folder: RunFolder, network: Network, train: Train) -> None:
    train(network, folder, range(3), since=3)
    one, last = folder.sums / "epoch_0001.pt", folder.sums / "epoch_0002.pt"
    whole, second = last.read_bytes(), one.read_bytes()
    for content, message in (
        (whole[:-100], r"epoch_0002\.pt: not a torch file"),
        (second, "does not hold the sums up to epoch 2"),
    ):
        last.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            EpochWeights(folder)
    add_to_sums(folder.sums, network, epoch=2, version=2)
    with pytest.raises(CheckpointError, match="not a file of running sums"):
        EpochWeights(folder)
    last.write_bytes(whole)
    one.unlink()
    with pytest.raises(CheckpointError, match="the sums up to epoch 1 are missing"):
        EpochWeights(folder)
    add_to_sums(folder.sums, network, epoch=1)
    (folder.sums / "epoch_0000.pt").unlink()
    one.unlink()
    add_to_sums(folder.sums, network, epoch=1)
    with pytest.raises(CheckpointError, match="do not begin with the same epoch"):
        EpochWeights(folder)
