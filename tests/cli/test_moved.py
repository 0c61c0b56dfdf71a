"""Runs that came from another machine: every command that reads their data finds them by digest, and says where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kag.track.folder import RunFolder
from tests.cli.conftest import Kag


@pytest.fixture
def place(
    averaged_run: RunFolder, synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder with the runs and the data under another name, while the data are gone from where they were."""
    shutil.copytree(averaged_run.path.parent, tmp_path / "runs")
    data = synthetic_file.rename(tmp_path / "proteins.h5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAG_DATA", raising=False)
    yield tmp_path
    data.rename(synthetic_file)


@pytest.mark.parametrize(
    "words",
    [
        ("eval", "small", "--json"),
        ("blend", "small:best", "small:averaged", "--weights", "0.5,0.5", "--json"),
        ("mine", "small", "--out", "hard.json", "--json"),
    ],
)
def test_a_command_finds_the_data_of_a_moved_run(kag: Kag, place: Path, words: tuple[str, ...]) -> None:
    done = kag(*words)
    assert done.code == 0, done.error
    assert json.loads(done.out)
    assert f"they are at {place / 'proteins.h5'}" in done.error
    if words[0] == "blend":
        made = RunFolder(place / "runs" / json.loads(done.out)["run"]).read_record()
        assert made.config["data.file"] == str(place / "proteins.h5")


def test_a_moved_run_is_resumed_on_its_data_and_the_record_keeps_where_they_were(
    kag: Kag, place: Path, averaged_run: RunFolder
) -> None:
    done = kag("train", "--resume", "small", "swa=null", "epochs=3", "--accept", "epochs", "--accept", "swa")
    folder = RunFolder(place / "runs" / averaged_run.id)
    assert done.code == 0, done.error
    record = folder.read_record()
    assert record.config["data.file"] == str(place / "proteins.h5")
    former = record.resumes[0].before
    assert former is not None
    assert former.config["data.file"] == averaged_run.read_record().config["data.file"]


@pytest.mark.parametrize(
    ("words", "option"),
    [(("eval", "small"), "--data FILE"), (("train", "--again", "small"), "data.file=FILE")],
)
def test_data_that_are_nowhere_are_an_error_that_names_the_option(
    kag: Kag, place: Path, words: tuple[str, ...], option: str
) -> None:
    hidden = (place / "proteins.h5").rename(place / "proteins.gone")
    try:
        done = kag(*words)
    finally:
        hidden.rename(place / "proteins.h5")
    assert done.code == 2
    assert option in done.error
    assert "KAG_DATA" in done.error
    assert str(place / "runs") in done.error


def test_a_recipe_is_printed_and_nothing_is_trained(kag: Kag, place: Path) -> None:
    done = kag("train", "--again", "small", "--recipe")
    assert done.code == 0, done.error
    assert 'kag train "$RUN/spec.yaml"' in done.out
    assert len(RunFolder.all(place / "runs")) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--again", "small", "--resume", "small"), "--again has the spec of its run"),
        (("spec.yaml", "--again", "small"), "--again has the spec of its run"),
        (("spec.yaml", "--recipe"), "--recipe goes with --again"),
        (("--again", "nobody"), "no run 'nobody'"),
    ],
)
def test_options_that_do_not_go_together(kag: Kag, place: Path, words: tuple[str, ...], says: str) -> None:
    done = kag("train", *words)
    assert (done.code, says in done.error) == (2, True), done.error


def test_a_run_again_has_a_name_of_its_own(kag: Kag, place: Path, averaged_run: RunFolder) -> None:
    done = kag("train", "--again", "small", "--json")
    assert done.code == 0, done.error
    record = json.loads(done.out)
    assert (record["name"], record["again"]["run"], record["again"]["same"]) == ("small-again", averaged_run.id, True)
    assert kag("runs", "show", "small-again").out.count("the same weights, bit for bit") == 1
    assert kag("runs", "show", "small").code == 0, "the first one's name still stands for it alone"
    assert json.loads(kag("train", "--again", "small-again", "name=third", "--json").out)["name"] == "third"


def test_a_blend_is_no_training_that_could_be_repeated(kag: Kag, place: Path) -> None:
    assert kag("blend", "small:best", "small:averaged", "--weights", "0.5,0.5", "--name", "soup").code == 0
    done = kag("train", "--again", "soup")
    assert (done.code, "not a training" in done.error, "kag runs show" in done.error) == (2, True, True)
