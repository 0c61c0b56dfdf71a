"""Programs of other people, five runs each: the record of every run, from the page, the Api and the files alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kag.changelog.entry import Entry
from kag.changelog.repository import Repository
from kag.changelog.siblings import Siblings
from kag.changelog.touched import with_touched
from kag.names import STEP
from kag.track.record import Declared, RunRecord, Status
from tests.e2e.five_runs import FiveRuns

Rows = list[dict[str, float]]
Known = dict[str, tuple[RunRecord, Rows]]
"""Name of a run -> its record and its history."""

ORDER = {
    "plain_script": ["base", "wider", "again", "faster", "broken"],
    "lightning_module": ["slow", "fast", "fast-again", "momentum", "too-fast"],
    "transformers_trainer": ["small", "hot", "hot-again", "decayed", "broken"],
    "xgboost_callback": ["shallow", "deep", "deep-again", "slow", "bare"],
    "neptune_exporter": ["RUN-1", "RUN-2", "RUN-3", "RUN-4", "RUN-5"],
}


@pytest.fixture(params=ORDER)
def program(request: pytest.FixtureRequest, five_runs: Mapping[str, FiveRuns]) -> FiveRuns:
    """Each of the programs."""
    return five_runs[request.param]


def known(runs: FiveRuns) -> Known:
    """What the page of the server knows, in order."""
    return {record.name: (record, rows) for record, rows in runs.page()}


def column(rows: Rows, key: str) -> list[float]:
    """What was logged of a metric, in order."""
    return [row[key] for row in rows if key in row]


def changes(found: Known, name: str, before: str) -> dict[str, Any]:
    """Settings of a run that differ from those of another one, with their values."""
    config, other = found[name][0].config, found[before][0].config
    return {key: config.get(key) for key in config.keys() | other.keys() if config.get(key) != other.get(key)}


def text(value: Any) -> Any:
    """A value that is equal to itself whatever numbers are in it."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.slow(90, "what programs of five kinds log is one record by the page, the Api and the files")
def test_one_record_and_one_history_wherever_a_run_is_read(program: FiveRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    page = program.page()
    assert [record.name for record, _ in page] == ORDER[program.project.removeprefix("five-").replace("-", "_")]
    with program.reading(monkeypatch) as sources:
        for kind, source in sources.items():
            for record, (expected, rows) in zip(source.records(), page, strict=True):
                assert text(record.model_dump(mode="json")) == text(expected.model_dump(mode="json")), kind
                assert text(source.history(record.id)) == text(rows), (kind, record.id)


def test_a_plain_script(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["plain_script"]
    found = known(runs)
    base, rows = found["base"]
    assert base.config == {"lr": 0.1, "weight_decay": 0.01, "seed": 1, "model.width": 8, "model.widths": "[8, 4]"}
    assert changes(found, "wider", "base") == {"model.width": 16, "model.widths": "[16, 4]"}
    assert changes(found, "again", "wider") == {"seed": 2}
    assert changes(found, "faster", "base") == {"lr": 0.5}, "the word that names the parent is no setting"
    assert [record.parent for record, _ in found.values()] == [None, None, None, base.id, None]
    assert [record.status for record, _ in found.values()] == [Status.FINISHED] * 4 + [Status.ABORTED]
    broken = found["broken"][0]
    assert broken.failure is not None
    assert broken.failure.error == "exit code 1"
    for record, logged in found.values():
        assert (record.group, record.tags, record.datasets) == ("widths", ("plain",), ("points:v0",))
        assert record.declared == (Declared(metric="val/accuracy", summary="max"),)
        assert record.end is not None
        assert record.end >= record.start
        assert record.environment["git.remote"] == "https://example.org/somebody/lines.git"
        assert text([{key: row[key] for key in ("loss", "val/accuracy")} for row in logged]) == text(
            runs.said[record.name]
        )
    assert [row[STEP] for row in rows] == [0, 1, 2, 3, 4]
    assert base.metrics["val/accuracy.max"] == max(column(rows, "val/accuracy")) != column(rows, "val/accuracy")[-1]


def test_files_between_the_commits_of_a_plain_script(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["plain_script"]
    found, repository = known(runs), Repository(runs.folder)
    base, *others = (record for record, _ in found.values())
    entries = [Entry(base), *(Entry(one.model_copy(update={"parent": base.id})) for one in others)]
    touched = {one.record.name: one.record.files_touched for one in with_touched(Siblings(entries), repository).entries}
    assert touched == {"base": None, "wider": (), "again": (), "faster": ("model.py",), "broken": ("model.py",)}


def test_lightning(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["lightning_module"]
    found = known(runs)
    assert found["slow"][0].config == {"lr": 0.01, "seed": 1, "momentum": 0}
    assert changes(found, "fast", "slow") == {"lr": 0.1}
    assert changes(found, "fast-again", "fast") == {"seed": 2}
    assert changes(found, "momentum", "fast") == {"momentum": 0.9}
    for name, (record, rows) in found.items():
        assert (record.status, record.group, record.epochs_trained) == (Status.FINISHED, "lines", 3)
        assert column(rows, "val_loss")[-1] == record.metrics["val_loss"] == pytest.approx(runs.said[name]["val_loss"])
        assert len(column(rows, "train/loss")) == 6
        assert column(rows, "epoch") == sorted(column(rows, "epoch"))


def test_transformers(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["transformers_trainer"]
    found = known(runs)
    small = found["small"][0]
    assert (small.config["learning_rate"], small.config["seed"], small.config["report_to"]) == (5e-5, 42, '["wandb"]')
    assert changes(found, "hot", "small") == {"learning_rate": 0.01}, "the folder and the name are not chosen"
    assert changes(found, "hot-again", "hot") == {"seed": 7}
    assert changes(found, "decayed", "hot") == {"weight_decay": 0.1}
    assert changes(found, "broken", "hot") == {"max_grad_norm": 0.5}
    assert {"output_dir", "run_name", "transformers_version"} <= small.environment.keys()
    assert [record.status for record, _ in found.values()] == [Status.FINISHED] * 4 + [Status.ABORTED]
    for name, (_, rows) in found.items():
        for key, logged in (("train/loss", "loss"), ("eval/loss", "eval_loss")):
            assert column(rows, key) == pytest.approx([row[logged] for row in runs.said[name] if logged in row])


def test_xgboost(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["xgboost_callback"]
    found = known(runs)
    tree = "learner.gradient_booster.tree_train_param"
    assert changes(found, "deep", "shallow") == {f"{tree}.max_depth": "4"}
    assert set(changes(found, "slow", "deep")) == {f"{tree}.eta", f"{tree}.learning_rate"}, "one setting, two names"
    assert set(changes(found, "bare", "deep")) == {f"{tree}.gamma", f"{tree}.min_split_loss"}
    assert {"version", "learner.generic_param.device"} <= found["deep"][0].environment.keys()
    for name, (record, rows) in found.items():
        logged = runs.said[name]
        assert column(rows, "train-logloss") == pytest.approx(logged["logloss"])
        assert record.metrics["train-logloss.min"] == pytest.approx(min(logged["logloss"]))
        assert record.declared == (
            Declared(metric="train-auc", summary="max"),
            Declared(metric="train-logloss", summary="min"),
        )


def test_what_the_exporter_of_neptune_brings(five_runs: Mapping[str, FiveRuns]) -> None:
    runs = five_runs["neptune_exporter"]
    found = known(runs)
    first = found["RUN-1"][0]
    assert first.config == {"parameters_lr": 0.1, "parameters_model_width": 8, "parameters_seed": 1}
    assert changes(found, "RUN-3", "RUN-2") == {"parameters_seed": 2}
    fork, rows = found["RUN-4"]
    assert (fork.parent, fork.sources[0].run) == (first.id, first.id)
    assert [row[STEP] for row in rows] == [0, 1, 2, 3, 4], "a fork has the rows before it"
    assert column(rows, "metrics_train_loss")[3:] == runs.said["RUN-4"]["metrics_train_loss"]
    for name, (record, _) in found.items():
        assert (record.group, record.environment["sys_custom_run_id"]) == ("widths", name)
