"""Reading MLflow's stores: plain files, or tables of SQLite."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from kag.errors import KagError, UserError
from kag.track.reading import read_text
from kag.transfer.mlflow_origin import MlflowRun

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
"""As the file store numbers them."""
_RUNS = """select r.run_uuid, coalesce(r.name, ''), e.name, r.status, r.start_time, r.end_time, r.artifact_uri
  from runs r join experiments e on e.experiment_id = r.experiment_id where r.lifecycle_stage = 'active'"""
_METRICS = "select timestamp, step, key, value, is_nan from metrics where run_uuid = ? order by timestamp, step, key"


def runs_of(place: Path, remarks: list[str]) -> Iterator[MlflowRun]:
    """The runs of a store that were not deleted.

    Args:
        place: a folder, or a database.
        remarks: told of runs that cannot be read.

    Raises:
        UserError: there is no store.
    """
    if place.is_file():
        yield from _in_database(place)
        return
    experiments = [file for file in place.glob("*/meta.yaml") if not file.parent.name.startswith(".")]
    if not experiments:
        remedy = "name the folder `mlruns`, or the file `mlflow.db`"
        raise UserError("there is no store of MLflow", where=str(place), remedy=remedy)
    for experiment in sorted(experiments):
        name = str(_yaml(experiment).get("name", experiment.parent.name))
        for file in sorted(experiment.parent.glob("*/meta.yaml")):
            try:
                found = _in_folder(file.parent, _yaml(file), name)
            except (KagError, ValueError, KeyError, TypeError) as error:
                remarks.append(f"run {file.parent.name} cannot be read and is not taken: {error}")
                continue
            if found is not None:
                yield found


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise UserError(f"is no YAML: {error}", where=str(file)) from None
    return found if isinstance(found, dict) else {}


def _in_folder(folder: Path, meta: dict[str, Any], experiment: str) -> MlflowRun | None:
    if meta.get("lifecycle_stage", "active") != "active":
        return None
    metrics = [
        (int(moment), int(step), key, float(value))
        for key, file in _named(folder / "metrics")
        for moment, value, step in (line.split()[:3] for line in read_text(file).splitlines() if line.strip())
    ]
    status = meta.get("status")
    return MlflowRun(
        id=str(meta["run_id"]),
        name=str(meta.get("run_name") or ""),
        experiment=experiment,
        status=_STATUS.get(status, str(status)) if isinstance(status, int) else str(status),
        start_ms=int(meta["start_time"]),
        end_ms=int(meta["end_time"]) if meta.get("end_time") else None,
        artifacts=str(meta.get("artifact_uri") or ""),
        params={key: read_text(file) for key, file in _named(folder / "params")},
        tags={key: read_text(file) for key, file in _named(folder / "tags")},
        metrics=sorted(metrics, key=lambda one: one[:3]),
    )


def _named(folder: Path) -> list[tuple[str, Path]]:
    """Files below a folder by their keys, of which a slash makes folders."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path) for path in found]


def _in_database(file: Path) -> Iterator[MlflowRun]:
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            words: dict[str, dict[str, dict[str, str]]] = {}
            for table in ("params", "tags"):
                words[table] = defaultdict(dict)
                for run, key, value in database.execute(f"select run_uuid, key, value from {table}"):
                    words[table][run][key] = value
            for row in database.execute(_RUNS).fetchall():
                run, name, experiment, status, start, end, artifacts = row
                metrics = [
                    (moment, step, key, float("nan") if is_nan else value)
                    for moment, step, key, value, is_nan in database.execute(_METRICS, (run,))
                ]
                tags = words["tags"].get(run, {})
                given = name or tags.get("mlflow.runName", "")
                yield MlflowRun(
                    run,
                    given,
                    experiment,
                    status,
                    start,
                    end,
                    artifacts or "",
                    words["params"].get(run, {}),
                    tags,
                    metrics,
                )
    except sqlite3.Error as error:
        raise UserError(f"this is no database of MLflow: {error}", where=str(file)) from None
