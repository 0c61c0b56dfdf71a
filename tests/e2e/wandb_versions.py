"""Wandb clients of other versions, each in an environment of its own that is kept for the next time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[2]
CACHE = "KAG_WANDB_CLIENTS"
"""Environment variable that names the folder of the environments; else `.venv-clients` of the repository."""

VERSIONS = ("0.18.7", "0.19.11", "0.21.0", "0.22.3", "0.24.2", "0.26.1")
"""Clients beside the newest one that `make clients` tries every feature with."""

OLDEST = "0.21.0"
"""The oldest client that the server is tested with; kag itself needs a newer one."""


class NotFetched(Exception):
    """Pip could not get a client; says why."""


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
        NotFetched: pip could not get it.
    """
    cache = Path(os.environ.get(CACHE, ROOT / ".venv-clients"))
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"wandb-{version}-python-{sys.version_info.major}.{sys.version_info.minor}"
    python, complete = folder / "bin" / "python", folder / "complete"
    with FileLock(cache / f"{folder.name}.lock"):
        if complete.exists():
            return python
        venv.create(folder, with_pip=False, clear=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        done = subprocess.run([*pip, "install", "--quiet", f"wandb=={version}"], capture_output=True, text=True)
        if done.returncode != 0:
            raise NotFetched(f"pip could not get wandb {version}: {done.stderr.strip().splitlines()[-1]}")
        complete.touch()
    return python
