"""Which metrics count: what was asked for, what programs declare, what names tell."""

from __future__ import annotations

from typing import Any

import pytest

from kag.errors import UserError
from kag.track.record import Declared, RunRecord
from kag.view.metric_names import by_name
from kag.view.metrics import OWN, TEST, VAL, Metric, canonical, chosen, held
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import run_record, run_result


def logged(number: int = 0, *names: str, **fields: Any) -> RunRecord:
    return foreign(number, metrics=dict.fromkeys(names, 0.5), **fields)


def told(*records: RunRecord, asked: tuple[str, ...] = ()) -> list[str]:
    """`name:goal:value` of what counts."""
    return [":".join(filter(None, (one.name, one.goal, one.value))) for one in chosen(records, asked)]


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("val/accuracy", "max"),
        ("val_acc", "max"),
        ("eval/f1_macro", "max"),
        ("acc@5", "max"),
        ("val.map50", "max"),
        ("validation_0-auc", "max"),
        ("validation_1-logloss", "min"),
        ("eval/loss", "min"),
        ("valLoss", "min"),
        ("train_loss_epoch", "min"),
        ("test/rmse", "min"),
        ("loss_scale", None),
        ("train/grad_norm", None),
        ("energy", None),
        ("lossless", None),
    ],
)
def test_a_name_tells_its_goal_or_nothing(name: str, goal: str | None) -> None:
    assert by_name(name) == goal


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("loss", "val/accuracy"), ["val/accuracy:max:best", "loss:min:best"]),
        (("train/loss", "eval/loss", "eval/runtime", "train/epoch"), ["eval/loss:min:best", "train/loss:min:best"]),
        (("val/f1", "val/accuracy", "val/loss"), ["val/accuracy:max:best", "val/loss:min:best"]),
        (("val/f1", "val/loss", "test/f1"), ["val/f1:max:best", "test/f1:max:best"]),
        (("train-logloss", "eval-logloss", "eval-auc"), ["eval-auc:max:best", "eval-logloss:min:best"]),
        (("energy", "step_time", "spread", "third"), ["energy:last", "spread:last"]),
        (("lr", "epoch"), []),
        ((), []),
    ],
)
def test_two_are_taken_by_name_and_nothing_is_guessed(names: tuple[str, ...], expected: list[str]) -> None:
    assert told(logged(0, *names)) == expected


def test_what_a_single_run_logged_does_not_count_for_all() -> None:
    runs = [logged(n, "val/loss") for n in range(3)]
    assert told(*runs, logged(3, "val/loss", "val/accuracy")) == ["val/loss:min:best"]


def test_a_program_says_more_than_its_names_and_a_sweep_more_than_its_program() -> None:
    names = ("energy", "val/accuracy", "loss", "reached")
    declared = (
        Declared(metric="energy", goal="min", summary="best"),
        Declared(metric="loss"),
        Declared(metric="reached", summary="max"),
    )
    assert told(logged(0, *names, declared=declared)) == ["energy:min:best", "reached:max:best"]
    swept = logged(1, *names, declared=(Declared(metric="reached", goal="min", by="sweep"), *declared), sweep="s")
    assert [(one.name, one.goal, one.why) for one in chosen([swept])] == [
        ("reached", "min", "the metric of its sweep"),
        ("energy", "min", "declared by the program"),
    ]
    last = logged(0, *names, declared=(Declared(metric="val/accuracy", goal="max", summary="last"),))
    assert told(last) == ["val/accuracy:max:last", "loss:min:best"]


def test_what_wandb_keeps_under_another_name_is_the_metric_that_was_logged() -> None:
    """`define_metric("val/accuracy", summary="max")`: the summary has `val/accuracy.max` and no last value."""
    declared = (Declared(metric="val/accuracy", summary="max"),)
    run = logged(0, "val/accuracy.max", "other.max", declared=declared)
    (metric, other) = chosen([run], ["val/accuracy", "other.max"])
    assert (metric.goal, metric.value, other.goal) == ("max", "best", None)
    assert held(run, metric) == held(run, other) == 0.5
    assert told(run) == ["val/accuracy:max:best"]


def test_what_a_person_asks_for_is_all_there_is() -> None:
    run = logged(0, "loss", "energy", "a:b", declared=(Declared(metric="energy", goal="min", summary="best"),))
    assert told(run, asked=("energy",)) == ["energy:min:best"]
    assert told(run, asked=("energy:max", "loss:last")) == ["energy:max:best", "loss:min:last"]
    assert told(run, asked=("a:b", "a:b:min:best", "loss")) == ["a:b:last", "a:b:min:best", "loss:min:best"]
    assert canonical("loss:best") == "loss:best"


def test_a_metric_that_no_run_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="no run has a metric 'val/acuracy'") as refused:
        chosen([logged(0, "val/accuracy", "loss")], ["val/acuracy:max"])
    assert refused.value.nearest == "val/accuracy"
    with pytest.raises(UserError, match="nothing tells which value of 'energy' is best"):
        chosen([logged(0, "energy")], ["energy:best"])


def test_runs_of_kag_are_judged_by_auprc_beside_whatever_else_there_is() -> None:
    own = run_record(0, val=0.3)
    assert chosen([]) == chosen([own]) == OWN == (VAL, TEST)
    assert told(own, logged(1, "loss", "val/auprc")) == [
        "val/auprc:max:delivered",
        "test/auprc:delivered",
        "loss:min:best",
    ]
    more = run_record(0, results=(run_result("val", 0.5, metric="auroc"),))
    assert chosen([more], ["val/auroc"]) == (Metric("val/auroc", "max", "delivered", "asked for"),)
    assert told(logged(0, "val/auprc")) == ["val/auprc:max:best"], "without runs of kag it is a metric like others"
