"""Many runs at once, written as the clients of a thousand days would have left them: records, settings, histories."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from PIL import Image
from sqlalchemy import Connection

from kag import names
from kag.server.alerts import keep
from kag.server.blobs import Blobs
from kag.server.files import attach
from kag.server.filestream import line_row, with_keys
from kag.server.runs import ensure_project
from kag.server.store import Store, inserted_id
from kag.server.tables import EVENTS, HISTORY, OUTPUT, lines
from kag.server.tables import runs as run_table
from kag.spec import build_spec
from kag.spec.flat import flat
from kag.track.folder import run_id
from kag.track.mirrored import END_KEY, START_KEY
from kag.track.record import RunRecord, Scalar, Status
from kag.track.result import Result
from kag.track.scores_file import packed
from tests.october import october
from tests.scored_runs import scored_runs

BEGIN = 1_760_000_000.0
"""Start of the first run, in seconds since the epoch."""

GAP = 1800.0
"""Seconds from one start to the next."""

HOSTILE = "<img src=x onerror=document.title='stolen'>"


def add_runs(store: Store, count: int, *, project: str = "many", epochs: int = 20) -> None:
    """Finished runs of kag, each compared with the one before it, with histories of so many epochs."""
    base = flat(build_spec(october({"name": "base", "data": {"file": "sites.h5"}})))
    parent: str | None = None
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        for i in range(count):
            spec = _spec(base, i)
            record = _record(i, spec, parent, epochs)
            rows = [_row(i, epoch, epochs) for epoch in range(epochs)]
            number = inserted_id(connection, run_table, _run(owner, i, record, spec, rows))
            connection.execute(lines.insert(), list(history_lines(number, rows)))
            parent = record.id


def add_record(store: Store, record: RunRecord, *, project: str) -> None:
    """A run of kag with this record and no history."""
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        connection.execute(run_table.insert(), _run(owner, 0, record, record.config, [{}]) | {"name": record.name})


def add_scored(store: Store, folder: Blobs, *, project: str) -> dict[str, str]:
    """The runs of `tests.scored_runs` with their histories and files; name -> W&B's id.

    Args:
        store: the database.
        folder: where its files lie.
        project: where they go.
    """
    words = {}
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        for i, (record, rows, scores) in enumerate(scored_runs()):
            row = _run(owner, i, record, record.config, rows) | {"name": f"s{i}", "state": record.status.value}
            number = inserted_id(connection, run_table, row)
            connection.execute(lines.insert(), list(history_lines(number, rows)))
            for one in scores:
                add_file(connection, folder, number, f"scores/{one.split}.npz", packed(one))
            words[record.name] = f"s{i}"
    return words


def add_file(connection: Connection, folder: Blobs, run: int, name: str, content: bytes) -> None:
    """A file of a run, by its row."""
    attach(connection, {"to": "run", "id": run, "name": name}, folder.keep(content), now=BEGIN)


def add_script_run(store: Store, rows: int, *, name: str = "script", title: str = "a script", **more: Any) -> None:
    """A finished run of any script, with so many rows of losses."""
    logged = [_script_row(step) for step in range(rows)]
    summary = {key: value for key, value in logged[-1].items() if key[0] != "_"}
    with store.write() as connection:
        owner = ensure_project(connection, "kag", more.pop("project", "many"), now=BEGIN)["id"]
        values = {
            **common(owner, name, title, BEGIN - 100),
            "config": json.dumps({"lr": {"value": 0.1}, "model": {"value": {"depth": 3}}}),
            "summary": json.dumps(summary),
            "history_keys": json.dumps(with_keys({}, logged, rows - 1)),
            **more,
        }
        connection.execute(lines.insert(), list(history_lines(inserted_id(connection, run_table, values), logged)))


def _spec(base: Mapping[str, Scalar], i: int) -> dict[str, Scalar]:
    return {
        **base,
        "name": f"run{i:04}",
        "seed": i % 5,
        "optimizer.lr": round(1e-4 * (1 + i % 7), 6),
        "model.gate.temperature": 0.5 + 0.25 * (i % 9),
        "swa.start": 12,
        "swa.window": 4,
    }


def _record(i: int, spec: dict[str, Scalar], parent: str | None, epochs: int) -> RunRecord:
    start = datetime.fromtimestamp(BEGIN + GAP * i, UTC)
    value = _auprc(i, epochs - 1, epochs)
    common: dict[str, Any] = {
        "weights": "averaged",
        "weights_digest": f"{i:064x}",
        "data_digest": "d" * 64,
        "delivered": True,
        "epoch": epochs - 1,
    }
    results = tuple(
        Result.model_validate(
            {"split": split, "metric": "auprc", "value": v, "ci_low": v - 0.02, "ci_high": v + 0.02, **common}
        )
        for split, v in (("val", value), ("test", value - 0.013))
    )
    return RunRecord(
        id=run_id(f"run{i:04}", start),
        name=f"run{i:04}",
        status=Status.FINISHED,
        start=start,
        end=datetime.fromtimestamp(BEGIN + GAP * i + 900, UTC),
        config=spec,
        parent=parent,
        epochs_trained=epochs,
        best_epoch=epochs - 3,
        tags=tuple(_tags(i)),
        results=results,
        found={"findings": [{"code": "swa_window", "severity": "note", "sentence": "swa averages epochs 12 to 15"}]},
    )


def _run(owner: int, i: int, record: RunRecord, spec: dict[str, Scalar], rows: list[dict[str, Any]]) -> dict[str, Any]:
    config = {key: {"value": value} for key, value in {**spec, START_KEY: record.model_dump_json()}.items()}
    summary = {**rows[-1], **{f"{one.split}/{one.metric}": one.value for one in record.results}}
    return {
        **common(owner, f"{i:08x}", record.id, BEGIN + GAP * i),
        "config": json.dumps(config),
        "summary": json.dumps({**summary, END_KEY: record.model_dump_json()}),
        "history_keys": json.dumps(with_keys({}, rows, len(rows) - 1)),
        "tags": json.dumps(_tags(i)),
        "notes": f"note of run {i}" if i % 50 == 7 else None,
        "state": "failed" if i % 17 == 3 else "finished",
    }


def _tags(i: int) -> list[str]:
    return ["october"] if i % 3 == 0 else ["swa", "baseline"] if i % 11 == 0 else []


def common(owner: int, name: str, title: str, start: float) -> dict[str, Any]:
    """Columns that rows of all finished runs fill in alike."""
    return {
        "project_id": owner,
        "name": name,
        "display_name": title,
        "tags": "[]",
        "user": "tester",
        "host": "bench",
        "state": "finished",
        "should_stop": False,
        "restarted": 0,
        "created_at": start,
        "heartbeat_at": start + 900,
    }


def history_lines(number: int, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of `lines` for a history, a step each."""
    for line, row in enumerate(rows):
        place = {"run_id": number, "stream": HISTORY, "writer": "", "line": line, "step": line}
        yield {**place, "body": json.dumps({**row, "_step": line, "_timestamp": BEGIN + line})}


def _auprc(i: int, epoch: int, epochs: int) -> float:
    return 0.30 + 0.12 * (1 - math.exp(-5 * epoch / epochs)) + 0.03 * math.sin(i) + 0.00005 * i


def _row(i: int, epoch: int, epochs: int) -> dict[str, Any]:
    part = epoch / epochs
    alpha = 0.55 + 0.1 * part
    wave = 0.004 * math.sin(1.7 * epoch + i)
    row = {
        names.EPOCH: epoch,
        names.TRAIN_LOSS: 0.9 * math.exp(-2 * part) + 0.2 + wave,
        names.TRAIN_LOSS_MAIN: 0.8 * math.exp(-2 * part) + 0.2 + wave,
        names.TRAIN_LOSS_PENALTY: 0.1 * math.exp(-3 * part),
        names.VAL_LOSS: 0.8 * math.exp(-1.6 * part) + 0.3 - wave,
        names.evaluation("val", "bce"): 0.2 * math.exp(-1.6 * part) + 0.1 - wave,
        names.OBJECTIVE: _auprc(i, epoch, epochs) + wave,
        names.ALPHA_MEAN: alpha,
        names.ALPHA_P05: alpha - 0.12,
        names.ALPHA_P50: alpha + 0.01,
        names.ALPHA_P95: alpha + 0.1,
        names.PENALTY_WEIGHT: max(0.05, 0.15 - 0.01 * epoch),
        names.entropy_layer(0): 0.95 - 0.2 * part,
        names.entropy_layer(1): 0.9 - 0.3 * part,
        names.LR: 5e-4 * math.sin(math.pi * min(1.0, part + 0.02)),
    }
    averaged = {names.averaged(names.OBJECTIVE): row[names.OBJECTIVE] + 0.006}
    return row | averaged if 12 <= epoch < 16 else row


def _script_row(step: int) -> dict[str, Any]:
    noise = math.sin(12.9898 * step) * 0.05
    return {
        "train/loss": 2.0 * math.exp(-step / 6000) + 0.3 + noise,
        "train/accuracy": 0.9 - 0.7 * math.exp(-step / 5000) + noise / 5,
        "eval/loss": 2.1 * math.exp(-step / 6500) + 0.35 - noise,
        "gradient_norm": 1.0 + 10 * abs(noise) + (25.0 if step == 777 else 0.0),
        "lr": 1e-3 * (1 + math.cos(math.pi * step / 20000)) / 2,
    }


def add_shown_run(store: Store, folder: Blobs, *, project: str) -> None:
    """A run `shown` that has something for each of its tabs, some of it meant to harm."""
    images = [f"media/{step}.png" for step in range(3)]
    rows: list[dict[str, Any]] = [
        {"loss": 1.0, "image": {"_type": "image-file", "path": path, "caption": HOSTILE}} for path in images
    ]
    rows[2] |= {
        "page": {"_type": "html-file", "path": "media/page.html"},
        "table": {"_type": "table-file", "path": "media/t.table.json"},
        "weights": {"_type": "histogram", "bins": [0, 1, 2], "values": [3, 5]},
    }
    table = {"columns": ["name", "score"], "data": [[f"row{i}", i] for i in range(150)]}
    files = {
        **{path: png(40 + 20 * step) for step, path in enumerate(images)},
        "media/page.html": b"<h1>inside</h1><script>parent.document.title='stolen'</script>",
        "media/t.table.json": json.dumps(table).encode(),
    }
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        more = {"config": "{}", "summary": "{}", "history_keys": json.dumps(with_keys({}, rows, 2))}
        run = inserted_id(connection, run_table, {**common(owner, "shown", "a shown run", BEGIN), **more})
        connection.execute(lines.insert(), list(history_lines(run, rows)))
        console = [f"line {i}" for i in range(1200)] + ["\x1b[31mValueError: bad\x1b[0m"]
        connection.execute(lines.insert(), [line_row(run, OUTPUT, "", i, i, text) for i, text in enumerate(console)])
        event = json.dumps({"system.cpu": 5, "_runtime": 60})
        connection.execute(lines.insert(), [line_row(run, EVENTS, "", i, i, event) for i in range(2)])
        for name, content in files.items():
            add_file(connection, folder, run, name, content)
        keep(connection, run, {"title": HOSTILE, "text": "loss is NaN", "severity": "ERROR"}, now=BEGIN)


def png(size: int) -> bytes:
    """A grey square."""
    kept = io.BytesIO()
    Image.new("L", (size, size), 128).save(kept, "PNG")
    return kept.getvalue()
