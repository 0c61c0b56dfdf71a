"""The tests with the oldest dependencies that pyproject.toml allows, on each Python that is here.

    .venv/bin/python -m tests.lowest                    # make lowest
    .venv/bin/python -m tests.lowest --python 3.11 tests/track tests/server
    .venv/bin/python -m tests.lowest --torch 2.13.0     # where no build of the oldest torch for CPUs can be had

On the oldest Python each bound is installed as it stands; one that cannot be is no bound, and ends this. A newer Python
has no builds of some: there the oldest that has one is taken. Torch is the build for CPUs: with `UV_TORCH_BACKEND=cpu`
from PyTorch's own index, else as pip is configured. What an old package warns of is its own business: warnings are no
errors here. Left out are tests that say that they are slow: they prove what kag does when it is killed, or at size,
by the same calls of the same packages as the others.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-lowest"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UV = Path(sys.executable).parent / "uv"
BOUND = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)")
APART = ("ray",)
"""Extras that no other test needs: half a gigabyte."""


def requirements(project: Mapping[str, Any]) -> list[str]:
    """Every dependency of the package and of its extras, as pyproject.toml writes them."""
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(line for name in extras if name not in APART for line in extras[name])]


def pins(lines: Iterable[str]) -> list[str]:
    """`name==bound` for each that has a lower bound."""
    return [f"{found[1]}=={found[2]}" for line in lines if (found := BOUND.match(line))]


def found(versions: Iterable[str]) -> dict[str, str]:
    """Version -> the interpreter, of those that are here."""
    asked = {one: _run([UV, "python", "find", "--no-python-downloads", "--system", one]) for one in versions}
    return {one: done.stdout.strip() for one, done in asked.items() if done.returncode == 0}


def install(version: str, interpreter: str, torch: str | None) -> Path:
    """An environment with the oldest of everything; its interpreter.

    Raises:
        SystemExit: a bound cannot be had, in uv's words.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    place = FOLDER / version
    place.mkdir(parents=True, exist_ok=True)
    wanted = requirements(project)
    exact = pins(wanted) if version == PYTHONS[0] else []
    (place / "pins.txt").write_text("".join(f"{pin}\n" for pin in exact if torch is None or not _is_torch(pin)))
    (place / "other.txt").write_text(f"torch=={torch}\n" if torch else "")
    lock, links = place / "lock.txt", _links()
    extras = [word for name in project["optional-dependencies"] if name not in APART for word in ("--extra", name)]
    asked = ["--constraints", place / "pins.txt", "--overrides", place / "other.txt", "--python-version", version]
    oldest = ["--resolution", "lowest-direct", "--only-binary", ":all:", "--quiet", *links]
    _done([UV, "pip", "compile", ROOT / "pyproject.toml", *extras, *asked, *oldest, "--output-file", lock])
    _done([UV, "venv", "--quiet", "--clear", "--python", interpreter, place / "env"])
    python = place / "env" / "bin" / "python"
    _done([UV, "pip", "sync", "--quiet", *links, "--python", python, lock])
    _done([UV, "pip", "install", "--quiet", "--no-deps", "--python", python, "--editable", ROOT])
    return python


def _is_torch(pin: str) -> bool:
    return pin.startswith("torch==")


def _links() -> list[str]:
    """Folders of wheels that pip looks into; uv does not read them from pip."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return [word for folder in folders for word in ("--find-links", folder)]


def _run(command: Iterable[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def _done(command: Iterable[str | Path]) -> None:
    done = _run(command)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}error: the oldest dependencies cannot be installed; raise the bound in pyproject.toml")


def main() -> int:
    """Install and test on each Python; 0 if all tests pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs=1, help="this Python alone", choices=PYTHONS)
    parser.add_argument("--torch", help="another torch than the oldest")
    parser.add_argument("tests", nargs="*", default=["tests"])
    words = parser.parse_args()
    here, failed = found(words.python or PYTHONS), []
    for version, interpreter in here.items():
        python = install(version, interpreter, words.torch)
        suite = ["-q", "-n", "2", "--dist", "worksteal", "-o", "filterwarnings=", "-m", "not slow", *words.tests]
        code = subprocess.run([python, "-m", "pytest", *suite], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
        failed += [version] if code.returncode != 0 else []
    print(f"tested with the oldest dependencies: Python {', '.join(here)}; failed: {', '.join(failed) or 'none'}")
    return 1 if failed or not here else 0


if __name__ == "__main__":
    sys.exit(main())
