"""Programs that kag starts for somebody: which Python runs them, and what is refused before anything starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kag.cli.programs import (
    ACTIVE,
    check_program,
    environment_for,
    knows_wandb,
    search_path,
    whose_python,
    with_kag_first,
)
from kag.errors import KagError, UserError
from kag.sweep import parse_sweep

OWN = str(Path(sys.executable).parent)


def interpreter(folder: Path, *, wandb: bool, name: str = "python") -> str:
    """A PATH on which a Python of its own is found; whether that finds wandb."""
    folder.mkdir()
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {0 if wandb else 1}\n")
    file.chmod(0o755)
    return str(folder)


def test_the_shells_python_runs_a_program_unless_it_has_no_wandb(tmp_path: Path) -> None:
    good, bad = interpreter(tmp_path / "good", wandb=True), interpreter(tmp_path / "bad", wandb=False)
    assert search_path({"PATH": good}, "python") == f"{good}{os.pathsep}{OWN}"
    chosen = search_path({"PATH": bad}, "bash")
    assert chosen == f"{OWN}{os.pathsep}{bad}"
    assert whose_python({"PATH": chosen}, {"PATH": bad}) == [
        f"python is {OWN}/python, kag's own: {bad}/python has no wandb"
    ]
    assert whose_python({"PATH": good}, {"PATH": good}) == []
    other = interpreter(tmp_path / "other", wandb=True, name="python3.99")
    assert search_path({"PATH": other}, "python3.99") == f"{other}{os.pathsep}{OWN}"


@pytest.mark.parametrize("active", ACTIVE)
def test_an_activated_environment_is_meant(tmp_path: Path, active: str) -> None:
    bad = interpreter(tmp_path / "bad", wandb=False)
    environment = {"PATH": bad, active: str(tmp_path)}
    environment["PATH"] = search_path(environment, "python")
    assert environment["PATH"].startswith(bad)
    with pytest.raises(UserError, match="has no wandb"):
        check_program("python", environment)


def test_a_folder_of_run_files_is_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.chdir(tmp_path)
    assert knows_wandb(sys.executable, os.environ)
    assert not knows_wandb(sys.executable, {**os.environ, "PYTHONHOME": "/nowhere"})


def test_what_cannot_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text, mode in (
        ("closed.sh", "echo", 0o644),
        ("bare.sh", "echo hello\n", 0o755),
        ("bare.py", "print()\n", 0o755),
        ("lost", "#!/nowhere/bash -e\n", 0o755),
        ("windows", "#!/bin/sh\r\n", 0o755),
        ("good", "#! /bin/sh -e\n", 0o755),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir()
    for name, *said in (
        ("", "there is no program ''"),
        ("no-such-program", "there is no program 'no-such-program'", "mind its name"),
        ("goodd", "there is no program 'goodd'", "nearest: good"),
        ("./bear.sh", "there is no program './bear.sh'", "nearest: ./bare.sh"),
        ("good.", "there is no program 'good.'"),
        ("windows", "on the PATH", "nearest: ./windows"),
        ("./folder", "'./folder' is a folder"),
        ("./closed.sh", "'./closed.sh' is not executable", "write `bash ./closed.sh`", "chmod +x ./closed.sh"),
        ("./bare.sh", "bare.sh:1", "does not say what runs it", "#!/usr/bin/env bash", "write `bash "),
        ("./bare.py", "bare.py:1", "does not say what runs it", "#!/usr/bin/env python", "write `python "),
        ("./lost", "lost:1", "names '/nowhere/bash'", "no such program"),
        ("./windows", "windows:1", r"names '/bin/sh\r'"),
    ):
        place = tmp_path if name == "goodd" else "/bin"
        with pytest.raises(UserError) as caught:
            check_program(name, {"PATH": str(place)})
        assert not [one for one in said if one not in str(caught.value)], str(caught.value)
    check_program("./good", {"PATH": "/bin"})


def test_a_sweep_is_refused_before_its_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, known = tmp_path / "s.yaml", {"method": "grid", "parameters": {"a": {"values": [1]}}}
    for more, expected in (
        ({"program": "absent.py"}, r"there is no file absent\.py"),
        ({"command": ["pythn", "t.py", "${args}"]}, "there is no program 'pythn'"),
        ({}, "neither `program` nor `command`"),
    ):
        with pytest.raises(KagError, match=expected) as caught:
            environment_for(parse_sweep({**known, **more}), file, {"PATH": "/bin"})
        assert (caught.value.exit_code, caught.value.where) == (2, str(file))
    trained = parse_sweep({**known, "command": ["kag", "train", "a.yaml", "${args}"]})
    assert environment_for(trained, file, {"PATH": "/bin"}) == {"PATH": with_kag_first({"PATH": "/bin"})}
    assert with_kag_first({"PATH": "/bin"}) == f"{OWN}{os.pathsep}/bin", "`kag` is found without activation"
