"""What the tests of the command line share: faulty specs and files, and `kag` inside this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from kag.track.folder import RunFolder

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

    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["kag", *map(str, words)])
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


@pytest.fixture(scope="session")
def averaged_run(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run `small` with an average of its weights; whoever changes it copies its folder of runs."""
    from small_spec import SMALL

    from kag.spec import build_spec
    from kag.train.console import RunConsole
    from kag.train.fit import fit
    from kag.view.words import find_run

    runs = tmp_path_factory.mktemp("averaged") / "runs"
    swa = {"swa": {"start": 1, "window": 1, "anneal_epochs": 0}, "model.auxiliary": None}
    fit(build_spec(SMALL, {"data.file": str(synthetic_file), **swa}), runs=runs, console=RunConsole(quiet=True))
    return find_run(runs, "small")
