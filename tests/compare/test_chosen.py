"""Two searches against each other, as `kag sweep compare` tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kag.compare.chosen import chosen_apart, side_of
from kag.errors import RecordError
from kag.stats.selection import bagged, bbc_cv
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.view.words import find_run
from tests.cli.conftest import Kag, kag
from tests.scored_runs import write_scored

__all__ = ["kag"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The `base` runs are trials of the sweep 1a2b3c4d; `wide` stays two seeds of one setting."""
    write_scored(tmp_path / "runs")
    for place, folder in enumerate(RunFolder.all(tmp_path / "runs")):
        if "_base-" in folder.id:
            record = folder.read_record()
            config = record.config | {"model.dropout": place / 10}
            folder.write_record(record.model_copy(update={"sweep": "1a2b3c4d", "config": config}))
    return tmp_path / "runs"


def test_a_sweep_against_runs_of_two_seeds(kag: Kag, runs: Path) -> None:
    source = FolderSource(runs)
    trials = [record for record in source.records() if record.sweep]
    scores = [source.scores(record.id, "val") for record in trials]
    drawn = [bagged(one.value_N, one.label_N, one.unit_N, "auprc") for one in scores if one and one.label_N is not None]
    said = json.loads(kag("sweep", "compare", "1a2b", "wide-0", "--runs", str(runs), "--json").out)
    assert (said["a"]["name"], said["a"]["candidates"]) == ("1a2b3c4d", len(trials))
    assert said["a"]["value"] == pytest.approx(bbc_cv(drawn).value)
    assert said["b"]["candidates"] == 1
    assert sorted(said["b"]["best"]) == [find_run(runs, name).id for name in ("wide-0", "wide-1")]
    assert said["difference"] == pytest.approx(said["b"]["value"] - said["a"]["value"])
    assert said["corrected"] == pytest.approx(said["b"]["value"] - bbc_cv(drawn).corrected)
    assert said["interval"]["low"] <= said["corrected"] <= said["interval"]["high"]


def test_it_is_told_in_four_lines(kag: Kag, runs: Path) -> None:
    lines = kag("sweep", "compare", "wide-1", "1a2b3c4d", "--runs", str(runs)).out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("A = ")
    assert "not chosen, mean of 2 seeds" in lines[0]
    assert "best of 3" in lines[1]
    assert lines[3].startswith("B - A on proteins that had no part in the choices: ")
    assert lines[3].rpartition(": ")[2] in ("no difference shown", "told apart")


def test_what_cannot_be_told_is_refused(kag: Kag, runs: Path) -> None:
    done = kag("sweep", "compare", "none", "1a2b", "--runs", str(runs))
    assert (done.code, done.out) == (2, "")
    folder = find_run(runs, "base-1")
    (folder.path / "scores" / "val.npz").unlink()
    source = FolderSource(runs)
    sides = [side_of(word, list(source.records()), where="runs") for word in ("1a2b", "wide-0")]
    with pytest.raises(RecordError, match="kept no scores of val"):
        chosen_apart(sides[0], sides[1], source.scores)


def test_a_beginning_that_fits_two_sweeps_is_asked_for_more(runs: Path) -> None:
    folder = find_run(runs, "wide-0")
    folder.write_record(folder.read_record().model_copy(update={"sweep": "1a2bffff"}))
    records = list(FolderSource(runs).records())
    with pytest.raises(RecordError, match="1a2b3c4d or 1a2bffff"):
        side_of("1a2b", records, where="runs")
    assert side_of("1a2bf", records, where="runs").name == "1a2bffff"
