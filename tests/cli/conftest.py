"""What the tests of the command line share: faulty specs and files, and `kag` inside this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "data"):
    sys.path.insert(
        0, str(folder)
    )  # importlib mode keeps test folders, and so malformed_specs and _files, off the path


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    error: str


Kag = Callable[..., Outcome]


@pytest.fixture
def kag(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kag:
    """Run `kag` with these words in this process."""
    from kag.cli.main import main

    def run(*words: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["kag", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        assert code is None or isinstance(code, int)
        printed = capsys.readouterr()
        return Outcome(code or 0, printed.out, printed.err)

    return run
