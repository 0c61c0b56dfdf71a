"""Which code this is: what was worked out by other code must not pass for its work."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import kag

TRAINING = ("spec", "stats", "model", "data", "weights", "forks", "train")
"""Parts whose code makes the numbers of a training."""


@cache
def code_digest(*parts: str) -> str:
    """SHA-256 over these packages and modules of kag: it changes with any line of them."""
    root = Path(kag.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(file for part in parts for file in (*root.glob(f"{part}.py"), *root.glob(f"{part}/**/*.py"))):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
