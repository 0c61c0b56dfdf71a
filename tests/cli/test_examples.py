"""Every example in the help of a command is run as it is printed, or says which test runs its like."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_help import EVERY, examples

from kag.cli import main as entry
from kag.spec import build_spec, spec_text
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.changelog.run_logs import run_record
from tests.cli.forked import BUILT, forked
from tests.cli.workplace import LOG, load_all, make_workplace
from tests.pages import ROOT
from tests.train.conftest import TINY

EXAMPLES = sorted({part for command in EVERY.values() for line in examples(command) for part in line.split("; ")})
OCTOBER = {
    "oct16": "2025-10-16_09-04-10_oct16",
    "oct17": "2025-10-21_12-48-11_oct17",
    "oct17-swa": "2025-10-22_08-00-00_oct17-swa",
    "swa": "2025-10-23_08-00-00_swa",
}
"""Runs that the examples name -> their ids."""
ELSEWHERE = {
    r"kag (page|serve --port .*)": "tests/test_readme.py::test_the_pages_are_followed_from_a_clone_to_the_last_command",
    r"kag track .*": "tests/test_own_program.py::test_the_script_has_the_log_that_is_shown",
    r"kag runs watch .*": "tests/cli/test_every_command.py::test_a_narrow_terminal",
}
"""Examples that go on until Ctrl-C, need a server or another program -> the test that runs their like."""


def rest_of(example: str) -> str | None:
    """The test that runs the like of an example, if this one does not."""
    return next((test for pattern, test in ELSEWHERE.items() if re.fullmatch(pattern, example)), None)


HERE = [example for example in EXAMPLES if rest_of(example) is None]


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Path:
    """A folder in which all that the examples name is there."""
    load_all()
    place = tmp_path_factory.mktemp("october")
    make_workplace(place, synthetic_file)
    shutil.rmtree(place / "runs")
    (place / "server").rename(place / "kag-server")
    (place / "data").mkdir()
    for name in ("data/sites.h5", "coach420.h5", "new_proteins.h5"):
        shutil.copy(synthetic_file, place / name)
    (place / "MODEL_CHANGELOG_OCT2025.md").write_text(LOG)
    (place / "demo.yaml").write_text(spec_text(build_spec(TINY, {"data.file": "sites.h5", "epochs": 12})))
    settings = {"data.file": str(place / "sites.h5"), "epochs": 32}
    settings |= {"swa.start": 26, "swa.window": 6, "swa.keep_sums": True}
    record = fit(build_spec(TINY, settings), runs=place / "runs", console=RunConsole(quiet=True))
    made = place / "runs" / record.id
    for name, identifier in OCTOBER.items():
        folder = RunFolder(shutil.copytree(made, place / "runs" / identifier))
        start = datetime.strptime(identifier[:19], "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
        folder.write_record(record.model_copy(update={"id": identifier, "name": name, "start": start}))
    shutil.rmtree(made)
    return place


@pytest.fixture
def place(october: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(october, tmp_path / "w", symlinks=True)
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setattr(entry, "app", BUILT)
    return tmp_path / "w"


@pytest.mark.parametrize("example", HERE)
def test_an_example_works_as_it_is_printed(example: str, place: Path) -> None:
    done = forked(shlex.split(example.partition(" > ")[0])[1:])
    assert done.code == 0, done
