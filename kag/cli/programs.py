"""Programs that kag starts for somebody: which Python runs them, and whether they can start at all."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from kag.errors import UserError
from kag.sweep.program import is_python, launch

if TYPE_CHECKING:
    from kag.sweep import Sweep

_PROBE = "import importlib.util as u, sys; found = u.find_spec('wandb'); sys.exit(not found or not found.origin)"
"""A folder `wandb` with the files of runs would be found too, but has no origin."""

ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables of an environment that somebody has activated."""


def with_kag_first(environment: Mapping[str, str]) -> str:
    """A PATH on which `kag` and `python` are those of this process."""
    return f"{Path(sys.executable).parent}{os.pathsep}{_path(environment)}"


def search_path(environment: Mapping[str, str], executable: str) -> str:
    """The PATH for a program: the shell's own, or kag's Python first where the shell's has no wandb.

    An activated environment is never replaced: whoever has activated one means it.
    """
    given = _path(environment)
    python = shutil.which(executable if is_python(executable) else "python", path=given)
    if any(environment.get(name) for name in ACTIVE) or (python and knows_wandb(python, environment)):
        return f"{given}{os.pathsep}{Path(sys.executable).parent}"
    return with_kag_first(environment)


def whose_python(chosen: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """A line that says so where `python` is another one than the shell's."""
    python, shells = (shutil.which("python", path=_path(one)) for one in (chosen, given))
    return [f"python is {python}, kag's own: {shells} has no wandb"] if shells not in (None, python) else []


def check_program(executable: str, environment: Mapping[str, str], where: str | None = None) -> None:
    """Refuse what cannot start or cannot log: no program of that name, a script that does not say what runs it, or a
    Python without wandb.

    Raises:
        UserError: which of them, and what to do.
    """
    found = shutil.which(executable, path=_path(environment))
    if found is None:
        raise _not_found(executable, _path(environment), where)
    _check_first_line(Path(found), where)
    if is_python(executable) and not knows_wandb(found, environment):
        remedy = f"{shlex.join([executable, '-m', 'pip', 'install', 'wandb'])}, or activate the environment that has it"
        raise UserError(f"{found} has no wandb, so its program could log nothing", where=where, remedy=remedy)


def _not_found(executable: str, path: str, where: str | None) -> UserError:
    """What is wrong with a word that starts nothing."""
    here = Path(executable)
    if executable and here.is_dir():
        return UserError(f"{executable!r} is a folder, and no program", where=where, remedy="name a program inside it")
    if not here.is_file():
        known = {file.name for folder in path.split(os.pathsep) for file in _files(Path(folder))}
        folder, separator, _ = executable.rpartition(os.sep)
        beside = {f"{folder}{os.sep}{file.name}" for file in _files(here.parent)} if separator else set()
        nearest = get_close_matches(executable, sorted(known | beside), n=1)
        remedy = "mind its name, or give its path"
        what = f"there is no program {executable!r} to start"
        return UserError(what, where=where, nearest=next(iter(nearest), None), remedy=remedy)
    if os.access(here, os.X_OK):
        what = f"there is no program {executable!r} on the PATH, where names without a folder are looked for"
        return UserError(what, where=where, nearest=f".{os.sep}{executable}")
    quoted = shlex.quote(executable)
    remedy = f"write `{_runner(here)} {quoted}`, or make it executable: chmod +x {quoted}"
    return UserError(f"{executable!r} is not executable", where=where, remedy=remedy)


def _files(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where that is none or is closed."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _runner(script: Path) -> str:
    return "python" if script.suffix == ".py" else "bash"


def _check_first_line(program: Path, where: str | None) -> None:
    """Refuse a script that the system cannot start: of a text it starts what its first line names."""
    if not (program.is_file() and os.access(program, os.R_OK)):
        return
    with program.open("rb") as file:
        head = file.read(1024)
    runner = _runner(program)
    if head.startswith(b"#!"):
        # A carriage return at its end belongs to the name, as the system reads it.
        interpreter = os.fsdecode(head[2:].split(b"\n")[0]).replace("\t", " ").strip(" ").partition(" ")[0]
        if not Path(interpreter).is_file():
            what = f"the first line of {program} names {interpreter!r} to run it, and there is no such program"
            raise UserError(what, where=where or f"{program}:1", remedy=f"write `#!/usr/bin/env {runner}` there")
    elif b"\0" not in head:
        what = f"{program} is a script that does not say what runs it"
        remedy = f"begin it with the line `#!/usr/bin/env {runner}`, or write `{shlex.join([runner, str(program)])}`"
        raise UserError(what, where=where or f"{program}:1", remedy=remedy)


def environment_for(sweep: Sweep, file: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The variables with which the agents of a sweep start; `kag train` is always that of this process.

    Raises:
        SweepError: its file does not say what to run.
        UserError: what it says is not there, or could log nothing.
    """
    from kag.sweep.command import trains

    if trains(sweep):
        return {**given, "PATH": with_kag_first(given)}
    executable, program = launch(sweep, given, where=str(file))
    if program is not None and not Path(program).exists():
        remedy = "correct `program`; its path begins where kag is called"
        raise UserError(f"there is no file {program}, which `program` names", where=str(file), remedy=remedy)
    environment = {**given, "PATH": search_path(given, executable or "python")}
    if executable is not None:
        check_program(executable, environment, where=str(file))
    return environment


def knows_wandb(python: str, environment: Mapping[str, str]) -> bool:
    """Whether an interpreter finds W&B's client."""
    asked = subprocess.run([python, "-c", _PROBE], env=dict(environment), capture_output=True, check=False)
    return asked.returncode == 0


def _path(environment: Mapping[str, str]) -> str:
    return environment.get("PATH", os.defpath)
