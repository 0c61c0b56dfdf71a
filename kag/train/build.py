"""From a task to a network, an objective and an optimizer, ready for epoch 0."""

from __future__ import annotations

import math

import torch
from torch.optim import AdamW

from kag.data.tables import train_embedding_statistics, train_statistics
from kag.model.losses import Objective
from kag.model.network import Network
from kag.spec.ramp import Ramp
from kag.spec.run import RunSpec
from kag.train.task import Task


def build_network(task: Task) -> Network:
    """A fresh network: weights from the spec's seed, train statistics, classifier bias from prevalence.

    The bias takes pos_weight into account: with both, the loss would begin at 3.64 instead of 1.36. It is set here and
    nowhere else, so a resume or a start from another run's weights never overwrites a trained bias.
    """
    spec, facts = task.spec, task.facts
    torch.manual_seed(spec.seed)
    network = Network(spec.model, features=facts.features, embedding=facts.embedding, max_distance=facts.max_distance)
    network.set_statistics(*train_statistics(task.sites))
    if spec.model.embedding_norm == "train":
        network.set_embedding_statistics(*train_embedding_statistics(task.sites))
    network.prior_bias(math.log(_pos_weight_at_start(task) * task.prevalence / (1.0 - task.prevalence)))
    network.set_epoch(0)
    return network


def build_objective(task: Task) -> Objective:
    """The loss of the spec, with `pos_weight: auto` filled in from the train split."""
    return Objective(task.spec.loss, task.spec.model, task.auto_pos_weight)


def build_optimizer(spec: RunSpec, network: Network, objective: Objective) -> AdamW:
    """AdamW, in one kernel a step (7 times faster than a loop over 79 M parameters)."""
    parameters = [parameter for part in (network, objective) for parameter in part.parameters()]
    optimizer, fused = spec.optimizer, spec.trainer.precision != "16-mixed"
    if optimizer.decay == "everything":
        return AdamW(parameters, lr=optimizer.lr, weight_decay=optimizer.weight_decay, fused=fused)
    matrices = {id(matrix) for matrix in network.matrices()}
    groups = [
        {"params": [each for each in parameters if id(each) in matrices], "weight_decay": optimizer.weight_decay},
        {"params": [each for each in parameters if id(each) not in matrices], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=optimizer.lr, fused=fused)


def _pos_weight_at_start(task: Task) -> float:
    """The weight of positives in epoch 0; never 0, so that it has a logarithm."""
    weight = task.spec.loss.pos_weight
    return max(weight.at(0), 1e-3) if isinstance(weight, Ramp) else task.auto_pos_weight
