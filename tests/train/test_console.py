"""What is seen of a run inside an epoch, by a clock that the test sets."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kag.train.console import EpochProgress, RunConsole
from kag.view.terminal import Terminal
from tests.train.conftest import MakeSpec, Train


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def console(*, terminal: bool) -> tuple[RunConsole, io.StringIO]:
    file, made = io.StringIO(), RunConsole()
    made.terminal = Terminal(file=file, force_terminal=terminal, width=120, color_system=None)
    return made, file


def epoch(
    progress: EpochProgress, clock: Clock, *, batches: int, seconds: float, first: int = 0, world: int = 1
) -> None:
    """An epoch, without a network: batches of 50 points."""
    trainer: Any = SimpleNamespace(num_training_batches=batches, max_epochs=4, current_epoch=2, world_size=world)
    module: Any = None
    progress.on_train_start(trainer, module)
    progress.on_train_epoch_start(trainer, module)
    for number in range(first, batches):
        clock.now += seconds
        batch: Any = SimpleNamespace(label_B=torch.zeros(50))
        progress.on_train_batch_end(trainer, module, None, batch, number)
    progress.on_train_end(trainer, module)


def test_elsewhere_than_on_a_terminal_a_line_comes_a_minute(tmp_path: Path) -> None:
    clock, (run, printed) = Clock(), console(terminal=False)
    run.log_to(tmp_path / "console.log")
    epoch(EpochProgress(run, 2, clock), clock, batches=20, seconds=7.0)
    assert printed.getvalue().splitlines() == [
        "epoch   2  9 of 20 batches, 7 samples/s, about 1 min 17 s left",
        "epoch   2  18 of 20 batches, 7 samples/s, about 14 s left",
    ]
    assert not (tmp_path / "console.log").exists(), "the log keeps what has happened, not how far it was"


def test_an_epoch_that_takes_less_than_a_minute_says_nothing() -> None:
    clock, (run, printed) = Clock(), console(terminal=False)
    epoch(EpochProgress(run, 2, clock), clock, batches=5, seconds=11.9)
    assert printed.getvalue() == ""


def test_the_pace_is_that_of_the_batches_trained_here_and_of_all_processes() -> None:
    clock, (run, printed) = Clock(), console(terminal=False)
    epoch(EpochProgress(run, 2, clock), clock, batches=20, first=15, seconds=30.0, world=4)
    first, second = printed.getvalue().splitlines()
    assert first == "epoch   2  17 of 20 batches, 7 samples/s, about 1 min 30 s left"
    assert second.startswith("epoch   2  19 of 20 batches")


def test_on_a_terminal_there_is_a_bar_with_batches_samples_and_time() -> None:
    clock, (run, printed) = Clock(), console(terminal=True)
    progress = EpochProgress(run, 2, clock)
    epoch(progress, clock, batches=20, seconds=0.5)
    drawn = printed.getvalue()
    assert "epoch   2" in drawn
    assert "20/40" in drawn, "over the batches of the run"
    assert "100 samples/s" in drawn
    assert drawn.endswith("\x1b[2K"), "it goes when the training ends"


@pytest.mark.parametrize("stderr", [False, True])
def test_a_run_without_a_terminal_prints_epochs_and_no_bar(
    train: Train, make_spec: MakeSpec, capsys: pytest.CaptureFixture[str], stderr: bool, runs: Path
) -> None:
    record = train(make_spec(epochs=1), console=RunConsole(stderr=stderr))
    printed = capsys.readouterr()
    silent, told = (printed.out, printed.err) if stderr else (printed.err, printed.out)
    assert silent == ""
    lines = told.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["run", "epoch"]
    log = (runs / record.id / "console.log").read_text()
    assert "\x1b" not in told + log
    assert "samples/s" not in told + log
