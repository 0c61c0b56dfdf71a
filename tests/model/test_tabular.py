"""Tabular columns: signed log, standardisation that travels with the checkpoint, periodic embeddings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import DataError
from kag.model.tabular import STATISTICS_ROWS, PeriodicEmbedding, TabularInput, signed_log, tabular_statistics
from kag.spec.model import PeriodicSpec

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(FLOATS, FLOATS)
@settings(deadline=None)
def test_signed_log_is_odd_and_keeps_the_order(a: float, b: float) -> None:
    x = torch.tensor([a, b])
    assert torch.equal(signed_log(-x), -signed_log(x))
    low, high = signed_log(x.sort().values)
    assert low <= high


def test_train_columns_become_mean_zero_and_deviation_one() -> None:
    torch.manual_seed(0)
    tabular_NF = torch.randn(500, 3) * torch.tensor([1.0, 1680.0, 1e-3]) + torch.tensor([0.0, 300.0, 5.0])
    side = TabularInput(None, 3)
    side.set_statistics(*tabular_statistics(tabular_NF.numpy()))
    standard_NF = side(tabular_NF)
    assert torch.allclose(standard_NF.mean(0), torch.zeros(3), atol=1e-3)
    assert torch.allclose(standard_NF.std(0, correction=0), torch.ones(3), atol=1e-3)


def test_a_constant_column_becomes_zero() -> None:
    tabular_NF = torch.stack([torch.full((50,), 0.1), torch.arange(50.0)], 1)
    side = TabularInput(None, 2)
    side.set_statistics(*tabular_statistics(tabular_NF.numpy()))
    assert side(tabular_NF)[:, 0].abs().max() < 1e-6


def test_statistics_travel_in_the_state_dict() -> None:
    torch.manual_seed(0)
    tabular_BF = torch.randn(6, 4)
    side, fresh = TabularInput(PeriodicSpec(), 4), TabularInput(PeriodicSpec(), 4)
    side.set_statistics(torch.randn(4), torch.rand(4) + 0.5)
    fresh.load_state_dict(side.state_dict())
    assert torch.equal(side(tabular_BF), fresh(tabular_BF))


@pytest.mark.parametrize(
    ("mean_F", "std_F", "word"),
    [
        (torch.zeros(3), torch.ones(3), "columns for a model of"),
        (torch.zeros(2), torch.tensor([1.0, 0.0]), r"\[1\]"),
        (torch.tensor([float("nan"), 0.0]), torch.ones(2), r"\[0\]"),
    ],
)
def test_unusable_statistics_are_refused(mean_F: torch.Tensor, std_F: torch.Tensor, word: str) -> None:
    side = TabularInput(None, 2)
    with pytest.raises(DataError, match=word):
        side.set_statistics(mean_F, std_F)
    assert torch.equal(side.std_F, torch.ones(2))


def test_periodic_embedding_is_the_published_formula() -> None:
    torch.manual_seed(0)
    embed = PeriodicEmbedding(PeriodicSpec(frequencies=3, sigma=0.5, width=2), 4)
    value_BF = torch.randn(5, 4)
    frequency_FM, weight_FME, bias_FE = (parameter.detach() for parameter in embed.parameters())
    for b in range(5):
        for column in range(4):
            phases = [2 * math.pi * float(c) * float(value_BF[b, column]) for c in frequency_FM[column]]
            wave = torch.tensor([math.sin(p) for p in phases] + [math.cos(p) for p in phases])
            expected = torch.relu(wave @ weight_FME[column] + bias_FE[column])
            assert torch.allclose(embed(value_BF)[b, 2 * column : 2 * column + 2], expected, atol=1e-5)


def test_periodic_frequencies_are_learned_and_start_at_sigma() -> None:
    torch.manual_seed(0)
    embed = PeriodicEmbedding(PeriodicSpec(frequencies=64, sigma=0.25, width=8), 50)
    assert embed.frequency_FM.std().item() == pytest.approx(0.25, rel=0.05)
    embed(torch.randn(8, 50)).sum().backward()
    assert embed.frequency_FM.grad is not None
    assert (embed.frequency_FM.grad.abs().sum(1) > 0).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.integers(2, 3 * STATISTICS_ROWS))
@settings(max_examples=20)
def test_statistics_in_blocks_are_those_of_all_rows_at_once(seed: int, share: float, rows: int) -> None:
    """To the last bit of what the checkpoint holds, whatever rows there are and however many blocks they make."""
    random = np.random.default_rng(seed)
    scale_F, offset_F = 10.0 ** random.uniform(-3, 3, 5), random.normal(size=5)
    tabular_NF = (random.normal(size=(rows, 5)) * scale_F + offset_F).astype(np.float32)
    tabular_NF[:, 4] = 7.3
    row_M = np.flatnonzero(random.random(rows) <= share)
    row_M = row_M if len(row_M) else np.arange(1)
    logged_MF = signed_log(torch.from_numpy(tabular_NF[row_M]).double())
    mean_F, std_F = tabular_statistics(tabular_NF, row_M)
    assert torch.equal(mean_F, logged_MF.mean(0).float())
    whole_F = logged_MF.std(0, correction=0).float()
    assert torch.equal(std_F[:4], whole_F[:4] if len(row_M) > 1 else torch.ones(4))
    assert std_F[4] == 1.0
