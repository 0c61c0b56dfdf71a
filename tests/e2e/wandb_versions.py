"""Wandb clients of other versions, and programs of other people, in folders of their own that are kept for later."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from filelock import FileLock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.installed import UV

ROOT = Path(__file__).parents[2]
CACHE = "KAG_WANDB_CLIENTS"
"""Environment variable that names the folder of the environments; else `.venv-clients` of the repository."""

VERSIONS = ("0.18.7", "0.19.11", "0.21.0", "0.22.3", "0.24.2", "0.26.1")
"""Clients beside the newest one that `make clients` tries every feature with."""

OLDEST = "0.18.7"
"""The oldest client that the server is tested with; kag itself needs a newer one."""

INSTALLERS = (
    (str(UV), "pip", "install", "--quiet", "--python", sys.executable),
    (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
)
"""uv takes a tenth of pip's time; where it finds nothing, pip may be set up to. Python compiles what is imported."""


class NotFetched(Exception):
    """A client could not be had; says why."""


def lowest() -> str:
    """The oldest client that kag's own dependencies allow."""
    return _named(ROOT / "pyproject.toml", r'"wandb>=([\d.]+),')


def newest() -> str:
    """The client that is locked for kag itself."""
    return _named(ROOT / "docker" / "constraints.txt", r"(?m)^wandb==([\d.]+)$")


def _named(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text())
    if found is None:
        raise LookupError(f"{file.name} names no wandb")
    return found[1] if found[1].count(".") == 2 else f"{found[1]}.0"


def python_with(version: str) -> Path:
    """The interpreter of an environment that holds this client and what it needs, nothing else.

    Raises:
        NotFetched: it cannot be had.
    """
    with _kept(f"wandb-{version}") as (folder, is_complete):
        if not is_complete:
            venv.create(folder, with_pip=False, clear=True)
            (packages,) = folder.glob("lib/python*/site-packages")
            if metadata.version("wandb") == version:
                _link_all_of("wandb", packages)
            else:
                _install(packages, f"wandb=={version}")
    return folder / "bin" / "python"


def _link_all_of(name: str, place: Path) -> None:
    """Put a package of this environment, and what it needs, into another one, where it is compiled already."""
    known = {canonicalize_name(name)}
    waiting = [name]
    while waiting:
        found = metadata.distribution(waiting.pop())
        tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        for top in (top for top in tops if not (place / top).exists()):  # packages may share a name space
            (place / top).symlink_to(Path(str(found.locate_file(top))))
        wanted = {Requirement(line) for line in found.requires or ()}
        new = {
            canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})
        }
        waiting += new - known
        known |= new


def python_of(version: str) -> Path:
    """The interpreter of a client: this one, if it has just that client.

    Raises:
        NotFetched: it cannot be had.
    """
    return Path(sys.executable) if metadata.version("wandb") == version else python_with(version)


def packages_of(requirements: Path) -> Path:
    """A folder for the module search path with exactly these packages, for this interpreter.

    Raises:
        NotFetched: they cannot be had.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    with _kept(f"{requirements.parent.name}-{digest}") as (folder, is_complete):
        if not is_complete:
            _install(folder, "--no-deps", "--upgrade", "--requirement", str(requirements))
    return folder


@contextmanager
def _kept(name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that is filled once, and whether it has been."""
    cache = Path(os.environ.get(CACHE, ROOT / ".venv-clients"))
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-python-{sys.version_info.major}.{sys.version_info.minor}"
    complete = folder / "complete"
    with FileLock(cache / f"{folder.name}.lock"):
        yield folder, complete.exists()
        complete.touch()


def _install(place: Path, *words: str) -> None:
    reasons = []
    for installer in INSTALLERS:
        done = subprocess.run([*installer, "--target", str(place), *words], capture_output=True, text=True)
        if done.returncode == 0:
            return
        reasons += done.stderr.strip().splitlines()[-1:]
    raise NotFetched(f"{words[-1]} cannot be had: {'; '.join(reasons)}")
