"""The rehearsal passes whatever the spec offers, and finds each fault that cost a month in October."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kag.data.sites import Sites
from kag.errors import RehearsalFailed
from kag.model.attention import NeighbourAttention, SelfAttention
from kag.model.batch import Batch
from kag.model.branches import SideMasks
from kag.model.losses import Objective
from kag.model.network import Network
from kag.spec import RunSpec
from kag.track.generated import is_generated
from kag.track.record import Status
from kag.train.build import build_network, build_objective
from kag.train.rehearsal import rehearse
from kag.train.rehearsed import FILE, Passed, shape_digest
from kag.train.task import Task
from kag.view.words import find_run
from tests.train.conftest import MakeSpec, Train

Rehearse = Callable[..., list[str]]
Spoil = Callable[[Batch], Batch]


@pytest.fixture
def rehearsed(make_spec: MakeSpec, sites: Sites) -> Rehearse:
    """Rehearse a tiny spec; `spoil_train` and `spoil_evaluation` change the batches."""

    def run(
        overrides: dict[str, Any] | None = None,
        *,
        spoil_train: Spoil = lambda batch: batch,
        spoil_evaluation: Spoil = lambda batch: batch,
    ) -> list[str]:
        spec = make_spec(**(overrides or {}))
        task = Task.of(spec, sites)
        train, evaluation = task.first_batches()
        network, objective = build_network(task), build_objective(task)
        return rehearse(task, network, objective, spoil_train(train), spoil_evaluation(evaluation))

    return run


SOUND: dict[str, dict[str, Any]] = {
    "October 17": {},
    "gate scalar": {"model.gate.kind": "scalar"},
    "gate fixed": {"model.gate.kind": "fixed", "model.gate.penalty.weight": 0.0},
    "gate begins at its target": {"model.gate.initial": 0.6, "model.gate.penalty.target": 0.6},
    "scalar gate at its target": {"model.gate.kind": "scalar", "model.gate.initial": 0.6},
    "gate clamped on one side": {"model.gate.clamp": [0.6, 0.9]},
    "penalty over the batch": {"model.gate.penalty.over": "batch", "model.gate.initial": 0.6},
    "penalty that comes later": {"model.gate.penalty.weight": {"start": 0.0, "end": 0.2, "epochs": 2}},
    "no penalty": {"model.gate.penalty.weight": 0.0},
    "layer norm": {"model.norm": "layer"},
    "max": {"model.attention.pooling": "max"},
    "centre": {"model.attention.pooling": "centre"},
    "exponential bias": {"model.attention.distance_bias": "exponential"},
    "no bias": {"model.attention.distance_bias": "none"},
    "two layers": {"model.attention.layers": 2},
    "focal": {"loss.kind": "focal"},
    "asymmetric": {"loss.kind": "asymmetric"},
    "warm-up": {"loss.warmup": {"kind": "asymmetric", "epochs": 2}},
    "no auxiliary head": {"model.auxiliary": None},
    "auxiliary head that comes later": {"model.auxiliary.weight": {"start": 0.0, "end": 0.1, "epochs": 3}},
    "no periodic embeddings": {"model.periodic": None},
    "no context": {"model.gate.context_scale": 0.0},
    "context that fades": {"model.gate.context_scale": {"start": 1.0, "end": 0.0, "epochs": 3}},
    "no dropout at all": {"model.dropout": 0.0, "model.modality_dropout": 0.0, "model.gate.dropout.rate": 0.0},
    "by protein": {"data.grouping": "protein"},
    "by residue": {"data.grouping": "residue", "data.points_per_residue": 1},
    "tiny batches": {"data.batch_size": 2},
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_spec_passes(rehearsed: Rehearse, name: str) -> None:
    found = "\n".join(rehearsed(SOUND[name]))
    gated = SOUND[name].get("model.gate.penalty.weight") != 0.0
    assert ("model.gate.penalty" in found) is gated
    assert ("model.auxiliary" in found) is (name != "no auxiliary head")
    assert ("distances" in found) is (name not in ("no bias", "no context"))
    assert ("neighbours" in found) is (name != "no context")


def test_it_leaves_everything_as_it_was(make_spec: MakeSpec, sites: Sites) -> None:
    spec = make_spec()
    task = Task.of(spec, sites)
    network, objective = build_network(task), build_objective(task)
    before = {key: value.clone() for part in (network, objective) for key, value in part.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    rehearse(task, network, objective, *task.first_batches())
    assert torch.equal(torch.get_rng_state(), state)
    after = {key: value for part in (network, objective) for key, value in part.state_dict().items()}
    assert after.keys() == before.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
    assert objective.training


def test_a_detached_penalty_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    """F1: the penalty acted on a detached alpha."""
    from kag.model import losses

    live = losses.gate_penalty
    monkeypatch.setattr(losses, "gate_penalty", lambda alpha_B, spec: live(alpha_B.detach(), spec))
    with pytest.raises(RehearsalFailed, match=r"model\.gate\.penalty has a weight but no gradient"):
        rehearsed()


def test_a_penalty_that_is_not_added_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Objective.forward

    def without(self: Objective, scores: Any, batch: Batch) -> Any:
        losses = forward(self, scores, batch)
        return losses._replace(total=losses.total - self.penalty_weight * losses.penalty.detach() - losses.penalty * 0)

    def forgotten(self: Objective, scores: Any, batch: Batch) -> Any:
        losses = forward(self, scores, batch)
        return losses._replace(total=losses.main + self.auxiliary_weight * losses.auxiliary)

    monkeypatch.setattr(Objective, "forward", without)
    rehearsed()
    monkeypatch.setattr(Objective, "forward", forgotten)
    with pytest.raises(RehearsalFailed, match=r"model\.gate\.penalty"):
        rehearsed()


def test_a_penalty_of_what_dropout_left_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    """F2: the penalty acted on alpha after dropout had replaced it by a constant."""
    forward = Objective.forward

    def after_dropout(self: Objective, scores: Any, batch: Batch) -> Any:
        return forward(self, scores._replace(live_alpha_B=scores.alpha_B.detach()), batch)

    monkeypatch.setattr(Objective, "forward", after_dropout)
    with pytest.raises(RehearsalFailed, match=r"model\.gate\.penalty"):
        rehearsed()


def test_a_detached_auxiliary_head_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    auxiliary = Objective._auxiliary

    def detached(self: Objective, logit_B: Tensor | None, batch: Batch) -> Tensor | None:
        return auxiliary(self, None if logit_B is None else logit_B.detach(), batch)

    monkeypatch.setattr(Objective, "_auxiliary", detached)
    with pytest.raises(RehearsalFailed, match="auxiliary"):
        rehearsed()


@pytest.mark.parametrize("bias", ["learned", "exponential"])
def test_a_bias_that_softmax_cancels_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch, bias: str) -> None:
    """F3: the bias was the same for all keys of a query, so distance changed nothing."""

    def on_the_query_axis(self: SelfAttention, score: Tensor, distance_CT: Tensor, valid_CT: Tensor) -> Tensor:
        assert self.bias is not None
        score = score + self.bias(distance_CT)[:, :, :, None]
        return torch.softmax(score.masked_fill(~valid_CT[:, None, None, :], -torch.inf), -1)

    monkeypatch.setattr(SelfAttention, "_weights", on_the_query_axis)
    with pytest.raises(RehearsalFailed, match="other distances leave every logit as it is"):
        rehearsed({"model.attention.distance_bias": bias})


def test_ignored_neighbours_are_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = NeighbourAttention.forward

    def blind(self: Any, batch: Batch, **options: Any) -> Any:
        return attend(self, batch.with_residues(batch.centre_CD, torch.zeros_like(batch.neighbour_CKD)), **options)

    monkeypatch.setattr(NeighbourAttention, "forward", blind)
    with pytest.raises(RehearsalFailed, match="other neighbours leave every logit as it is"):
        rehearsed()


def test_ignored_columns_are_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.model.tabular import TabularInput

    read = TabularInput.forward
    monkeypatch.setattr(TabularInput, "forward", lambda self, tabular_BF: read(self, torch.ones_like(tabular_BF)))
    with pytest.raises(RehearsalFailed, match="other tabular columns leave every logit as it is"):
        rehearsed()


def test_a_branch_that_cuts_the_graph_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    """F13: zeros in place of the masked side left parameters without gradient, which plain ddp does not survive."""
    classify = Network._classify

    def cutting(self: Network, tabular_BW: Tensor, *rest: Any) -> Tensor:
        if rest[-1].modality == "tabular":
            tabular_BW = torch.zeros_like(tabular_BW)
        return classify(self, tabular_BW, *rest)

    monkeypatch.setattr(Network, "_classify", cutting)
    with pytest.raises(RehearsalFailed, match="parameters get no gradient with Branches") as error:
        rehearsed()
    assert "modality='tabular'" in str(error.value)
    assert "tabular_encoder" in str(error.value)


def test_state_outside_the_checkpoint_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    """F11: the factor of the context was a plain attribute; a reloaded network began again at its first value."""
    set_epoch, init, classify = Network.set_epoch, Network.__init__, Network._classify

    def built(self: Network, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        self.plain = 1.0  # type: ignore[assignment]

    def moved(self: Network, epoch: float) -> None:
        set_epoch(self, epoch)
        self.plain = 1.0 + epoch  # type: ignore[assignment]

    monkeypatch.setattr(Network, "__init__", built)
    monkeypatch.setattr(Network, "set_epoch", moved)
    monkeypatch.setattr(Network, "_classify", lambda self, *parts: classify(self, *parts) * self.plain)
    with pytest.raises(RehearsalFailed, match="some state is not in the checkpoint"):
        rehearsed()


def test_a_loss_that_is_no_number_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.model import losses

    monkeypatch.setattr(
        losses, "neighbour_weights", lambda batch, temperature: torch.full_like(batch.label_B, torch.nan)
    )
    with pytest.raises(RehearsalFailed, match="loss of the first batch is nan") as error:
        rehearsed()
    assert "kag data check" in str(error.value)


def test_an_endless_gradient_under_a_finite_loss_is_found(rehearsed: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.model import losses

    def root(alpha_B: Tensor, spec: Any) -> Tensor:
        return (alpha_B - alpha_B.detach()).abs().sqrt().mean()

    monkeypatch.setattr(losses, "gate_penalty", root)
    with pytest.raises(RehearsalFailed, match=r"is finite, .* but the gradient of .* is not"):
        rehearsed()


def test_a_training_batch_with_nan_is_found(rehearsed: Rehearse) -> None:
    def spoiled(batch: Batch) -> Batch:
        tabular_BF = batch.tabular_BF.clone()
        tabular_BF[0, 0] = torch.nan
        return batch._replace(tabular_BF=tabular_BF)

    with pytest.raises(RehearsalFailed, match="loss of the first batch is nan"):
        rehearsed(spoil_train=spoiled)


def test_an_evaluation_batch_with_nan_is_found(rehearsed: Rehearse) -> None:
    def spoiled(batch: Batch) -> Batch:
        return batch._replace(residue_UD=torch.full_like(batch.residue_UD, torch.nan))

    with pytest.raises(RehearsalFailed, match="evaluation gives logit_B that is not finite"):
        rehearsed(spoil_evaluation=spoiled)


def test_a_failure_ends_the_run_before_its_first_epoch(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kag.model import network

    def cut(like_BW: Tensor, rate: float, forced: str | None) -> SideMasks | None:
        masked = torch.full_like(like_BW[:, :1], torch.nan)
        return SideMasks(masked, masked) if forced == "residue" else None

    monkeypatch.setattr(network, "side_masks", cut)
    with pytest.raises(RehearsalFailed):
        train(make_spec())
    folder = find_run(runs, "tiny")
    record = folder.read_record()
    assert record.status is Status.ABORTED
    assert record.failure is not None
    assert (record.failure.error, record.epochs_trained) == ("RehearsalFailed", 0)
    assert "loss of the first batch is nan" in record.failure.message
    assert (record.failure.where or "").startswith("kag/train/rehearsal.py:")
    assert folder.history() == []
    assert not list(folder.checkpoints.iterdir())
    assert "aborted" in folder.console_file.read_text()


def test_a_spec_whose_penalty_can_move_nothing_is_found(make_spec: MakeSpec, sites: Sites) -> None:
    """What preflight refuses as well: the rehearsal does not rest on it."""
    spec: RunSpec = make_spec(**{"model.gate.kind": "fixed"})
    task = Task.of(spec, sites)
    with pytest.raises(RehearsalFailed, match=r"model\.gate\.penalty"):
        rehearse(task, build_network(task), build_objective(task), *task.first_batches())


def test_a_batch_without_a_valid_neighbour_is_said(rehearsed: Rehearse) -> None:
    """Other batches may have some, so it is no fault; but nothing was tried."""

    def alone(batch: Batch) -> Batch:
        return batch._replace(valid_CK=torch.zeros_like(batch.valid_CK))

    sentence = next(line for line in rehearsed(spoil_evaluation=alone) if "the logits depend on" in line)
    assert "no point of the batch has a valid neighbour, so neighbours were not tried" in sentence


def test_a_shape_is_tried_once_with_a_code_and_data_and_weights_each_time(
    make_spec: MakeSpec, sites: Sites, tmp_path: Path
) -> None:
    passed, all_of_it = Passed(tmp_path), 6

    def said(**overrides: Any) -> int:
        task = Task.of(make_spec(**overrides), sites)
        return len(rehearse(task, build_network(task), build_objective(task), *task.first_batches(), passed))

    assert said() == all_of_it
    assert said(seed=9, **{"optimizer.lr": 2e-3, "model.gate.temperature": 1.9}) == 2, "the same magnitude"
    assert said(**{"model.gate.temperature": 15.0}) == all_of_it
    assert said(**{"model.hidden": [8, 4]}) == all_of_it
    assert said(**{"model.gate.penalty.weight": 0.0}) == all_of_it, "a term less"
    assert said() == 2
    (tmp_path / FILE).write_bytes(b"[1, {")
    assert said() == all_of_it, "what is damaged is passed over"
    assert said() == 2, "and written anew"


def test_other_code_is_rehearsed_again(make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shape_digest(Task.of(make_spec(), sites))
    monkeypatch.setattr("kag.train.rehearsed.code_digest", lambda *_: "another")
    assert shape_digest(Task.of(make_spec(), sites)) != before


def test_so_many_shapes_are_kept_and_a_place_that_takes_none_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kag.train.rehearsed.MOST", 3)
    passed = Passed(tmp_path)
    for number in range(5):
        passed.add(str(number))
    assert [passed.knows(str(number)) for number in range(5)] == [False, False, True, True, True]
    assert is_generated(tmp_path / FILE), "a tree in which it is new has not changed"
    nowhere = Passed(tmp_path / FILE)
    nowhere.add("a")
    assert not nowhere.knows("a")
