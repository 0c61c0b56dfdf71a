"""Environments with the oldest or newest dependencies that pyproject.toml allows, as far as they can be had."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV = Path(sys.executable).parent / "uv"
BOUND = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)")
LOCKED = re.compile(r"^([\w.-]+)==([\w.+]+)", re.MULTILINE)
APART = ("ray",)
"""Extras that no other test needs: half a gigabyte."""
OF_TORCH = ("torch", "lightning", "torchmetrics")
"""What goes where there is no torch."""
NONE = "none"
"""In place of a version of torch: without it."""


class Refused(Exception):
    """Dependencies cannot be installed; in uv's words."""


class Installed(NamedTuple):
    """An environment."""

    place: Path
    """Its folder; the environment is in `env` inside it."""
    version: str
    """Of Python."""
    torch: str | None
    newest: bool
    remarks: tuple[str, ...]
    """What is not as pyproject.toml has it, and why."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.place / "env" / "bin" / "python"

    def __str__(self) -> str:
        torch = f"torch {self.torch}" if self.torch else "without torch"
        return "; ".join([f"Python {self.version}, {torch}", *self.remarks])


class Try(NamedTuple):
    """A choice of torch, and what is said if it is taken."""

    pins: bool
    """Whether torch is pinned as the others are."""
    override: str
    """A line for uv; empty leaves it to the bounds."""
    remark: str = ""


def requirements(project: Mapping[str, Any]) -> list[str]:
    """Every dependency of the package and of its extras, as pyproject.toml writes them."""
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(line for name in extras if name not in APART for line in extras[name])]


def pins(lines: Iterable[str]) -> list[str]:
    """`name==bound` for each that has a lower bound."""
    return [f"{found[1]}=={found[2]}" for line in lines if (found := BOUND.match(line))]


def tries(torch: str | None, *, newest: bool) -> tuple[Try, ...]:
    """Which torch is tried, one after another; the first that can be had is taken. One that was asked for is alone."""
    never = "\n".join(f"{name}; sys_platform == 'none'" for name in OF_TORCH)
    if torch == NONE:
        return (Try(False, never),)
    if torch is not None:
        return (Try(False, f"torch=={torch}"),)
    lacking = Try(False, never, "torch has no build for this Python and machine: tests that need it are left out")
    if newest:
        return (Try(False, ""), lacking)
    return (Try(True, ""), Try(False, "", "the oldest torch has no build for this Python and machine"), lacking)


def interpreters(versions: Iterable[str]) -> dict[str, str]:
    """Version -> the interpreter, of those that are here.

    pyenv's commands answer for the versions alone that it is told to use, so it is told to use all of these.
    """
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [path.name for one in PYTHONS for path in sorted(folder.glob(f"{one}.*"))]
    env = {**os.environ, **({"PYENV_VERSION": ":".join(kept)} if kept else {})}
    find = [UV, "python", "find", "--no-python-downloads", "--no-project", "--system"]
    asked = {one: subprocess.run([*find, one], capture_output=True, text=True, env=env) for one in versions}
    return {one: done.stdout.strip() for one, done in asked.items() if done.returncode == 0}


def made(
    project: Mapping[str, Any],
    place: Path,
    interpreter: str,
    version: str,
    *,
    torch: str | None = None,
    newest: bool = False,
) -> Installed:
    """An environment with the oldest, or newest, of everything.

    Args:
        project: the table `project` of pyproject.toml.
        place: its folder, which is made anew.
        interpreter: of Python.
        version: of Python.
        torch: another version of torch than the oldest, or `NONE`.
        newest: the newest in place of the oldest.

    Raises:
        Refused: a bound cannot be had.
    """
    place.mkdir(parents=True, exist_ok=True)
    taken, locked = resolved(project, place, version, tries(torch, newest=newest), newest=newest)
    _done([UV, "venv", "--quiet", "--clear", "--python", interpreter, place / "env"])
    remarks = [taken.remark] if taken.remark else []
    remarks += [] if newest else raised(pins(requirements(project)), locked)
    found = Installed(place, version, locked.get("torch"), newest, tuple(remarks))
    _done([UV, "pip", "sync", "--quiet", *_links(), "--python", found.python, place / "lock.txt"])
    _done([UV, "pip", "install", "--quiet", "--no-deps", "--python", found.python, "--editable", ROOT])
    return found


def resolved(
    project: Mapping[str, Any], place: Path, version: str, choices: Sequence[Try], *, newest: bool
) -> tuple[Try, dict[str, str]]:
    """The first choice of torch that can be had, and every package with its version; `lock.txt` has them, too.

    Raises:
        Refused: none can, for which then not torch is at fault.
    """
    exact = pins(requirements(project)) if version == PYTHONS[0] and not newest else []
    extras = [word for name in project["optional-dependencies"] if name not in APART for word in ("--extra", name)]
    files = ["--constraints", place / "pins.txt", "--overrides", place / "other.txt", "--python-version", version]
    how = ["--resolution", "highest" if newest else "lowest-direct", "--only-binary", ":all:", "--quiet", *_links()]
    lock, refusals = place / "lock.txt", []
    for choice in choices:
        kept = exact if choice.pins else [pin for pin in exact if pin.partition("==")[0] not in OF_TORCH]
        (place / "pins.txt").write_text("".join(f"{pin}\n" for pin in kept))
        (place / "other.txt").write_text(f"{choice.override}\n")
        done = _run([UV, "pip", "compile", ROOT / "pyproject.toml", *extras, *files, *how, "--output-file", lock])
        if done.returncode == 0:
            return choice, dict(LOCKED.findall(lock.read_text()))
        refusals.append(done.stdout.strip())
    raise Refused(f"the dependencies cannot be installed; raise the bound in pyproject.toml\n{refusals[-1]}")


def raised(bounds: Iterable[str], locked: Mapping[str, str]) -> list[str]:
    """What is newer than its bound, in a sentence; nothing if nothing is."""
    pairs = [
        (name, bound, locked.get(name.lower(), bound)) for name, _, bound in (pin.partition("==") for pin in bounds)
    ]
    newer = [f"{name} {found} for {bound}" for name, bound, found in pairs if _public(found) > Version(bound)]
    return [f"newer than the bound, which cannot be had here: {', '.join(newer)}"] if newer else []


def _public(version: str) -> Version:
    """Without `+cpu`, which says how it was built."""
    return Version(Version(version).public)


def _links() -> list[str]:
    """Folders of wheels that pip looks into; uv does not read them from pip."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return [word for folder in folders for word in ("--find-links", folder)]


def _run(command: Iterable[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def _done(command: Iterable[str | Path]) -> None:
    done = _run(command)
    if done.returncode != 0:
        raise Refused(done.stdout.strip())
