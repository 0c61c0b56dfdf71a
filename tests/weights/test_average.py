from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn

from kag.data.batches import training_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights.average import recompute_normalisation, weighted_mean


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
