"""What every command keeps that writes a file by an option. A new one is found here, and has to say what it reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from kag.cli.main import app
from kag.errors import KagError
from kag.spec import build_spec, spec_text
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.view.words import find_run
from tests.changelog.run_logs import make_folder, run_record
from tests.train.conftest import TINY

OUT = "OUT"
"""Stands for the output in the words of a command."""


@dataclass(frozen=True)
class Case:
    """A command, as far as its output is concerned. It runs in a folder with runs, data and a copy of weights."""

    words: tuple[str, ...]
    writes: str = OUT
    """The file itself, where the option names its folder."""
    reads: tuple[str, ...] = ()
    """Input files that are no files of a run."""
    replaces_its_own: bool = True
    """Whether it replaces what it wrote before without being asked."""
    forced: bool = True
    """Whether there is a --force."""


CASES = {
    "eval --out": Case(("eval", "copy.ckpt", "--out", OUT), reads=("sites.h5", "copy.ckpt")),
    "predict --out": Case(
        ("predict", "copy.ckpt", "--data", "sites.h5", "--out", OUT), reads=("sites.h5", "copy.ckpt")
    ),
    "mine --out": Case(("mine", "copy.ckpt", "--out", OUT), reads=("sites.h5", "copy.ckpt"), replaces_its_own=False),
    "windows --png": Case(("windows", "tiny", "--verify", "1", "--png", OUT), reads=("sites.h5",)),
    "report --out": Case(("report", "october", "--source", "markdown:log.md", "--out", OUT), reads=("log.md",)),
    "report --png": Case(
        ("report", "plain", "--runs", "plain", "--out", "page.html", "--png", OUT),
        writes=f"{OUT}/2025-10-01_00-00-00_plain-auprc.png",
    ),
    "changelog --write": Case(("changelog", "--write", OUT), reads=("runs/specs/planned/next.yaml",), forced=False),
    **{
        f"changelog --write, {form}": Case(
            ("changelog", "--source", "markdown:log.md", "--format", form, "--write", OUT), reads=("log.md",)
        )
        for form in ("json", "csv", "html")
    },
    "export --out": Case(
        ("export", "--source", "markdown:log.md", "--to", "csv", "--out", OUT),
        writes=f"{OUT}/runs.csv",
        replaces_its_own=False,
    ),
    "data synth OUT": Case(("data", "synth", OUT, "--proteins", "3", "--points", "9"), replaces_its_own=False),
}

WRITING = {
    "eval": "out",
    "predict": "out",
    "mine": "out",
    "windows": "png",
    "report": "out png",
    "changelog": "write",
    "data synth": "out",
    "export": "out",
}
"""Command -> its options that name what is written."""
OTHER = {
    "": "runs share data files tls_cert tls_key clusters",
    "init": "folder",
    "train": "runs share",
    "check": "spec_file",
    "sweep run": "target",
    "data check": "file",
    "changelog import": "file",
    "import tensorboard": "folder",
    "import mlflow": "store",
    "serve backup": "to",
    "serve restore": "source",
}
"""Command ("" for all) -> its other options that take a path: what is read, and folders that kag keeps."""


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    yield prefix, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{prefix} {name}".strip())


def test_no_option_that_takes_a_path_is_forgotten() -> None:
    found = [
        (name, option)
        for name, command in commands(typer.main.get_command(app))
        for option in command.params
        if getattr(option, "type_descriptor", None) and option.type_descriptor.is_path
    ]
    assert len(found) > 20, "paths are told from other values"
    for name, option in found:
        known = f"{WRITING.get(name, '')} {OTHER.get(name, '')} {OTHER['']}".split()
        assert option.name in known, f"kag {name}: does {option.opts[0]} write? Then it needs a case here"
    covered = {case.split(" -")[0].removesuffix(" OUT") for case in CASES}
    assert covered == set(WRITING)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Path:
    """A folder that nobody changes: a run, and outputs of three commands."""
    place = tmp_path_factory.mktemp("outputs")
    shutil.copy(synthetic_file, place / "sites.h5")
    spec = build_spec(TINY, {"data.file": str(place / "sites.h5"), "epochs": 2, "swa.start": 0, "swa.window": 2,
                             "swa.keep_sums": True})  # fmt: skip
    record = fit(spec, runs=place / "runs", console=RunConsole(quiet=True))
    folder = RunFolder(place / "runs" / record.id)
    renamed = RunFolder(place / "runs" / "2025-10-21_00-00-00_tiny")
    folder.path.rename(renamed.path)
    renamed.write_record(record.model_copy(update={"id": renamed.id}))
    shutil.copy(renamed.best, place / "copy.ckpt")
    planned = place / "runs" / "specs" / "planned" / "next.yaml"
    planned.parent.mkdir(parents=True)
    planned.write_text(spec_text(spec))
    make_folder(place / "plain", run_record(0, "plain"), history=[{"epoch": 0.0, "val/auprc": 0.2}])
    (place / "log.md").write_text(
        "| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |\n|---|---|---|---|---|\n"
        "| 2025-10-01_00-00-00_october | lower rate | `a.py` | 0.3 | 0.4 |\n"
    )
    for command in (
        f"report plain --runs {place}/plain --out {place}/page.html",
        f"changelog --source markdown:{place}/log.md --format html --write {place}/log.html",
        f"mine {place}/copy.ckpt --data {place}/sites.h5 --out {place}/mined.json",
    ):
        assert call(command.split())[0] == 0
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in; the weights name its data file."""
    shutil.copytree(made, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


def call(words: Sequence[str]) -> tuple[int, str]:
    """Exit code and message."""
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, KagError):
        return done.exception.exit_code, str(done.exception)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def words(case: Case, out: str, *, force: bool = False) -> list[str]:
    data = ["--data", "sites.h5"] if case.words[0] in ("eval", "mine", "windows") else []
    forced = ["--force"] if force and case.forced else []
    return [out if word == OUT else word for word in case.words] + data + forced


@pytest.mark.parametrize("name", CASES)
def test_it_replaces_its_own_earlier_output_and_nothing_else(place: Path, name: str) -> None:
    case = CASES[name]
    file = place / case.writes.replace(OUT, "new")
    code, said = call(words(case, "new"))
    assert code == 0, said
    first = file.read_bytes()
    code, said = call(words(case, "new"))
    assert code == (0 if case.replaces_its_own else 2), said
    if not case.replaces_its_own:
        assert file.read_bytes() == first
    file.write_bytes(foreign := b"---\nname: somebody's\n")
    code, said = call(words(case, "new"))
    assert code == 2
    assert str(file.relative_to(place)) in said
    assert "remedy" in said
    assert file.read_bytes() == foreign
    if case.forced:
        code, said = call(words(case, "new", force=True))
        assert code == 0, said
        assert file.read_bytes()[:8] == first[:8]
    assert not list(file.parent.glob(".*.tmp"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.replaces_its_own and case.forced])
def test_the_mark_tells_its_kind_from_those_of_other_commands(place: Path, name: str) -> None:
    case = CASES[name]
    own = {"report --out": "page.html", "changelog --write, html": "log.html"}
    for other in ("page.html", "log.html", "mined.json", "sites.h5"):
        if own.get(name) != other:
            file = place / case.writes.replace(OUT, "new")
            file.parent.mkdir(exist_ok=True)
            shutil.copy(other, file)
            assert call(words(case, "new"))[0] == 2, other
            assert file.read_bytes() == Path(other).read_bytes()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.reads])
def test_what_it_reads_is_never_written_to(place: Path, name: str) -> None:
    for read in map(Path, CASES[name].reads):
        kept = read.read_bytes()
        os.link(read, hard := Path(f"{read}.hard"))
        Path(soft := "soft").symlink_to(read.absolute())
        for word in (str(read), str(hard), soft):
            code, said = call(words(CASES[name], word, force=True))
            assert code == 2, said
            assert "reads it" in said, said
            assert read.read_bytes() == hard.read_bytes() == kept
        Path(soft).unlink()
        hard.unlink()


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_never_written_to_and_a_folder_is_no_file(place: Path, name: str) -> None:
    case = CASES[name]
    folder = find_run(Path("runs"), "tiny")
    for word in ("record.json", "checkpoints/best.ckpt", "new"):
        file = folder.path / case.writes.replace(OUT, word)
        kept = file.read_bytes() if file.is_file() else None
        code, said = call(words(case, str(folder.path / word), force=True))
        assert code == 2, said
        assert (file.read_bytes() if file.is_file() else None) == kept
    os.mkfifo(place / "pipe") if case.writes == OUT else (place / case.writes.replace(OUT, "pipe")).mkdir(parents=True)
    code, said = call(words(case, "pipe", force=True))
    assert code == 2
    assert "no file" in said
