"""What the numbers of an epoch mean: losses of val against their formulas, speed, precision, entropy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kag import names
from kag.data.sites import Sites
from kag.errors import RunFailed
from kag.train import clock
from kag.train.build import build_network
from kag.train.job import Job
from kag.train.scoreboard import Scoreboard
from kag.train.task import Task
from kag.view.words import find_run
from tests.delivered import delivered
from tests.train.conftest import MakeSpec, Train

BCE = names.evaluation("val", "bce")
CROSS_ENTROPY = torch.nn.functional.binary_cross_entropy_with_logits


@pytest.fixture
def logits(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Of val, as they were scored without dropout, one vector a validation."""
    seen: list[np.ndarray] = []
    close = Scoreboard.close

    def keeping(self: Scoreboard, *given: Any) -> dict[str, float]:
        seen.append(self._logit_V.double().numpy().copy())
        return close(self, *given)

    monkeypatch.setattr(Scoreboard, "close", keeping)
    return seen


def test_val_loss_is_the_main_loss_of_the_epoch_and_bce_the_unweighted_one(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, logits: list[np.ndarray]
) -> None:
    loss = {"kind": "bce", "gamma": 1.5, "warmup": {"kind": "focal", "epochs": 1}}
    train(make_spec(epochs=2, loss={**loss, "pos_weight": {"start": 3.0, "end": 9.0, "epochs": 1}}))
    label_N = sites.label_N[sites.index("val")].astype(np.float64)
    yes_N, no_N = (1.0 / (1.0 + np.exp(-sign * logits[0])) for sign in (1, -1))
    focal_N = 3.0 * label_N * -np.log(yes_N) * no_N**1.5 + (1.0 - label_N) * -np.log(no_N) * yes_N**1.5
    logit_N, target_N = torch.from_numpy(logits[1]), torch.from_numpy(label_N)
    weighted = CROSS_ENTROPY(logit_N, target_N, pos_weight=torch.tensor(9.0))
    first, last = find_run(runs, "tiny").history()
    assert first[names.VAL_LOSS] == pytest.approx(focal_N.mean(), rel=1e-5)
    assert last[names.VAL_LOSS] == pytest.approx(float(weighted), rel=1e-5)
    assert last[BCE] == pytest.approx(float(CROSS_ENTROPY(logit_N, target_N)), rel=1e-6)


def test_the_average_has_both_losses(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, logits: list[np.ndarray]
) -> None:
    train(make_spec(epochs=3, **{"swa.start": 1, "swa.window": 2, "loss.pos_weight": 4.0}))
    label_N = torch.from_numpy(sites.label_N[sites.index("val")].astype(np.float64))
    expected = CROSS_ENTROPY(torch.from_numpy(logits[-1]), label_N, pos_weight=torch.tensor(4.0))
    last = find_run(runs, "tiny").history()[-1]
    assert last[names.averaged(names.VAL_LOSS)] == pytest.approx(float(expected), rel=1e-5)
    assert last[names.averaged(BCE)] != last[names.averaged(names.VAL_LOSS)]


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that training steps and validation steps move on, by what is written here."""
    takes = {"now": 0.0, "training_step": 0.5, "validation_step": 1000.0}

    class Time:
        @staticmethod
        def perf_counter() -> float:
            return takes["now"]

    monkeypatch.setattr(clock, "time", Time)
    for name in ("training_step", "validation_step"):
        monkeypatch.setattr(Job, name, _timed(name, takes))
    return takes


def _timed(name: str, takes: dict[str, float]) -> Callable[..., Any]:
    step = getattr(Job, name)

    def timed(self: Job, batch: Any, number: int) -> Any:
        takes["now"] += takes[name]
        return step(self, batch, number)

    return timed


def test_speed_is_of_training_alone(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, seconds: dict[str, float]
) -> None:
    spec = make_spec(epochs=2)
    train(spec)
    steps = len(Task.of(spec, sites).training_batches(0))
    expected = len(sites.index("train")) / (steps * seconds["training_step"])
    assert [row[names.SAMPLES_PER_SECOND] for row in find_run(runs, "tiny").history()] == [expected, expected]


def test_speed_after_a_resume_counts_what_was_trained_since(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 100.0, 104.0])
    monkeypatch.setattr(clock, "time", type("Time", (), {"perf_counter": staticmethod(lambda: next(times))}))
    watch = clock.Clock()
    watch.start(points_before=600.0)
    watch.stop()
    assert watch.rate(1000.0) == 100.0


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_history_and_results_are_measured_in_the_same_precision(
    make_spec: MakeSpec, train: Train, runs: Path, precision: str
) -> None:
    record = train(make_spec(epochs=1, **{"trainer.precision": precision}))
    row = find_run(runs, "tiny").history()[-1]
    for metric in ("auprc", "bce", "threshold"):
        assert row[names.evaluation("val", metric)] == delivered(record, "val", metric).value, metric
    assert (record.world.precision, record.world.validation) == (precision, "32-true")


def test_contexts_without_a_neighbour_have_no_part_in_the_entropy(make_spec: MakeSpec, sites: Sites) -> None:
    spec = make_spec()
    task = Task.of(spec, sites)
    network = build_network(task).eval()
    board = Scoreboard(sites, "val", spec.model)
    whole = task.tables.gather(torch.from_numpy(sites.index("val")), share="nothing")
    alone_C = torch.arange(len(whole.label_B)) % 3 == 0
    some = whole._replace(valid_CK=whole.valid_CK & ~alone_C[:, None])
    none = whole._replace(valid_CK=torch.zeros_like(whole.valid_CK))
    with torch.no_grad():
        entropy_CLH = network.attention(some, telemetry=True).entropy_CLH
        scores, empty = network(some, telemetry=True), network(none, telemetry=True)
    expected = float(entropy_CLH[some.valid_CK.any(1)].mean())
    assert 0.0 < expected <= 1.0
    board.add(some, scores)
    row = board.close(torch.clone, CROSS_ENTROPY)
    assert row[names.ENTROPY] == pytest.approx(expected, rel=1e-5)
    board.add(none, empty)
    assert not any(key.startswith(names.ENTROPY) for key in board.close(torch.clone, CROSS_ENTROPY))


def test_infinite_logits_end_the_run_by_name(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Scoreboard.add

    def overflowing(self: Scoreboard, batch: Any, scores: Any) -> None:
        add(self, batch, scores._replace(logit_B=scores.logit_B + torch.inf))

    monkeypatch.setattr(Scoreboard, "add", overflowing)
    with pytest.raises(RunFailed, match="logits are infinite: these weights have diverged"):
        train(make_spec())
    folder = find_run(runs, "tiny")
    assert (folder.history(), folder.read_record().results) == ([], ())
