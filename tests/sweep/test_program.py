"""The command of a sweep of any program: what W&B's agent would start, and what it could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args
from wandb.wandb_agent import Agent

from kag.errors import SweepError
from kag.sweep import parse_sweep, read_sweep
from kag.sweep.command import trains, with_runs
from kag.sweep.config import Sweep
from kag.sweep.program import DEFAULT, POINT, launch


def sweep_of(*command: Any, program: str | None = None) -> Sweep:
    words = {"command": list(command)} if command else {}
    named = {"program": program} if program else {}
    return parse_sweep({"method": "grid", "parameters": {"lr": {"values": [1, 2]}}, **words, **named})


def test_the_words_are_those_of_the_client() -> None:
    assert list(DEFAULT) == Agent.DEFAULT_SWEEP_COMMAND
    point = {f"${{{name}}}" for name in create_sweep_command_args({"args": {}})}
    assert set(POINT) - {"${args_json_file}"} == point - {"${args_dict}"}, "a dict is no word"


@pytest.mark.parametrize(
    ("command", "program", "executable", "file"),
    [
        ((), "t.py", "python", "t.py"),
        (
            ("${env}", "A=1", "${interpreter}", "-u", "${program}", "${args}"),
            "t.py",
            "python",
            "t.py",
        ),
        (("${program}", "${args_no_hyphens}"), "./t.py", "./t.py", None),
        (("${args_json}", "run"), None, "run", None),
        (("${envvar:TOOL}", "${args_json_file}"), None, "poetry", None),
        (("${envvar:ABSENT}", "${args}"), None, "ABSENT", None),
        (("${env}", "-i", "python", "${program}"), "t.py", None, "t.py"),
        (("${interpreter}", "-m", "${program}", "${args}"), "pkg.train", "python", None),
        (("/opt/bin/python3.12", "${program}"), "t.py", "/opt/bin/python3.12", "t.py"),
        (("uv", "run", "${program}"), "fit", "uv", None),
        (("bash", "-c", "x ${args}", 3), None, "bash", None),
        (("${env}",), None, None, None),
    ],
)
def test_what_is_started_and_what_it_reads(
    command: tuple[Any, ...], program: str | None, executable: str | None, file: str | None
) -> None:
    assert launch(sweep_of(*command, program=program), {"TOOL": "poetry", "HOME": "/h"}) == (executable, file)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), "neither `program` nor `command`"),
        (("python", "${program}"), "there is no `program`"),
        (("python", "t.py", "${arg}"), r"knows no \$\{arg\} and would leave it out; nearest known: \$\{args\}"),
        (("python", "t.py", "${envvar:home}"), "would leave it out"),
    ],
)
def test_a_command_that_would_run_nothing_or_lose_words_is_refused(command: tuple[Any, ...], expected: str) -> None:
    with pytest.raises(SweepError, match=expected):
        launch(sweep_of(*command), {})


@pytest.mark.parametrize(
    ("command", "trained"),
    [
        (("${env}", "kag", "train", "a.yaml", "${args}"), True),
        (("/opt/venv/bin/kag", "train", "a.yaml"), True),
        (("srun", "kag", "train", "a.yaml"), True),
        (("python", "-c", "from kag.cli.main import main; main()", "train", "a.yaml"), True),
        (("python", "-m", "kag.cli.main", "train", "a.yaml"), True),
        (("python", "train.py", "config.yaml", "${args}"), False),
        (("kagle", "train", "a.yaml"), False),
        (("kag", "eval", "train"), False),
        ((), False),
    ],
)
def test_only_kag_train_is_checked_against_a_spec(command: tuple[Any, ...], trained: bool) -> None:
    assert trains(sweep_of(*command)) is trained


def test_another_program_gets_what_the_client_reads_and_kag_train_what_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    text = "method: grid\nparameters: {lr: {values: [1e-4, 1.0e-3]}}\n"
    file.write_text(f"{text}program: t.py\n")
    assert read_sweep(file).parameters["lr"].values == ("1e-4", 1.0e-3)  # type: ignore[union-attr]
    file.write_text(f"{text}command: [kag, train, a.yaml, '${{args}}']\n")
    with pytest.raises(SweepError, match="W&B reads '1e-4'"):
        read_sweep(file)
    file.write_text("method: random\nprogram: t.py\nparameters: {lr: {min: 1e-4, max: 1.0}}\n")
    with pytest.raises(SweepError, match="W&B reads '1e-4'"):
        read_sweep(file)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("kag", "train", "s.yaml", "${args}"), ["kag", "train", "--runs", "there", "s.yaml", "${args}"]),
        (("srun", "-n2", "/b/kag", "train", "s.yaml"), ["srun", "-n2", "/b/kag", "train", "--runs", "there", "s.yaml"]),
        (("kag", "train", "s.yaml", "--runs", "own"), ["kag", "train", "s.yaml", "--runs", "own"]),
        (("kag", "train", "--runs=own", "s.yaml"), ["kag", "train", "--runs=own", "s.yaml"]),
        (("python", "train", "kag"), ["python", "train", "kag"]),
        ((), []),
    ],
)
def test_trials_of_kag_put_their_run_folders_where_the_call_says_unless_the_command_does(
    command: tuple[str, ...], words: list[str]
) -> None:
    assert with_runs(sweep_of(*command), "there") == words
