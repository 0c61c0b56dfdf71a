"""What `kag sweep` asks of a server while its sweep runs: news alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kag.cli import sweep_watch
from kag.cli.sweep_tables import progress_line
from kag.cli.sweep_watch import Watched, watch
from kag.errors import KagError
from kag.sweep import TrialState, parse_sweep
from kag.sweep.progress import Call
from kag.track.folders import FolderSource
from kag.track.wandb_private import REFUSED
from kag.view.terminal import Terminal

SWEEP = parse_sweep(
    {
        "method": "grid",
        "metric": {"name": "m", "goal": "maximize"},
        "parameters": {"seed": {"values": [1, 2, 3]}},
    }
)


class Run(NamedTuple):
    """As W&B's client has it."""

    id: str
    state: str
    created_at: str
    config: dict[str, Any]
    summary_metrics: dict[str, Any]


class Server:
    """Runs, and how many it was asked for."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.given: list[list[str]] = []

    def set(self, number: int, state: str, value: float | None = None) -> None:
        name, created = f"s-{number:04d}", f"2026-01-01T00:00:0{number}Z"
        self.runs[name] = Run(name, state, created, {"seed": number + 1}, {} if value is None else {"m": value})

    def ask(self, filters: dict[str, Any]) -> Iterable[Run]:
        assert filters["sweep"] == "s"
        found = [run for run in self.runs.values() if "$or" not in filters or any(map(run_fits(run), filters["$or"]))]
        self.given.append([run.id for run in found])
        return found


def run_fits(run: Run) -> Any:
    def fits(one: dict[str, Any]) -> bool:
        return run.id in one["name"]["$in"] if "name" in one else run.created_at >= one["created_at"]["$gte"]

    return fits


def test_a_run_that_has_ended_is_not_asked_for_again_and_nothing_is_missed() -> None:
    server = Server()
    watched = Watched(SWEEP, "e/p/s", server.ask)
    assert watched.trials() == []
    server.set(0, "running")
    server.set(1, "running")
    assert [trial.state for trial in watched.trials()] == [TrialState.LEASED] * 2
    server.set(0, "finished", 0.5)
    server.set(2, "running")
    first, second, third = watched.trials()
    assert (first.state, first.value, first.params) == (TrialState.FINISHED, 0.5, {"seed": 1})
    assert (second.state, third.state) == (TrialState.LEASED, TrialState.LEASED)
    server.set(1, "failed")
    server.set(2, "finished", 0.7)
    assert [trial.state.value for trial in watched.trials()] == ["finished", "failed", "finished"]
    watched.trials()
    assert server.given[3] == ["s-0001", "s-0002"]
    assert server.given[4] == ["s-0002"], "the newest one, beside which another may have begun in the same second"


class Going:
    """Agents that end after so many waits."""

    lost = None

    def __init__(self, waits: int) -> None:
        self.waits = waits

    def over(self) -> bool:
        return self.waits == 0

    def wait(self, seconds: float) -> None:
        self.waits -= 1


@pytest.mark.parametrize("kind", REFUSED)
def test_a_look_that_fails_ends_no_agents(
    kind: type[Exception], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches ends the agents where he ends: a client that is busy once is no reason."""
    server, looks = Server(), iter([True, False, False, True])
    server.set(0, "finished", 0.5)

    def ask(filters: dict[str, Any]) -> Iterable[Run]:
        if next(looks):
            return server.ask(filters)
        raise kind("the service process is busy")

    watch(Watched(SWEEP, "e/p/s", ask), tmp_path, agents := Going(3), None, Terminal(), lambda: None)
    assert agents.waits == 0
    assert "1 of 3 ended" in capsys.readouterr().out
    monkeypatch.setattr(sweep_watch, "UNHEARD_SECONDS", -1.0)
    looks = iter([True, False])
    with pytest.raises(KagError, match="the server does not answer: the service process is busy"):
        watch(Watched(SWEEP, "e/p/s", ask), tmp_path, Going(3), None, Terminal(), lambda: None)


def test_a_trial_between_two_attempts_is_told_as_that(tmp_path: Path) -> None:
    """kag's server tries a point again; another server's run that has failed is not heard of again."""
    server, call = Server(), Call(seconds=60.0)
    watched = Watched(SWEEP, "e/p/s", server.ask)
    server.set(0, "finished", 0.5)
    server.set(1, "failed")
    assert progress_line(watched.progress(FolderSource(tmp_path), call)).startswith("1 of 3 ended: ")
    assert "failed" not in progress_line(watched.progress(FolderSource(tmp_path), call))
    other = Watched(SWEEP, "e/p/t", lambda filters: server.runs.values())
    assert other.progress(FolderSource(tmp_path), call).states == {TrialState.FINISHED: 1, TrialState.FAILED: 1}
