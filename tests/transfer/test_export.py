"""`kag export`: what a source has, as tables and as event files, read back by the programs that they are for."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.errors import KagError, UserError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from tests.changelog.run_logs import make_folder, run_record
from tests.scored_runs import write_scored
from tests.track.made_scores import same_scores

ROWS = [
    {"epoch": 0.0, "val/auprc": 0.25, "lr": 0.1},
    {"epoch": 1.0, "val/auprc": math.nan, "lr": 0.05},
    {"epoch": 2.0, "val/auprc": math.inf},
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs."""
    for number, name in enumerate(("plain", "other")):
        record = run_record(number, name).model_copy(update={"config": {"lr": 0.1, "act": "relu" if number else 2}})
        make_folder(tmp_path / "runs", record, history=ROWS[: 3 - number])
    return tmp_path / "runs"


def export(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    if isinstance(done.exception, KagError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def long_form(ids: list[str]) -> list[tuple[str, float, str, float]]:
    return [
        (run, row["epoch"], key, value)
        for number, run in enumerate(ids)
        for row in ROWS[: 3 - number]
        for key, value in row.items()
        if key != "epoch"
    ]


def alike(found: list[tuple[str, float, str, float]], wanted: list[tuple[str, float, str, float]]) -> bool:
    """Whether two tables are the same, NaN as itself."""
    return [(a, b, c, repr(float(d))) for a, b, c, d in found] == [(a, b, c, repr(float(d))) for a, b, c, d in wanted]


def test_csv(runs: Path, tmp_path: Path) -> None:
    export("--to", "csv", "--out", str(tmp_path / "t"), "--runs", str(runs))
    with (tmp_path / "t" / "runs.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == ["plain", "other"]
    assert [(row["config.lr"], row["config.act"]) for row in table] == [("0.1", "2"), ("0.1", "relu")]
    with (tmp_path / "t" / "history.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["run", "place", "key", "value"]
    ids = [row["id"] for row in table]
    assert alike([(a, float(b), c, float(d)) for a, b, c, d in rows], long_form(ids))


def test_nothing_is_overwritten_without_being_asked(runs: Path, tmp_path: Path) -> None:
    words = ("--to", "csv", "--out", str(tmp_path / "t"), "--runs", str(runs))
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "history.csv").write_text("mine")
    with pytest.raises(UserError, match="file already"):
        export(*words)
    assert (tmp_path / "t" / "history.csv").read_text() == "mine"
    assert not (tmp_path / "t" / "runs.csv").exists(), "all is looked at before anything is written"
    export(*words, "--force")
    assert (tmp_path / "t" / "history.csv").read_text() != "mine"


def test_some_runs_alone_and_one_that_is_not_there(runs: Path, tmp_path: Path) -> None:
    assert "1 run in" in export("other", "--to", "csv", "--out", str(tmp_path / "t"), "--runs", str(runs))
    with pytest.raises(UserError, match="no run 'third'"):
        export("third", "--to", "csv", "--out", str(tmp_path / "t2"), "--runs", str(runs))


@pytest.mark.parametrize("form", ["parquet", "tensorboard"])
def test_an_extra_that_is_missing_is_named(
    form: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError) as caught:
        export("--to", form, "--out", str(tmp_path / "t"), "--runs", str(runs))
    assert f"kag[{form}]" in str(caught.value)
    assert not (tmp_path / "t").exists()


def test_parquet(runs: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export("--to", "parquet", "--out", str(tmp_path / "t"), "--runs", str(runs))
    table = parquet.read_table(tmp_path / "t" / "runs.parquet").to_pylist()
    assert [(row["config.lr"], row["config.act"]) for row in table] == [(0.1, "2"), (0.1, "relu")]
    rows = parquet.read_table(tmp_path / "t" / "history.parquet").to_pylist()
    ids = [row["id"] for row in table]
    assert alike([tuple(row.values()) for row in rows], long_form(ids))


def test_event_files_as_tensorboard_reads_them(runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export("--to", "tensorboard", "--out", str(tmp_path / "t"), "--runs", str(runs))
    ids = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert len(ids) == 2
    read = EventAccumulator(str(tmp_path / "t" / ids[0])).Reload()
    found = [(one.step, one.value) for one in read.Scalars("val/auprc")]
    assert found[0] == (0, 0.25)
    assert math.isnan(found[1][1])
    assert found[2] == (2, math.inf)
    assert [one.step for one in read.Scalars("lr")] == [0, 1]


def test_folders_are_read_as_the_runs_that_they_come_from(tmp_path: Path) -> None:
    write_scored(tmp_path / "runs")
    before = FolderSource(tmp_path / "runs")
    for folder in RunFolder.all(tmp_path / "runs"):
        record = folder.read_record()
        folder.write_record(record.model_copy(update={"config": record.config | {"data.file": "/secret/place/x.h5"}}))
        folder.checkpoints.mkdir(exist_ok=True)
        (folder.checkpoints / "best.ckpt").write_bytes(b"weights")
    RunFolder.all(tmp_path / "runs")[0].notes_file.write_text("kept\n")
    words = ["--to", "folders", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    export(*words)
    after = FolderSource(tmp_path / "out")
    for one in before.records():
        (same,) = (other for other in after.records() if other.id == one.id)
        assert same == one.model_copy(update={"config": one.config | {"data.file": "x.h5"}})
        assert after.history(one.id) == before.history(one.id)
        assert after.notes(one.id) == before.notes(one.id)
        for split in ("val", "test"):
            kept, copied = before.scores(one.id, split), after.scores(one.id, split)
            assert (kept is None and copied is None) or same_scores(kept, copied)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".ckpt"]
    assert not [path for path in (tmp_path / "out").rglob("*.json") if "secret" in path.read_text()]
    with pytest.raises(UserError):
        export(*words)


def test_of_a_run_that_cannot_be_read_no_folder_is_made_and_the_others_are(tmp_path: Path) -> None:
    write_scored(tmp_path / "runs")
    folder, *others = RunFolder.all(tmp_path / "runs")
    (folder.path / "scores" / "val.npz").write_bytes(b"broken")
    done = export("--to", "folders", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs"))
    assert f"{len(others)} runs in" in done
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(one.id for one in others)
