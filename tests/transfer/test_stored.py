"""What MLflow and TensorBoard have kept becomes runs of a server: all of it, once, and what is new the second time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kag.errors import NotTaken, UserError
from kag.transfer.carry import Carried, carry
from kag.transfer.facts import Origin, RunFacts
from kag.transfer.mlflow_origin import MlflowOrigin
from kag.transfer.stored import run_id_of
from kag.transfer.tensorboard_origin import TensorboardOrigin
from tests.transfer.in_process import InProcess

RUN = "e81526f90c934391bc5679dc61deee11"
META = """artifact_uri: file:///moved/away
end_time: 1796026606214
experiment_id: '5073'
lifecycle_stage: {stage}
run_id: {run}
run_name: by hand
start_time: 1796026605965
status: 3
"""
"""As MLflow 3.17 writes it."""
WORDS = """CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR(256));
CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), status VARCHAR(9), start_time BIGINT, end_time BIGINT,
  lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER);
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32),
  step BIGINT, is_nan BOOLEAN);
"""


def brought(origin: Origin, target: InProcess) -> Carried:
    return carry(origin, target, lambda *_: None)


def run_of(target: InProcess, name: str) -> dict[str, Any]:
    fields = """run(name: $r) { displayName config summaryMetrics notes tags group createdAt heartbeatAt state exitcode
      history(minStep: -10, maxStep: 1000, samples: 5000) historyLineCount
      files { edges { node { name sizeBytes } } } }"""
    found = target.fields(fields, "$r: String!", r=name)
    assert found is not None
    run: dict[str, Any] = found["run"]
    return run | {"history": [json.loads(row) for row in run["history"]]}


def file_store(place: Path) -> Path:
    """A store with a run, one that was deleted, and one whose record is torn."""
    for run, stage in ((RUN, "active"), ("gone", "deleted")):
        folder = place / "mlruns" / "5073" / run
        for name in ("params", "metrics/val", "tags", "artifacts/sub"):
            (folder / name).mkdir(parents=True)
        (folder / "meta.yaml").write_text(META.format(stage=stage, run=run))
        (folder / "params" / "lr").write_text("0.1")
        (folder / "params" / "name").write_text("adam\n")
        (folder / "tags" / "team").write_text("red")
        (folder / "tags" / "mlflow.note.content").write_text("a note")
        (folder / "metrics" / "loss").write_text("1796026606123 1.0 0\n1796026606125 0.5 1\n")
        (folder / "metrics" / "val" / "acc").write_text("1796026606123 nan 0\n1796026606126 inf 1\n")
        (folder / "artifacts" / "sub" / "a.txt").write_text("hello")
    (place / "mlruns" / "5073" / "meta.yaml").write_text("experiment_id: '5073'\nname: exp\n")
    (place / "mlruns" / "5073" / "torn").mkdir()
    (place / "mlruns" / "5073" / "torn" / "meta.yaml").write_text("run_id: torn\n")
    return place / "mlruns"


def database(place: Path) -> Path:
    """The same run in a database."""
    with closing(sqlite3.connect(place / "mlflow.db")) as made:
        made.executescript(WORDS)
        made.execute("insert into experiments values (1, 'exp')")
        values = (RUN, "by hand", "FINISHED", 1796026605965, 1796026606214, "active", f"file://{place}/kept", 1)
        made.execute("insert into runs values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        made.executemany("insert into params values (?, ?, ?)", [("lr", "0.1", RUN), ("name", "adam\n", RUN)])
        made.executemany(
            "insert into tags values (?, ?, ?)", [("team", "red", RUN), ("mlflow.note.content", "a note", RUN)]
        )
        rows = [
            ("loss", 1.0, 1796026606123, RUN, 0, 0),
            ("val/acc", 0.0, 1796026606123, RUN, 0, 1),
            ("loss", 0.5, 1796026606125, RUN, 1, 0),
            ("val/acc", math.inf, 1796026606126, RUN, 1, 0),
        ]
        made.executemany("insert into metrics values (?, ?, ?, ?, ?, ?)", rows)
        made.commit()
    (place / "kept" / "sub").mkdir(parents=True)
    (place / "kept" / "sub" / "a.txt").write_text("hello")
    return place / "mlflow.db"


@pytest.mark.parametrize("store", [file_store, database])
def test_a_store_of_mlflow(store: Callable[[Path], Path], target: InProcess, tmp_path: Path) -> None:
    place = store(tmp_path)
    first = brought(MlflowOrigin(place), target)
    assert (first.runs, first.new, first.rows, first.files, first.left) == (1, 1, 3, 1, [])
    assert [remark for remark in first.remarks if "torn" not in remark] == []
    run = run_of(target, RUN)
    assert run["displayName"] == "by hand"
    assert json.loads(run["config"])["lr"] == {"value": 0.1}
    assert json.loads(run["config"])["name"] == {"value": "adam\n"}
    assert (run["notes"], run["tags"], run["group"]) == ("a note", ["team:red"], "exp")
    assert (run["createdAt"], run["heartbeatAt"]) == ("2026-11-30T08:16:45Z", "2026-11-30T08:16:46Z")
    assert (run["state"], run["exitcode"]) == ("finished", 0)
    steps = [(row["_step"], row.get("loss"), row.get("val/acc")) for row in run["history"]]
    assert steps == [(0, 1.0, "NaN"), (1, 0.5, None), (1, None, "Infinity")]
    assert run["files"]["edges"] == [{"node": {"name": "artifacts/sub/a.txt", "sizeBytes": "5"}}]
    again = brought(MlflowOrigin(place), target)
    assert (again.new, again.grown, again.rows, again.files) == (0, 0, 0, 0)
    assert run_of(target, RUN) == run


def test_a_run_of_mlflow_that_goes_on(target: InProcess, tmp_path: Path) -> None:
    place = file_store(tmp_path)
    brought(MlflowOrigin(place), target)
    with (place / "5073" / RUN / "metrics" / "loss").open("a") as file:
        file.write("1796026606200 0.25 2\n")
    (place / "5073" / RUN / "params" / "new").write_text("1")
    assert brought(MlflowOrigin(place), target).grown == 1
    run = run_of(target, RUN)
    assert [row["loss"] for row in run["history"] if "loss" in row] == [1.0, 0.5, 0.25]
    assert json.loads(run["config"])["new"] == {"value": 1}
    assert json.loads(run["summaryMetrics"])["loss"] == 0.25
    assert run["historyLineCount"] == 4


def test_a_place_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no store"):
        list(MlflowOrigin(tmp_path).run_facts())
    (tmp_path / "no.db").write_bytes(b"no database at all, but long enough to be one" * 99)
    with pytest.raises(UserError, match="no database"):
        list(MlflowOrigin(tmp_path / "no.db").run_facts())


class Broken(MlflowOrigin):
    """One of its runs cannot be read."""

    def rows(self, run: RunFacts) -> list[dict[str, Any]]:
        """The rows of a run, but for the first one."""
        if run.id == RUN:
            raise NotTaken("the disk has a hole here")
        return super().rows(run)


def test_a_run_that_cannot_be_read_hinders_no_other(target: InProcess, tmp_path: Path) -> None:
    place = file_store(tmp_path)
    meta = (place / "5073" / "gone" / "meta.yaml").read_text()
    (place / "5073" / "gone" / "meta.yaml").write_text(meta.replace("deleted", "active"))
    carried = brought(Broken(place), target)
    assert carried.left == [f"run {RUN}: the disk has a hole here"]
    assert len(run_of(target, "gone")["history"]) == 3
    assert brought(MlflowOrigin(place), target).left == []
    assert len(run_of(target, RUN)["history"]) == 3


def test_ids_that_servers_take() -> None:
    assert run_id_of("a b/c:d/") == "a-b-c-d"
    assert run_id_of("..") == "run"
    assert len(run_id_of("x" * 500)) == 128


def test_event_files(target: InProcess, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "logs" / "one") as writer:
        for step in range(3):
            writer.add_scalar("loss", 1 / (step + 1), step, walltime=1_700_000_000 + step)
            writer.add_scalar("acc", math.nan, step, walltime=1_700_000_000.5 + step)
        writer.add_histogram("weights", __import__("numpy").ones(3), 0)
    first = brought(TensorboardOrigin(tmp_path / "logs"), target)
    assert (first.new, first.rows) == (1, 3)
    assert first.remarks == ["run one: numbers alone are taken, and not 1 of histograms"]
    run = run_of(target, "one")
    loss = [(row["_step"], row["loss"], row["acc"]) for row in run["history"]]
    assert loss == [(0, 1.0, "NaN"), (1, 0.5, "NaN"), (2, pytest.approx(1 / 3), "NaN")]
    assert run["createdAt"] == "2023-11-14T22:13:20Z"
    again = brought(TensorboardOrigin(tmp_path / "logs"), target)
    assert (again.new, again.grown, again.rows) == (0, 0, 0)
    with SummaryWriter(tmp_path / "logs" / "one", filename_suffix=".more") as writer:
        writer.add_scalar("late", 5.0, 2, walltime=1_700_000_009)
        writer.add_scalar("loss", 0.1, 3, walltime=1_700_000_010)
    assert brought(TensorboardOrigin(tmp_path / "logs"), target).grown == 1
    grown = run_of(target, "one")["history"]
    assert [row["_step"] for row in grown] == [0, 1, 2, 3]
    assert grown[2]["late"] == 5.0
