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
from kag.model.branches import DRAWN, Branches, every_branch
from kag.model.losses import Losses, Objective
from kag.model.network import Network
from kag.spec.ramp import Ramp, ramps
from kag.spec.run import RunSpec
from kag.train.rehearsed import Passed, shape_digest
from kag.train.task import Task
from kag.weights.checkpoint import load_network, save_weights, stored

ALWAYS, NEVER = Ramp(start=1.0, end=1.0), Ramp(start=0.0, end=0.0)

ROUNDING = 1e-9
"""Difference of logits in 64 bits that means nothing."""

CONTEXTS = 16
"""Of a batch, with which most checks make do: they ask what depends on what, not how large. The first
check takes all."""


def rehearse(
    task: Task,
    network: Network,
    objective: Objective,
    train: Batch,
    evaluation: Batch,
    passed: Passed | None = None,
) -> list[str]:
    """Train, validate, test, save and reload on one batch; the given modules stay as they are.

    What depends on the code and the shape of the spec alone is tried once for them; what depends on data and weights
    each time: a step of training and one of evaluation.

    Args:
        task: of the run.
        network: on the device of the batches.
        objective: on the same device.
        train: a training batch.
        evaluation: points of whole proteins.
        passed: shapes that have passed; without it everything is tried.

    Returns:
        What was checked, a sentence each.

    Raises:
        RehearsalFailed: names the first thing that is wrong.
    """
    spec, network, objective = task.spec, copy.deepcopy(network), copy.deepcopy(objective)
    few, few_evaluated = _part(train), _part(evaluation)
    # A GPU has taken steps with the whole batch (`kag.train.device_rehearsal`): here a part of it is enough.
    train = train if task.world.device == "cpu" else few
    shape = None if passed is None else shape_digest(task)
    state = torch.get_rng_state()
    try:
        if passed is not None and shape is not None and passed.knows(shape):
            return [_trains(network, objective, train), _evaluates(network, evaluation)]
        said = [
            _trains(network, objective, train),
            _every_parameter_is_reached(network, objective, few),
            _every_loss_term_pulls(spec, network, objective, few),
            _evaluates(network, evaluation),
            _inputs_matter(spec, network, few_evaluated),
            _reloads(task, network, few_evaluated),
        ]
        if passed is not None and shape is not None:
            passed.add(shape)
        return said
    finally:
        torch.set_rng_state(state)


def _part(batch: Batch) -> Batch:
    """The points of the first contexts."""
    kept_B = batch.context_B < CONTEXTS
    by_point = {name: getattr(batch, name)[kept_B] for name in ("tabular_BF", "label_B", "context_B", "index_B")}
    by_context = {name: getattr(batch, name)[:CONTEXTS] for name in ("distance_CK", "valid_CK")}
    counted_C = None if batch.counted_C is None else batch.counted_C[:CONTEXTS]
    part = batch._replace(**by_point, **by_context, counted_C=counted_C)
    if batch.token_CT is not None:
        return part._replace(token_CT=batch.token_CT[:CONTEXTS])
    return part.with_residues(batch.centre_CD[:CONTEXTS], batch.neighbour_CKD[:CONTEXTS])


def _losses(objective: Objective, scores: Scores, batch: Batch) -> Losses:
    losses: Losses = objective(scores, batch)
    for name, loss in losses._asdict().items():
        if loss is not None and not bool(torch.isfinite(loss)):
            raise RehearsalFailed(
                f"the {name} loss of the first batch is {float(loss.detach())}",
                remedy="look at the data with `kag data check`, and at loss.pos_weight",
            )
    return losses


def _backward(network: Network, objective: Objective, batch: Batch, branches: Branches) -> Losses:
    network.train().zero_grad(set_to_none=True)
    losses = _losses(objective, network(batch, branches), batch)
    losses.total.backward()  # type: ignore[no-untyped-call]
    return losses


def _trains(network: Network, objective: Objective, batch: Batch) -> str:
    """Forward and backward of the whole batch, stochastic branches drawn as in training."""
    total = float(_backward(network, objective, batch, DRAWN).total.detach())
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            raise RehearsalFailed(
                f"the loss of the first batch is finite, {total:.4g}, but the gradient of {name} is not",
                remedy="this is a fault of the model code",
            )
    return f"a batch of {len(batch.label_B)} points has the loss {total:.4g} and a finite gradient"


def _every_parameter_is_reached(network: Network, objective: Objective, batch: Batch) -> str:
    """Forward and backward in each stochastic branch: plain `ddp` needs a gradient for every parameter."""
    for branches in every_branch():
        _backward(network, objective, batch, branches)
        unused = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        if unused:
            raise RehearsalFailed(
                f"{len(unused)} parameters get no gradient with {branches}: {', '.join(unused[:5])}",
                remedy="plain ddp would stop here; this is a fault of the model code",
            )
    network.zero_grad(set_to_none=True)
    return "every parameter gets a gradient in every stochastic branch"


def _every_loss_term_pulls(spec: RunSpec, network: Network, objective: Objective, batch: Batch) -> str:
    """Each term that ever has a weight is part of the loss where its weight is greatest, and moves some parameter.

    The penalty is followed in two steps, to the live alpha and from there to the parameters: where alpha begins at its
    target the penalty is at its minimum and its gradient rightly zero.
    """
    weights = ramps(spec)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    scores, checked = network.train()(batch, Branches("none", False)), []
    for name in ("main", "model.gate.penalty", "model.auxiliary"):
        weight = weights.get(f"{name}.weight", ALWAYS if name == "main" else NEVER)
        if weight.bounds()[1] == 0.0:
            continue
        objective.set_epoch(max((0, weight.epochs), key=weight.at))
        losses = _losses(objective, scores, batch)
        field = name.rsplit(".", 1)[-1]
        term: Tensor | None = getattr(losses, field)
        if term is None or not term.requires_grad:
            raise _without_gradient(name)
        _require_path(losses.total, [term], name)
        if field == "penalty":
            at_target = float(term.detach()) == 0.0
            gradients = _require_path(term, [scores.live_alpha_B], name)
            if not (at_target or bool(gradients[0].any())):
                raise _without_gradient(name)
            term = scores.live_alpha_B.sum()
        if not any(bool(gradient.any()) for gradient in _require_path(term, parameters, name)):
            raise _without_gradient(name)
        checked.append(name)
    objective.set_epoch(0)
    return f"each loss term has a gradient: {', '.join(checked)}"


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
    """Distances and neighbours change the logits wherever the spec says that they should.

    In 64 bits: what softmax cancels leaves a rounding error, which in 32 bits could pass for an effect.
    """
    network, batch = copy.deepcopy(network).double(), _widened(batch)
    scale = spec.model.gate.context_scale
    network.set_epoch(max((0, scale.epochs), key=scale.at))
    reference_B = _score(network, batch).logit_B
    wanted = network.gate is not None and float(network.context_scale) > 0
    used, checked = wanted and bool(batch.valid_CK.any()), []
    if used:
        _differs(reference_B, network, batch.with_residues(batch.centre_CD, -batch.neighbour_CKD), "neighbours")
        checked.append("neighbours")
    if used and spec.model.attention.distance_bias != "none":
        nearer_CK = torch.where(batch.valid_CK, batch.distance_CK * _stretch(batch.distance_CK), batch.distance_CK)
        _differs(reference_B, network, batch._replace(distance_CK=nearer_CK), "distances")
        checked.append("distances")
    _differs(reference_B, network, batch._replace(tabular_BF=-batch.tabular_BF - 1.0), "tabular columns")
    untried = "; no point of the batch has a valid neighbour, so neighbours were not tried" if wanted > used else ""
    return f"the logits depend on {', '.join([*checked, 'tabular columns'])}{untried}"


def _widened(batch: Batch) -> Batch:
    tensors = {
        name: tensor.double() if tensor is not None and tensor.is_floating_point() else tensor
        for name, tensor in batch._asdict().items()
    }
    return Batch(**tensors)


def _stretch(distance_CK: Tensor) -> Tensor:
    """Factors that differ from neighbour to neighbour, so that no common shift can hide their effect."""
    return torch.linspace(0.1, 0.9, distance_CK.shape[1], device=distance_CK.device)


def _differs(reference_B: Tensor, network: Network, changed: Batch, what: str) -> None:
    difference = float((_score(network, changed).logit_B - reference_B).abs().max())
    if difference <= ROUNDING:
        raise RehearsalFailed(
            f"other {what} leave every logit as it is (largest difference {difference:.1e})",
            remedy="the model would be trained blind to them; look at model.attention and model.gate",
        )


def _reloads(task: Task, network: Network, batch: Batch) -> str:
    """Save and load into a fresh network at an epoch in the middle of the schedules: the same logits, bit for bit."""
    network.set_epoch(task.spec.epochs / 2)
    before_B = _score(network, batch).logit_B
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rehearsal.ckpt"
        save_weights(path, stored(task.spec, network.state_dict(), task.facts, epoch=0))
        loaded, _ = load_network(path, before_B.device)
    if not torch.equal(before_B, _score(loaded, batch).logit_B):
        raise RehearsalFailed("a saved and reloaded network gives other logits: some state is not in the checkpoint")
    return "a saved and reloaded network gives the same logits"


@torch.no_grad()
def _score(network: Network, batch: Batch) -> Scores:
    network.eval()
    scores: Scores = network(batch, telemetry=True)
    return scores
