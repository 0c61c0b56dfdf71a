"""The record of another program's run: settings, code, declared metrics, end, failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kag.track.foreign import foreign_record, settings_of
from kag.track.mirrored import Mirrored
from kag.track.objective import objective_of
from kag.track.reading import parse_record
from kag.track.record import Declared, GitFacts, RunRecord, Status

START = datetime(2025, 10, 20, 17, 19, 10, tzinfo=UTC)
HEARD = START + timedelta(minutes=5)
RUN = Mirrored("w1", "fox", START, Status.FINISHED, {}, {}, heard=HEARD)


def record(**known: Any) -> RunRecord:
    """The record of a run of which this is known."""
    found = foreign_record(replace(RUN, **known))
    assert parse_record(found.model_dump_json(), where="r") == found
    return found


def test_settings_are_flat_and_none_is_lost() -> None:
    config = {
        "b": {"c": [1.0, [2.5, None]], "d": {}},
        "a": {"x.y": True, "t": ("u", 1)},
        "empty": [],
        "nothing": None,
        "layers": [{"width": 8.0, "act": "relu"}],
        "text": "x" * 5000,
        "big": 2**70,
        "lr": 1e-3,
        "steps": 50.0,
        "odd": float("nan"),
        "_wandb": {"t": 1},
        "kag.record": "x",
    }
    assert settings_of(config) == {
        "a.t": '["u", 1]',
        "a.x.y": True,
        "b.c": "[1, [2.5, null]]",
        "b.d": "{}",
        "big": 2**70,
        "empty": "[]",
        "layers": '[{"act": "relu", "width": 8}]',
        "lr": 1e-3,
        "nothing": None,
        "odd": "NaN",
        "steps": 50,
        "text": "x" * 5000,
    }
    assert type(settings_of(config)["steps"]) is int
    assert list(settings_of(config)) == sorted(settings_of(config)), "a server keeps no order"


def test_two_values_of_one_dotted_key_are_one_setting_in_whatever_order_they_come() -> None:
    config = {"a.b": None, "a": {"b": "x"}}
    assert settings_of(config) == settings_of(dict(reversed(config.items()))) == {"a.b": None}


def test_what_is_known_of_the_code_the_group_and_the_machine() -> None:
    said = {"e": {"a": {"host": "vm", "git": {"commit": "abc", "remote": "r"}}}, "python_version": "3.11.7"}
    found = record(
        config={"_wandb": said, "lr": 0.1, "output_dir": "out", "data_digest": "d1"},
        group="night",
        job_type="train",
        commit="older client",
        has_patch=True,
    )
    assert found.git == GitFacts(commit="abc", dirty=True)
    assert (found.group, found.data_digest) == ("night", "d1")
    assert found.config == {"data_digest": "d1", "lr": 0.1}
    assert found.environment == {
        "output_dir": "out",
        "job_type": "train",
        "hostname": "vm",
        "git.remote": "r",
        "python": "3.11.7",
    }
    assert record(commit="older client").git == GitFacts(commit="older client")
    assert record().git is None


@pytest.mark.parametrize(
    ("config", "digest"),
    [({"data": {"dataset_digest": "x"}}, "x"), ({"dataset_hash": 3}, None), ({"data_digest": ""}, None), ({}, None)],
)
def test_the_digest_of_the_data_is_a_text(config: dict[str, Any], digest: str | None) -> None:
    assert record(config=config).data_digest == digest


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (Status.ABORTED, 3, "exit code 3"),
        (Status.ABORTED, None, None),
        (Status.KILLED, 1, None),
        (Status.FINISHED, 0, None),
    ],
)
def test_a_failed_run_says_its_exit_code(status: Status, code: int | None, failure: str | None) -> None:
    found = record(status=status, exit_code=code).failure
    assert (found.error if found else None) == failure


def test_start_and_end_are_the_client_s_own() -> None:
    """`wandb sync` brings a run to a server long after it has ended."""
    summary = {"_wandb": {"runtime": 90}}
    config = {"_wandb": {"e": {"a": {"startedAt": "2025-10-01T08:00:00Z"}}}}
    found = record(config=config, summary=summary)
    began = datetime(2025, 10, 1, 8, tzinfo=UTC)
    assert (found.start, found.end, found.heartbeat) == (began, began + timedelta(seconds=90), None)
    assert (record(summary=summary).end, record().end) == (START + timedelta(seconds=90), HEARD)
    assert record(summary={"_wandb": {"runtime": 1e15}}).end == HEARD


@pytest.mark.parametrize("status", [Status.RUNNING, Status.KILLED])
def test_a_run_that_did_not_end_has_a_last_sign_of_life(status: Status) -> None:
    found = record(status=status, summary={"_wandb": {"runtime": 90}})
    assert (found.end, found.heartbeat) == (None, HEARD)


def test_declared_metrics_by_the_sweep_first_and_patterns_by_what_was_logged() -> None:
    said = [{"1": "val/accuracy", "7": [2]}, {"2": "loss*", "7": [1]}]
    objective = Declared(metric="val/accuracy", goal="max", by="sweep")
    summary = {"val/accuracy": {"max": 0.5}, "loss_a": {"min": 1}, "loss_b": 2, "other": 1}
    found = record(config={"_wandb": {"m": said}}, summary=summary, objective=objective, sweep="s")
    assert found.declared == (
        objective,
        Declared(metric="loss_a", summary="min"),
        Declared(metric="loss_b", summary="min"),
        Declared(metric="val/accuracy", summary="max"),
    )
    assert found.metrics == {"loss_a.min": 1, "loss_b": 2, "other": 1, "val/accuracy.max": 0.5}


@pytest.mark.parametrize(
    ("config", "objective"),
    [
        ("metric: {name: val/acc, goal: maximize}", Declared(metric="val/acc", goal="max", by="sweep")),
        ("metric: {name: loss}", Declared(metric="loss", goal="min", by="sweep")),
        ("method: grid", None),
        ("metric: loss", None),
        ("metric: {name: [1]}", None),
        ("", None),
        ("{", None),
    ],
)
def test_what_a_sweep_is_after(config: str, objective: Declared | None) -> None:
    assert objective_of(config) == objective
