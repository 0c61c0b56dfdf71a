"""Linters that came with the development dependencies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def lint() -> Callable[..., None]:
    """Run an installed program; it must have nothing to say."""

    def run(program: str, *words: str) -> None:
        found = Path(sys.executable).parent / program
        done = subprocess.run([str(found), *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run
