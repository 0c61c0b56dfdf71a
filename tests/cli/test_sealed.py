"""`kag eval` on a sealed run: the one look, written down, kept with the run, and shown where a word stood before."""

from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path

import pytest

from kag.track import looks
from kag.track.folder import RunFolder
from kag.track.hold import locked
from tests.cli.conftest import Kag
from tests.delivered import delivered


@pytest.fixture
def folder(averaged_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The run, in a working folder of its own, as one that never looked at test."""
    shutil.copytree(averaged_run.path.parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    made = RunFolder(tmp_path / "runs" / averaged_run.id)
    record, config = made.read_record(), {"evaluate.test": "never"}
    results = tuple(one for one in record.results if one.split != "test")
    made.looks_file.unlink()
    made.write_record(record.model_copy(update={"results": results, "config": record.config | config, "looks": ()}))
    return made


def test_the_seal_is_broken_once_by_a_command_and_the_number_is_the_one_of_the_run(
    kag: Kag, folder: RunFolder, averaged_run: RunFolder
) -> None:
    assert re.search(r"^test +sealed *$", kag("runs", "show", "small").out, re.MULTILINE)
    assert "sealed" in kag("runs", "list").out
    assert "sealed" in kag("changelog").out
    before, wanted = folder.read_record(), averaged_run.read_record()

    done = kag("eval", "small", "--split", "test")
    assert (done.code, "has its test results now" in done.out) == (0, True), done.error
    record = folder.read_record()
    assert delivered(record, "test") == delivered(wanted, "test"), "as if its end had looked"
    (look,) = record.looks
    assert (look.by, look.weights_digest) == ("eval", delivered(record, "test").weights_digest)
    kept = record.model_copy(update={"looks": (), "results": before.results})
    assert kept == before, "nothing else has changed"
    assert "sealed" not in kag("runs", "list").out

    again = kag("eval", "small", "--split", "test", "--json")
    assert {row["split"] for row in json.loads(again.out)} == {"test"}
    assert "test results now" not in again.error
    after = folder.read_record()
    assert (after.results, len(after.looks)) == (record.results, 2)


def test_val_is_no_look_and_other_weights_than_the_delivered_are_no_result(kag: Kag, folder: RunFolder) -> None:
    assert kag("eval", "small").code == 0
    assert not folder.looks_file.exists()
    results = folder.read_record().results
    other = next(name for name in ("best", "averaged") if name not in _delivered_names(folder))
    assert kag("eval", f"small:{other}", "--split", "test").code == 0
    record = folder.read_record()
    assert (record.results, [one.by for one in record.looks]) == (results, ["eval"])


def _delivered_names(folder: RunFolder) -> set[str]:
    checkpoints = folder.read_record().checkpoints
    own = checkpoints["delivered"].weights_digest
    return {name for name, one in checkpoints.items() if one.weights_digest == own}


def test_what_is_mined_on_test_is_a_look(kag: Kag, folder: RunFolder) -> None:
    assert kag("mine", "small", "--split", "test", "--out", "hard.json").code == 0
    assert kag("mine", "small", "--out", "train.json").code == 0
    assert [(one.by, one.split) for one in folder.read_record().looks] == [("mine", "test")]


def test_a_look_while_the_run_is_trained_is_written_down(kag: Kag, folder: RunFolder) -> None:
    with locked(folder):
        done = kag("eval", "small", "--split", "test")
    assert (done.code, "not kept with the run" in done.out) == (0, True), done.error
    assert len(folder.read_record().looks) == 1
    assert {one.split for one in folder.read_record().results} == {"val"}


def test_a_look_that_cannot_be_written_down_is_said(
    kag: Kag, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shutil.copy(folder.best, tmp_path / "alone.ckpt")
    data = Path(str(folder.read_record().config["data.file"]))
    alone = kag("eval", "alone.ckpt", "--split", "test", "--data", data)
    assert (alone.code, "written down nowhere" in alone.out) == (0, True), alone.error
    monkeypatch.setattr(looks, "sync_folder", full)
    done = kag("eval", "small:best", "--split", "test")
    assert (done.code, "is not written down" in done.out) == (0, True), done.error
