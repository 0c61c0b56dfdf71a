"""Means of weights, and the normalisation statistics that fit them.

A mean is added up in float64, in the order in which its parts are given, and rounded once: whoever takes the mean of
the same weights gets the same digits, hence the same digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kag.data.batches import IndexVector
from kag.data.rows import Share
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.model.precision import FULL, computing_in
from kag.spec.run import Precision
from kag.weights.checkpoint import State, state_differences
from kag.weights.evaluate import evaluating


def weighted_mean(states: Sequence[Mapping[str, Tensor]], ratios: Sequence[float]) -> State:
    """Sum of ratio x state, computed in float64; integers (counters) are those of the largest ratio.

    Equal ratios are summed and divided, as in the mean of a window. A state whose ratio is 0 takes no part, and one
    whose ratio is 1 is returned bit for bit.

    Args:
        states: equal names, shapes and types.
        ratios: one for each state, not negative, with the sum 1.

    Raises:
        CheckpointError: names, shapes or types differ (all differences are listed), or the ratios are not shares.
    """
    if len(states) != len(ratios) or min(ratios) < 0.0 or abs(sum(ratios) - 1.0) > 1e-6:
        raise CheckpointError(f"{list(ratios)} are no shares of {len(states)} states")
    for other in states[1:]:
        found = state_differences(states[0], other)
        if found:
            raise CheckpointError("these weights cannot be averaged:\n" + "\n".join(found))
    parts = [(state, ratio) for state, ratio in zip(states, ratios, strict=True) if ratio > 0.0]
    heaviest = max(parts, key=lambda part: part[1])[0]
    if len(parts) == 1:
        return {name: value.clone() for name, value in heaviest.items()}
    return {
        name: _mean([(state[name], ratio) for state, ratio in parts]) if value.is_floating_point() else value.clone()
        for name, value in heaviest.items()
    }


def _mean(parts: Sequence[tuple[Tensor, float]]) -> Tensor:
    ratios = {ratio for _, ratio in parts}
    if len(ratios) == 1:
        return plain_mean([value for value, _ in parts], len(parts)).to(parts[0][0].dtype)
    total = torch.zeros_like(parts[0][0], dtype=torch.float64)
    for value, ratio in parts:
        total.add_(value, alpha=ratio)
    return total.to(parts[0][0].dtype)


def plain_mean(values: Sequence[Tensor], count: int) -> Tensor:
    """Sum of the values, in their order, divided by how many weights are in it; float64.

    Args:
        values: of one shape; one of them may be the sum of several.
        count: of the weights.
    """
    total = values[0].to(torch.float64, copy=True)
    for value in values[1:]:
        total.add_(value)
    return total.div_(count)


def normalised_by_batch(network: nn.Module) -> bool:
    """Whether the network has statistics that averaging makes stale."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def recompute_normalisation(
    network: Network,
    tables: SiteTables,
    batches: Iterable[IndexVector],
    *,
    share: Share = "nothing",
    precision: Precision = FULL,
) -> None:
    """Replace BatchNorm's running statistics by those of these weights on training data.

    As `torch.optim.swa_utils.update_bn`: all batches count alike. But every other module stays in evaluation mode:
    with dropout active the statistics would be those of a noisier network than the one that is evaluated.
    Without BatchNorm nothing happens.

    Args:
        network: on the device of the tables; its mode is restored.
        batches: rows of the train split.
        share: what points of a batch shared in training.
        precision: number format of the computation.
    """
    momenta = {module: module.momentum for module in network.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    with evaluating(network), computing_in(precision, tables.residue_RD.device):
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None  # a cumulative mean
            module.train()
        try:
            for index_B in batches:
                network(tables.gather(torch.from_numpy(index_B), share=share))
        finally:
            for module, momentum in momenta.items():
                module.momentum = momentum
                module.eval()
