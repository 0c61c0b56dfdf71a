"""What the client says of itself, as it stood in the configs that clients of several versions sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kag.track.client import Branch, Client, client_of
from kag.track.record import Declared

MACHINE = {
    "writerId": "w",
    "startedAt": "2026-11-29T14:53:24.269098Z",
    "os": "Linux-6.1",
    "python": "CPython 3.11.7",
    "host": "vm",
    "cpu_count": 2,
    "gpu": "NVIDIA A100",
    "email": "somebody@example.org",
    "git": {"remote": "https://example.org/a.git", "commit": "0a89937"},
}
SAID = {
    "python_version": "3.11.7",
    "cli_version": "0.31.0",
    "t": {"3": [2, 7, 13]},
    "m": [{"1": "val/accuracy", "6": [3], "7": [2]}, {"2": "*", "5": 1, "6": [1], "7": []}],
    "e": {"w": MACHINE},
}


def test_a_client_tells_machine_code_and_metrics() -> None:
    client = client_of(SAID)
    assert client.started == datetime(2026, 11, 29, 14, 53, 24, 269098, UTC)
    assert (client.commit, client.resumed, client.branch) == ("0a89937", False, None)
    assert client.metrics == (Declared(metric="val/accuracy", summary="max"),)
    assert client.environment == {
        "hostname": "vm",
        "platform": "Linux-6.1",
        "python": "3.11.7",
        "cpus": 2,
        "gpu": "NVIDIA A100",
        "git.remote": "https://example.org/a.git",
        "package.wandb": "0.31.0",
    }


def test_the_goal_of_older_clients_and_a_pattern() -> None:
    said = [{"1": "loss", "7": [4], "8": 1}, {"2": "val*", "7": [2]}, {"1": "val/loss", "7": [1]}, {"1": "x", "7": [7]}]
    client = client_of({"m": said, "start_time": 1700000000.5})
    assert client.started == datetime(2023, 11, 14, 22, 13, 20, 500000, UTC)
    assert client.declared(["loss", "val/accuracy", "val/loss", "value"]) == (
        Declared(metric="loss", goal="min", summary="best"),
        Declared(metric="val/accuracy", summary="max"),
        Declared(metric="val/loss", summary="min"),
        Declared(metric="value", summary="max"),
    )


def test_forks_and_resumes() -> None:
    assert client_of({"branch_point": {"run_id": "a", "step": 2}}).branch == Branch("a", 2)
    assert client_of({"t": {"3": [2, 72]}}).resumed
    assert client_of({"t": {"3": [5]}}).resumed
    first = {"startedAt": "2026-11-29T14:00:00Z"}
    shared = client_of({"t": {"3": [5, 67]}, "e": {"a": MACHINE, "b": first}})
    assert not shared.resumed, "several processes share the run"
    assert shared.started == datetime(2026, 11, 29, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "x",
        {"e": [], "m": {}, "t": 3, "branch_point": "a", "start_time": "NaN"},
        {"e": {"w": 3}, "m": [3, {"1": 4, "7": [2]}, {"1": "a", "7": "b"}], "t": {"3": {}}, "start_time": 1e300},
        {"e": {"w": {"startedAt": "yesterday", "git": "x", "host": {}}}, "branch_point": {"run_id": 3}},
    ],
)
def test_what_has_another_form_is_not_said(said: Any) -> None:
    assert client_of(said) == Client(metrics=())
