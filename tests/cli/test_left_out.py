"""Whatever is wrong with one run, the commands that look at all of them name it, leave it out, and do their work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from tests.cli.conftest import Kag

HUGE = int("9" * 400)
Harm = Callable[[RunFolder], Any]


def records(**words: Any) -> Harm:
    """A record with these fields."""
    return lambda folder: folder.record_file.write_text(
        json.dumps({**json.loads(folder.record_file.read_text()), **words})
    )


def holds_text(change: Callable[[str], str]) -> Harm:
    """A record whose text is changed."""
    return lambda folder: folder.record_file.write_text(change(folder.record_file.read_text()))


def holds(text: bytes, name: str = "record_file") -> Harm:
    """A file with this content."""
    return lambda folder: getattr(folder, name).write_bytes(text)


def is_pipe(folder: RunFolder) -> None:
    """A history that is waited for without end by whoever opens it."""
    folder.history_file.unlink()
    os.mkfifo(folder.history_file)


UNREADABLE: dict[str, Harm] = {
    "moment before the first year": records(start="0001-01-01T00:00:00+14:00"),
    "moment behind the last year": records(end="9999-12-31T23:59:59-14:00"),
    "newer layout": records(schema_version=99),
    "layout of no number": holds(b'{"schema_version": 1e999}'),
    "digits without end": holds(b'{"schema_version":' + b"9" * 5000 + b"}"),
    "brackets without end": holds(b"[" * 100_000),
    "no object": holds(b"[]"),
    "torn": holds(b'{"id": "x"'),
    "other letters": holds('{"id": "ä"}'.encode("utf-16")),
    "history of words": holds(b'{"epoch": "first"}\n', "history_file"),
    "history of lists": holds(b"[1]\n", "history_file"),
    "history without epochs": holds(b'{"val/auprc": 0.5}\n', "history_file"),
    "history that is a pipe": is_pipe,
    "notes in other letters": holds(b"\xff\xfe", "notes_file"),
}
ODD: dict[str, Harm] = {
    "no number that a float could be": records(epochs_trained=HUGE, best_epoch=HUGE),
    "settings of any type": records(config={"epochs": "many", "swa.start": "x", "optimizer.lr": HUGE, "loss": None}),
    "huge history": holds(b'{"epoch": 0, "val/auprc": ' + b"9" * 400 + b"}\n", "history_file"),
    "epochs that count nothing": holds(b'{"epoch": -5, "val/auprc": 0.5}\n{"epoch": 1e18}\n', "history_file"),
    "epoch of no end": holds(b'{"epoch": ' + b"9" * 400 + b', "val/auprc": 0.5}\n', "history_file"),
    "half a letter": holds_text(lambda text: text.replace('"odd"', '"odd", "change": "\\ud800"')),
    "its own parent": lambda folder: records(parent=folder.id, sources=[{"run": folder.id}])(folder),
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs; the tests do harm to the one called `odd`."""
    for name, day in (("good", 16), ("odd", 17)):
        start = datetime(2025, 10, day, 9, tzinfo=UTC)
        folder = RunFolder.create(tmp_path / "runs", name, start)
        config = {"epochs": 2, "optimizer.lr": 0.1}
        folder.write_record(RunRecord(id=folder.id, name=name, status="finished", start=start, config=config))
        folder.append_history({"epoch": 0, "train/loss": 0.5, "val/auprc": 0.4})
    return tmp_path / "runs"


@pytest.mark.parametrize("harm", [*UNREADABLE.values(), *ODD.values()], ids=[*UNREADABLE, *ODD])
def test_every_command_on_the_others_goes_on(runs: Path, kag: Kag, monkeypatch: pytest.MonkeyPatch, harm: Harm) -> None:
    monkeypatch.chdir(runs.parent)
    harm(next(folder for folder in RunFolder.all(runs) if folder.id.endswith("odd")))
    named = harm in UNREADABLE.values()
    for words in (
        ("changelog",),
        ("changelog", "--format", "csv"),
        ("doctor", "good"),
        ("report", "good", "--out", "good.html", "--force"),
    ):
        found = kag(*words)
        assert found.code == 0, found
        assert ("left out: " in found.error and "_odd" in found.error) is named, found
    assert "good" in kag("changelog").out
    listed = kag("runs", "list")
    assert (listed.code, "good" in listed.out) == (0, True), listed
    asked = kag("doctor", "odd")
    assert asked.code == (2 if named else 0), asked
    assert "Traceback" not in asked.error


def test_a_change_log_is_written_without_it_and_says_so_each_time(
    runs: Path, kag: Kag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.parent)
    holds(b"{")(next(folder for folder in RunFolder.all(runs) if folder.id.endswith("odd")))
    for said in ("written", "up to date"):
        found = kag("changelog", "--write", "LOG.md")
        assert found.code == 0
        assert said in found.error
        assert "left out: " in found.error
    assert "good" in Path("LOG.md").read_text()
