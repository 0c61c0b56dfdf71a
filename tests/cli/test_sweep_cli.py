"""`kag check SWEEP` and what `kag sweep` says at its end; the agents and the server are stood in for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kag.cli import sweep_agents, sweep_tracking, sweep_watch
from kag.cli.main import app
from kag.cli.sweep_result import changed_files, epochs_of, reasons
from kag.cli.sweep_tracking import Opened, Tracking, find_path
from kag.errors import DataError, KagError, RunFailed, SweepError, UserError
from kag.sweep import Trial, TrialState
from kag.track.record import Failure, GitFacts, RunRecord, Source, Status

ROOT = Path(__file__).parents[2]
FINISHED, FAILED = TrialState.FINISHED, TrialState.FAILED


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped windows sweep and its base spec."""
    for path in (Path("sweeps/swa_window.yaml"), Path("runs/specs/demo.yaml")):
        (tmp_path / path.parent).mkdir(parents=True)
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "runs" / "specs" / "demo.h5").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, KagError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_check_says_trials_epochs_forks_and_findings(workplace: Path) -> None:
    printed = " ".join(call("check", "sweeps/swa_window.yaml").split())
    for words in (
        "trials 20",
        "epochs at most 180, each trial by itself",
        "with forks at most 27, 0.15 of that",
        "looked at every point",
        "warning 20 of 20 swa_lr_near_peak at epoch 5 the learning rate",
        "this sweep can be run",
    ):
        assert words in printed, printed


def test_check_speaks_json(workplace: Path) -> None:
    page = json.loads(call("check", "sweeps/swa_window.yaml", "--json"))
    assert (page["trials"], page["epochs"], page["epochs_forked"], page["shares"]) == (20, 180, 27, True)
    assert {"code", "severity", "points", "example"} == set(page["findings"][0])
    spec = json.loads(call("check", "runs/specs/demo.yaml", "--no-rehearsal", "--json"))
    assert spec["spec"]["name"] == "demo"
    assert {finding["severity"] for finding in spec["findings"]} <= {"error", "warning", "note"}


def test_check_and_sweep_refuse_points_that_training_would_refuse(workplace: Path) -> None:
    path = workplace / "sweeps" / "swa_window.yaml"
    path.write_text(path.read_text().replace("values: [5, 7]", "values: [5, 9]"))
    for command in ("check", "sweep"):
        with pytest.raises(SweepError, match="swa_past_end at 4 of 20 points") as caught:
            call(command, "sweeps/swa_window.yaml")
        assert caught.value.exit_code == 2


def test_a_command_without_forks_says_what_they_would_save(workplace: Path) -> None:
    path = workplace / "sweeps" / "swa_window.yaml"
    path.write_text(path.read_text().replace('--share, runs/shared, --part-at, "5,6,7,8,9,10,11,12", ', ""))
    assert "but the command has no --share" in call("check", "sweeps/swa_window.yaml")


def test_overrides_of_the_command_count(workplace: Path) -> None:
    path = workplace / "sweeps" / "swa_window.yaml"
    path.write_text(path.read_text().replace("track.mode=auto", "track.mode=auto, data.batch_size=1"))
    with pytest.raises(KagError, match=r"data\.batch_size = 1"):
        call("check", "sweeps/swa_window.yaml")


def test_keys_that_do_nothing_any_more_are_read_and_told(workplace: Path, stand_in: Stand) -> None:
    """In the sweep's parameters, in its command and in its base spec."""
    sweep, base = workplace / "sweeps" / "swa_window.yaml", workplace / "runs" / "specs" / "demo.yaml"
    text = sweep.read_text().replace("parameters:\n", "parameters:\n  data.workers: {values: [0, 2]}\n")
    sweep.write_text(text.replace("track.mode=auto", "track.mode=auto, trainer.strategy=ddp"))
    base.write_text(f"{base.read_text()}trainer: {{strategy: ddp}}\n")
    printed = " ".join(call("check", "sweeps/swa_window.yaml").split())
    assert "warning 40 of 40 retired_key trainer.strategy and data.workers do nothing any more" in printed
    leader = trial(0, FINISHED, 0.4)
    stand_in(leader.model_copy(update={"params": leader.params | {"data.workers": 2}}))
    call("sweep", "sweeps/swa_window.yaml")
    assert "workers" not in (workplace / "runs" / ".server" / "sweeps" / "abc" / "best.yaml").read_text()


Stand = Callable[..., None]


def test_a_sweep_without_its_data_does_not_begin(workplace: Path) -> None:
    (workplace / "runs" / "specs" / "demo.h5").unlink()
    with pytest.raises(DataError, match="every trial would read") as caught:
        call("sweep", "sweeps/swa_window.yaml")
    assert caught.value.exit_code == 2
    assert not (workplace / "runs" / ".server").exists()
    assert "20" in call("check", "sweeps/swa_window.yaml"), "checking needs no data"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Server and agents that answer with given trials."""

    @contextmanager
    def connected(runs: Path) -> Iterator[Tracking]:
        yield Tracking("embedded", {})

    @contextmanager
    def agents(path: str, environment: Any, shares: Any, server: Any, *, runs: Path | None) -> Iterator[list[Any]]:
        yield []

    def stand(*trials: Trial, over: bool = False) -> None:
        opened = Opened("e/p/abc", over, "new sweep e/p/abc")
        monkeypatch.setattr(sweep_tracking, "connected", connected)
        monkeypatch.setattr(sweep_tracking, "open_sweep", lambda *words, **more: opened)
        monkeypatch.setattr(sweep_tracking, "trials_of", lambda sweep, path: list(trials))
        monkeypatch.setattr(sweep_watch.Watched, "trials", lambda self: list(trials))
        monkeypatch.setattr(sweep_agents, "running_agents", agents)

    return stand


def trial(number: int, state: TrialState, value: float | None = None) -> Trial:
    params = {"swa.start": 5, "swa.window": number + 1, "swa.lr": 1.0e-4}
    return Trial(id=number, params=params, state=state, value=value, run=f"abc-000{number}")


def test_a_sweep_of_which_nothing_has_finished_is_an_error(workplace: Path, stand_in: Stand) -> None:
    stand_in(trial(0, FAILED))
    log = workplace / "wandb" / "agent-abc-0.log"
    log.parent.mkdir()
    log.write_text("error: the first\n  remedy: none\nerror: weights have diverged\nwandb: cleaning up\n")
    with pytest.raises(RunFailed, match="has finished; the last one said: weights have diverged") as caught:
        call("sweep", "sweeps/swa_window.yaml")
    assert caught.value.exit_code == 1
    assert caught.value.where == "wandb/agent-abc-0.log"


def test_a_sweep_ends_with_its_best_trial_its_spec_and_its_failures(workplace: Path, stand_in: Stand) -> None:
    stand_in(trial(0, FINISHED, 0.4), trial(1, FINISHED, 0.6), trial(2, FAILED))
    printed = " ".join(call("sweep", "sweeps/swa_window.yaml").split())
    assert "3 of 20 ended: 1 failed, 2 finished" in printed
    assert 'best val_averaged/auprc 0.600 {"swa.start": 5, "swa.window": 2, "swa.lr": 0.0001}' in printed
    assert "abc-0002 it left no reason" in printed
    assert "window: 2" in (workplace / "runs" / ".server" / "sweeps" / "abc" / "best.yaml").read_text()
    page = json.loads(call("sweep", "sweeps/swa_window.yaml", "--json"))
    assert (page["best"]["run"], page["best"]["metric"]) == ("abc-0001", "val_averaged/auprc")
    assert page["trials"] == {"failed": 1, "finished": 2}


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file of a program that is not kag's, in a folder with nothing else but that."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.py").touch()
    text = "program: t.py\nmethod: grid\nmetric: {name: m}\nparameters: {a: {values: [1, 2]}, b: {value: 3}}\n"
    (tmp_path / "s.yaml").write_text(text)
    return tmp_path / "s.yaml"


def test_a_sweep_of_any_program_is_outlined_and_checked_against_no_spec(foreign: Path) -> None:
    printed = " ".join(call("check", "s.yaml").split())
    assert "trials 2 parameters a program ${env} ${interpreter} t.py ${args} this sweep can be run" in printed
    page = json.loads(call("check", "s.yaml", "--json"))
    assert page == {"method": "grid", "program": "t.py", "command": None, "trials": 2}
    foreign.write_text(foreign.read_text().replace("grid", "random"))
    assert "without end, until Ctrl-C" in call("check", "s.yaml")
    foreign.write_text("program: u.py\nmethod: grid\nparameters: {a: {values: [1]}}\n")
    for command in ("check", "sweep"):
        with pytest.raises(UserError, match=r"there is no file u\.py"):
            call(command, "s.yaml")
    assert not (foreign.parent / "runs").exists()


def test_its_best_trial_has_no_spec_and_its_epochs_are_unknown(foreign: Path, stand_in: Stand) -> None:
    point = {"a": 1, "b": 3}
    stand_in(trial(0, FINISHED, 0.4).model_copy(update={"params": point}), trial(1, TrialState.FREE))
    printed = " ".join(call("sweep", "s.yaml").split())
    assert '1 of 2 ended: 1 finished, 1 to be retried best m 0.4 {"a": 1, "b": 3}' in printed
    assert "spec" not in printed
    assert "epochs" not in printed
    page = json.loads(call("sweep", "s.yaml", "--json"))
    assert (page["best"]["params"], page["best"]["spec"], page["epochs"]) == (point, None, None)
    foreign.write_text(foreign.read_text().replace("metric: {name: m}\n", ""))
    printed = call("sweep", "s.yaml")
    assert "none: the sweep names no metric to judge by" in printed
    assert json.loads(call("sweep", "s.yaml", "--json"))["best"] is None


TRACEBACK = """
Traceback (most recent call last):
  File "t.py", line 3, in <module>
    raise ValueError("bad luck")
ValueError: bad luck
wandb: cleaning up
"""


def test_a_program_that_died_says_why_on_the_last_line_of_its_traceback(foreign: Path, stand_in: Stand) -> None:
    stand_in(trial(0, FAILED))
    log = foreign.parent / "wandb" / "agent-abc-0.log"
    log.parent.mkdir()
    log.write_text(TRACEBACK)
    with pytest.raises(RunFailed, match="has finished; the last one said: ValueError: bad luck\n"):
        call("sweep", "s.yaml")


def test_a_sweep_is_named_by_the_id_that_was_made_here_or_in_full() -> None:
    assert find_path("abc", {"abc": "e/p/abc"}) == "e/p/abc"
    assert find_path("e/p/xyz", {}) == "e/p/xyz"
    with pytest.raises(UserError, match="no sweep 'xyz' was made here"):
        find_path("xyz", {"abc": "e/p/abc"})


def record(number: int, **words: Any) -> RunRecord:
    base = {"id": f"2026-01-01_00-00-0{number}_a", "name": "a", "status": Status.FINISHED, "sweep": "abc"}
    return RunRecord.model_validate({**base, "start": "2026-01-01T00:00:00Z", **words})


def test_inherited_epochs_are_not_counted_as_trained() -> None:
    taken = (Source(run="a", epochs=4), Source(run="b", epochs=2), Source(run="weights that it began with"))
    records = [record(0, epochs_trained=6), record(1, epochs_trained=9, sources=taken), record(2, epochs_trained=0)]
    assert epochs_of(records) == (6 + 3, 6)


def test_a_failed_trial_says_why() -> None:
    failure = Failure(error="SpecError", message="heads do not divide width")
    known = [record(0, status=Status.ABORTED, wandb_id="abc-0000", failure=failure)]
    found = reasons([trial(0, FAILED), trial(1, FAILED)], known)
    assert found["abc-0000"] == "SpecError: heads do not divide width"
    assert "agents' logs" in found["abc-0001"]


def test_a_program_that_changed_while_the_sweep_ran_is_named() -> None:
    clean, edited = GitFacts(commit="a" * 40), GitFacts(commit="a" * 40, dirty=True, uncommitted=("kag/x.py",))
    before, after = record(0, git=clean), record(1, git=edited)
    assert changed_files([before, after], {after.id: "digest"}) == ("kag/x.py",)
    assert changed_files([after, record(2, git=edited)], {after.id: "one", record(2).id: "two"}) == ("kag/x.py",)
    assert changed_files([after, record(2, git=edited)], {after.id: "one", record(2).id: "one"}) == ()
    assert changed_files([before, record(1, git=GitFacts(commit="b" * 40))], {}) == (
        "commit aaaaaaaaaa",
        "commit bbbbbbbbbb",
    )
