"""One batch through everything, before time is spent: a fault that would show after an hour shows after a second.

What it looks for was seen in October: a penalty without gradient, a distance bias that softmax cancels, parameters that
plain `ddp` finds unused, schedule state that a reload loses.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Parameter

from kag.errors import RehearsalFailed
from kag.model.batch import Batch, Scores
from kag.model.branches import Branches, every_branch
from kag.model.losses import Losses, Objective
from kag.model.network import Network
from kag.spec.preflight import ramps
from kag.spec.run import RunSpec
from kag.weights.checkpoint import DataFacts, load_network, save_weights, stored


def rehearse(
    spec: RunSpec, network: Network, objective: Objective, facts: DataFacts, train: Batch, evaluation: Batch
) -> list[str]:
    """Train, validate, test, save and reload on one batch; the given modules stay as they are.

    Args:
        spec: the run.
        network: on the device of the batches.
        objective: on the same device.
        facts: of the data.
        train: a training batch.
        evaluation: points of whole proteins.

    Returns:
        What was checked, a sentence each.

    Raises:
        RehearsalFailed: names the first thing that is wrong.
    """
    network, objective = copy.deepcopy(network), copy.deepcopy(objective)
    state = torch.get_rng_state()
    try:
        return [
            _every_parameter_is_reached(network, objective, train),
            _every_loss_term_pulls(spec, network, objective, train),
            _evaluates(network, evaluation),
            _inputs_matter(spec, network, evaluation),
            _reloads(spec, network, facts, evaluation),
        ]
    finally:
        torch.set_rng_state(state)


def _losses(network: Network, objective: Objective, batch: Batch, branches: Branches) -> tuple[Scores, Losses]:
    network.train()
    scores: Scores = network(batch, branches)
    losses: Losses = objective(scores, batch)
    if not bool(torch.isfinite(losses.total)):
        raise RehearsalFailed(
            f"the loss of the first batch is {float(losses.total.detach())}",
            remedy="look at the data with `kag data check`, and at loss.pos_weight",
        )
    return scores, losses


def _every_parameter_is_reached(network: Network, objective: Objective, batch: Batch) -> str:
    """Forward and backward in each stochastic branch: plain `ddp` needs a gradient for every parameter."""
    for branches in every_branch():
        network.zero_grad(set_to_none=True)
        _losses(network, objective, batch, branches)[1].total.backward()  # type: ignore[no-untyped-call]
        unused = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        if unused:
            raise RehearsalFailed(
                f"{len(unused)} parameters get no gradient with {branches}: {', '.join(unused[:5])}",
                remedy="plain ddp would stop here; this is a fault of the model code",
            )
    network.zero_grad(set_to_none=True)
    return "every parameter gets a gradient in every stochastic branch"


def _every_loss_term_pulls(spec: RunSpec, network: Network, objective: Objective, batch: Batch) -> str:
    """Each term that ever has a weight moves some parameter.

    The penalty is followed in two steps, to the live alpha and from there to the parameters: where alpha begins at its
    target the penalty is at its minimum and its gradient rightly zero.
    """
    scores, losses = _losses(network, objective, batch, Branches("none", False))
    terms: dict[str, Tensor] = {"main": losses.main}
    weights = ramps(spec)
    if weights["model.gate.penalty.weight"].bounds()[1] > 0:
        _require_path(losses.penalty, [scores.live_alpha_B], "model.gate.penalty")
        terms["model.gate.penalty"] = scores.live_alpha_B.sum()
    if losses.auxiliary is not None and weights["model.auxiliary.weight"].bounds()[1] > 0:
        terms["model.auxiliary"] = losses.auxiliary
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for name, term in terms.items():
        if not any(bool(gradient.any()) for gradient in _require_path(term, parameters, name)):
            raise _without_gradient(name)
    return f"each loss term has a gradient: {', '.join(terms)}"


def _require_path(term: Tensor, inputs: list[Tensor] | list[Parameter], name: str) -> list[Tensor]:
    """Gradients of a term with respect to the inputs that it depends on, at least one."""
    if not term.requires_grad:
        raise _without_gradient(name)
    gradients = torch.autograd.grad(term, inputs, retain_graph=True, allow_unused=True)
    found = [gradient for gradient in gradients if gradient is not None]
    if not found:
        raise _without_gradient(name)
    return found


def _without_gradient(name: str) -> RehearsalFailed:
    return RehearsalFailed(
        f"the loss term {name} has a weight but no gradient: it would change no parameter",
        remedy="set its weight to 0, or change what keeps it constant",
    )


def _evaluates(network: Network, batch: Batch) -> str:
    scores = _score(network, batch)
    for name, tensor in scores._asdict().items():
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise RehearsalFailed(f"evaluation gives {name} that is not finite")
    return f"evaluation of {len(scores.logit_B)} points is finite"


def _inputs_matter(spec: RunSpec, network: Network, batch: Batch) -> str:
    """Distances and neighbours change the logits wherever the spec says that they should."""
    network = copy.deepcopy(network)
    network.set_epoch(float(spec.epochs))
    attention, gate = spec.model.attention, spec.model.gate
    reference_B = _score(network, batch).logit_B
    used = float(network.context_scale) > 0 and bool(batch.valid_CK.any())
    checked = []
    if used:
        _differs(reference_B, network, batch._replace(neighbour_CKD=-batch.neighbour_CKD), "neighbours")
        checked.append("neighbours")
    if used and attention.distance_bias != "none" and gate.context_scale.end > 0:
        nearer_CK = torch.where(batch.valid_CK, batch.distance_CK * _stretch(batch.distance_CK), batch.distance_CK)
        _differs(reference_B, network, batch._replace(distance_CK=nearer_CK), "distances")
        checked.append("distances")
    _differs(reference_B, network, batch._replace(tabular_BF=-batch.tabular_BF - 1.0), "tabular columns")
    return f"the logits depend on {', '.join([*checked, 'tabular columns'])}"


def _stretch(distance_CK: Tensor) -> Tensor:
    """Factors that differ from neighbour to neighbour, so that no common shift can hide their effect."""
    return torch.linspace(0.1, 0.9, distance_CK.shape[1], device=distance_CK.device)


def _differs(reference_B: Tensor, network: Network, changed: Batch, what: str) -> None:
    difference = float((_score(network, changed).logit_B - reference_B).abs().max())
    if difference <= 1e-7:
        raise RehearsalFailed(
            f"other {what} leave every logit as it is (largest difference {difference:.1e})",
            remedy="the model would be trained blind to them; look at model.attention and model.gate",
        )


def _reloads(spec: RunSpec, network: Network, facts: DataFacts, batch: Batch) -> str:
    """Save and load into a fresh network at an epoch in the middle of the schedules: the same logits, bit for bit."""
    network.set_epoch(spec.epochs / 2)
    before_B = _score(network, batch).logit_B
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rehearsal.ckpt"
        save_weights(path, stored(spec, network.state_dict(), facts, epoch=0))
        loaded, _ = load_network(path, before_B.device)
    if not torch.equal(before_B, _score(loaded, batch).logit_B):
        raise RehearsalFailed("a saved and reloaded network gives other logits: some state is not in the checkpoint")
    return "a saved and reloaded network gives the same logits"


@torch.no_grad()
def _score(network: Network, batch: Batch) -> Scores:
    network.eval()
    scores: Scores = network(batch)
    return scores
