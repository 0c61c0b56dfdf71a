"""Which shapes the trials of sweeps have rehearsed with this code: what depends on these two alone is tried once."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import torch

from kag.errors import StorageError
from kag.spec.flat import Scalar, flat
from kag.track.atomic import write_atomically
from kag.track.code import TRAINING, code_digest
from kag.train.task import Task

FILE = ".rehearsed.json"
"""Beside the run folders."""

FORMAT = "kag-rehearsed"
"""By this mark a file of kag's is told from code (`kag.track.generated`)."""

MOST = 500
"""Digests that are kept, the newest."""

SHAPING = ("model.", "loss.", "trainer.precision", "epochs", "data.grouping")
"""Beginnings of the keys that decide which parts a model has, and which of them a loss reaches."""


def shape_digest(task: Task) -> str:
    """Digest of the code and of the shape of a task: its sizes, and of each number in model and loss its magnitude."""
    keys = {key: _magnitude(value) for key, value in flat(task.spec).items() if key.startswith(SHAPING)}
    whole = [code_digest(*TRAINING), torch.__version__, task.facts.sizes, sorted(keys.items())]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _magnitude(value: Scalar) -> Scalar:
    """A number's sign and its power of ten, which decide whether it is lost beside others; anything else as it is."""
    if not isinstance(value, float) or value == 0.0:
        return value
    return f"{math.copysign(1.0, value):g}e{math.floor(math.log10(abs(value)))}"


class Passed:
    """Shapes that have passed. What cannot be read or written is tried again: nothing is lost but time.

    Args:
        runs: folder of the run folders.
    """

    def __init__(self, runs: Path) -> None:
        self._file = runs / FILE

    def knows(self, digest: str) -> bool:
        """Whether a shape has passed."""
        return digest in self._digests()

    def add(self, digest: str) -> None:
        """A shape has passed."""
        kept = [known for known in self._digests() if known != digest]
        try:
            write_atomically(self._file, json.dumps({"format": FORMAT, "passed": [*kept, digest][-MOST:]}))
        except StorageError:
            return

    def _digests(self) -> list[str]:
        try:
            found = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return []
        passed = found.get("passed") if isinstance(found, dict) else None
        return [one for one in passed if isinstance(one, str)] if isinstance(passed, list) else []
