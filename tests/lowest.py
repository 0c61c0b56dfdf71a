"""The tests with the oldest (or newest) dependencies that pyproject.toml allows, on each Python that is here.

    .venv/bin/python -m tests.lowest                    # make lowest
    .venv/bin/python -m tests.lowest --python 3.11 tests/track tests/server
    .venv/bin/python -m tests.lowest --torch 2.13.0     # where the oldest torch cannot be had, or only with CUDA's 3 GB
    .venv/bin/python -m tests.lowest --torch none       # what needs no torch
    .venv/bin/python -m tests.lowest --newest

On the oldest Python each bound is installed as it stands; one that cannot be is no bound, and ends this. A newer Python
has no builds of some: there the oldest that has one is taken, and said. Torch is the build for CPUs: with
`UV_TORCH_BACKEND=cpu` from PyTorch's own index, else as pip is configured. Where the oldest torch has no build for this
machine, the oldest that has one is taken; where none has, tests that need torch are left out. What an old package warns
of is its own business: only with the newest are warnings errors. Left out are tests that say that they are slow: they
prove what kag does when it is killed, or at size, by the same calls of the same packages as the others; and those of
the images, which hold the locked versions.

At the end stands what was tested on which Python, and what was not, and why.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from tests.installed import NONE, PYTHONS, Installed, Refused, interpreters, made
from tests.warm import OLD_PACKAGES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-lowest"
COUNTED = ("tests", "skipped", "failures", "errors")


class Tested(NamedTuple):
    """What came of the tests on one Python."""

    installed: Installed
    code: int
    """Exit code of pytest."""
    counts: dict[str, int] | None
    """By `COUNTED`; None if pytest never came to its end."""

    @property
    def passed(self) -> bool:
        """Whether there were tests, and each passed or was skipped."""
        return self.code == 0 and self.counts is not None and self.counts["tests"] > self.counts["skipped"]

    def __str__(self) -> str:
        counts = self.counts
        if counts is None:
            what = f"broke off with exit code {self.code}"
        else:
            passed = counts["tests"] - sum(counts[name] for name in COUNTED[1:])
            what = ", ".join([f"{passed} passed", *(f"{counts[name]} {name}" for name in COUNTED[1:])])
        return f"{'passed' if self.passed else 'FAILED'}: {self.installed}: {what}"


def tested(installed: Installed, tests: Iterable[str], *, workers: int) -> Tested:
    """Run tests in an environment."""
    told = installed.place / "tests.xml"
    told.unlink(missing_ok=True)
    words = ["-q", "-rfE", "-n", str(workers), "--dist", "worksteal", "-m", "not slow", "--junitxml", str(told)]
    words += ["--ignore", "tests/docker"]
    words += [] if installed.newest else ["-o", "filterwarnings="]
    words += ["-p", "tests.without_torch"] if installed.torch is None else []
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": path,
        **({} if installed.newest else {OLD_PACKAGES: "1"}),
    }
    done = subprocess.run([installed.python, "-m", "pytest", *words, *tests], cwd=ROOT, env=env)
    return Tested(installed, done.returncode, counted(told))


def counted(told: Path) -> dict[str, int] | None:
    """Numbers of tests, as pytest wrote them; None if it did not come to that."""
    if not told.is_file():
        return None
    suites = list(ElementTree.parse(told).getroot().iter("testsuite"))
    return {name: sum(int(suite.get(name, 0)) for suite in suites) for name in COUNTED}


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="this Python alone; may be repeated", choices=PYTHONS)
    parser.add_argument("--torch", help=f"another torch than the oldest (newest), or {NONE}")
    parser.add_argument("--newest", action="store_true", help="the newest dependencies in place of the oldest")
    parser.add_argument("--install", action="store_true", help="only install: say what can be had")
    parser.add_argument("--workers", type=int, default=2, help="processes that test at once")
    parser.add_argument("tests", nargs="*", default=["tests"])
    return parser.parse_args()


def main() -> int:
    """Install and test on each Python; 0 if all tests pass on every Python that was asked for or is here."""
    words = _words()
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = words.python or PYTHONS
    here = interpreters(asked)
    lines, failed = [], []
    for version in asked:
        if version not in here:
            lines.append(f"left out: Python {version}: there is no such interpreter here")
            failed += [version] if words.python else []
            continue
        try:
            place = FOLDER / ("newest" if words.newest else "oldest") / version
            installed = made(project, place, here[version], version, torch=words.torch, newest=words.newest)
        except Refused as refused:
            lines.append(f"FAILED: Python {version}: {refused}")
            failed.append(version)
            continue
        if words.install:
            lines.append(f"installed: {installed}")
            continue
        done = tested(installed, words.tests, workers=words.workers)
        lines.append(str(done))
        failed += [] if done.passed else [version]
    print("\n".join(["", f"with the {'newest' if words.newest else 'oldest'} dependencies:", *lines]))
    return 1 if failed or not here else 0


if __name__ == "__main__":
    sys.exit(main())
