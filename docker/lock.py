"""Write the locks of the images: each package with the digests of the files that PyPI has of its version.

    .venv/bin/python docker/lock.py            # writes docker/*.lock, from PyPI
    .venv/bin/python docker/lock.py --check    # exit code 1 if they do not fit the constraints; without a network

What is locked is what the installed packages ask for, in the versions of docker/constraints.txt; so it runs in the
environment of `make install`. torch is in no lock: its build for CPUs comes from an index of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
MACHINES = ("x86_64", "aarch64")
PYTHON = "3.11"
GLIBC = 36
"""Python and C library of the base image, Debian 12: 2.36."""
ELSEWHERE = "torch"
"""It comes from another index, and what it needs besides with it."""


def closure(requirements: Iterable[str]) -> set[str]:
    """Names of the packages that requirements lead to in this environment."""
    found: dict[str, set[str]] = {}
    todo = [Requirement(line) for line in requirements]
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        if name in found and asked.extras <= found[name]:
            continue
        extras = found.setdefault(name, set())
        extras |= asked.extras
        inner = map(Requirement, distribution(name).requires or ())
        todo += [one for one in inner if _applies(one, extras)]
    return set(found)


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker, there = requirement.marker, {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    return marker is None or any(marker.evaluate({**there, "extra": extra}) for extra in ("", *extras))


def wanted() -> dict[str, set[str]]:
    """File -> names of its packages."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    plain, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    return {
        "builder.lock": {canonicalize_name(Requirement(line).name) for line in project["build-system"]["requires"]},
        "serve.lock": closure([*plain, *extras["postgresql"], *extras["s3"]]),
        "train.lock": closure([*plain, *extras["train"]]) - {ELSEWHERE},
    }


def pinned() -> dict[str, str]:
    """Package -> version, of both files of constraints."""
    lines = [line for file in sorted(FOLDER.glob("constraints*.txt")) for line in file.read_text().splitlines()]
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def digests(pins: Iterable[str]) -> Mapping[str, list[str]]:
    """Package -> digests of the files that pip would take on each kind of machine, as PyPI has them."""
    found: dict[str, list[str]] = defaultdict(list)
    for machine in MACHINES:
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
        platforms = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
        words = ["--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--only-binary=:all:", "--target=unused"]
        words += [f"--python-version={PYTHON}", "--report=-", *platforms]
        pip = [sys.executable, "-m", "pip", "install", *words, *pins]
        for each in json.loads(subprocess.run(pip, check=True, stdout=subprocess.PIPE).stdout)["install"]:
            name, file = canonicalize_name(each["metadata"]["name"]), each["download_info"]
            if file["url"].startswith("file:"):
                raise SystemExit(f"{name}: pip took {file['url']}, which others do not have; see `pip config list`")
            found[name].append(file["archive_info"]["hashes"]["sha256"])
    return found


def locked(file: Path) -> dict[str, str]:
    """Package -> version of a lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)(?: \\\n +--hash=sha256:[0-9a-f]{64})+$", file.read_text(), re.MULTILINE))


def write(packages: Mapping[str, set[str]], versions: Mapping[str, str]) -> None:
    """Renew all locks."""
    pins = [f"{name}=={versions[name]}" for name in sorted(set().union(*packages.values()))]
    known = digests(pins)
    for file, names in packages.items():
        lines = ["# Written by docker/lock.py"]
        for name in sorted(names):
            lines.append(" \\\n    ".join([f"{name}=={versions[name]}", *_options(known[name])]))
        (FOLDER / file).write_text("\n".join(lines) + "\n")


def _options(sums: Iterable[str]) -> list[str]:
    return [f"--hash=sha256:{one}" for one in sorted(set(sums))]


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    only_check = parser.parse_args().check
    packages, versions = wanted(), pinned()
    if not only_check:
        write(packages, versions)
    stale = [
        file for file, names in packages.items() if locked(FOLDER / file) != {name: versions[name] for name in names}
    ]
    if stale:
        raise SystemExit(f"{', '.join(stale)}: stale; `python docker/lock.py` renews the locks")


if __name__ == "__main__":
    main()
