"""From a spec and its data to a network and an objective, ready for epoch 0."""

from __future__ import annotations

import math

import torch

from kag.data.sites import DataFacts, Sites
from kag.data.tables import train_statistics
from kag.model.losses import Objective
from kag.model.network import Network
from kag.spec.ramp import Ramp
from kag.spec.run import RunSpec


def data_facts(spec: RunSpec, sites: Sites) -> DataFacts:
    """What the network must know of the data."""
    return DataFacts.of(sites, spec.data.max_distance)


def build_network(spec: RunSpec, sites: Sites) -> Network:
    """A fresh network: weights from the spec's seed, train statistics, classifier bias from prevalence.

    The bias takes pos_weight into account: with both, the loss would begin at 3.64 instead of 1.36. It is set here and
    nowhere else, so a resume or a start from another run's weights never overwrites a trained bias.
    """
    torch.manual_seed(spec.seed)
    facts = data_facts(spec, sites)
    network = Network(
        spec.model,
        features=facts.features,
        embedding=facts.embedding,
        neighbours=facts.neighbours,
        max_distance=facts.max_distance,
    )
    network.set_statistics(*train_statistics(sites))
    prevalence, weight = sites.prevalence("train"), pos_weight_at_start(spec, sites)
    network.prior_bias(math.log(weight * prevalence / (1.0 - prevalence)))
    network.set_epoch(0)
    return network


def build_objective(spec: RunSpec, sites: Sites) -> Objective:
    """The loss of the spec, with `pos_weight: auto` filled in from the train split."""
    return Objective(spec.loss, spec.model, auto_pos_weight(sites))


def auto_pos_weight(sites: Sites) -> float:
    """Negatives / positives of the train split."""
    prevalence = sites.prevalence("train")
    return (1.0 - prevalence) / prevalence


def pos_weight_at_start(spec: RunSpec, sites: Sites) -> float:
    """The weight of positives in epoch 0; never 0, so that it has a logarithm."""
    weight = spec.loss.pos_weight
    return max(weight.at(0), 1e-3) if isinstance(weight, Ramp) else auto_pos_weight(sites)
