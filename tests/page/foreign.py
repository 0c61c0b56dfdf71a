"""Runs of every other program: as Lightning's logger, plain scripts and people in a hurry leave them.

They are written straight into a database, as the file stream would have: the values are those that clients of W&B send.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from kag.server.alerts import LEVELS, keep
from kag.server.blobs import Blobs
from kag.server.collections import SEQUENCE, ensure_collection, enter
from kag.server.filestream import line_row, with_keys
from kag.server.page.saved_views import KEPT
from kag.server.runs import ensure_project, run_by_path
from kag.server.store import Store, inserted_id
from kag.server.tables import COMMITTED, EVENTS, OUTPUT, artifact_files, artifacts, blobs, lines, saved_views
from kag.server.tables import runs as run_table
from kag.server.trash import set_aside
from tests.page.synthetic import BEGIN, GAP, HOSTILE, add_file, common, history_lines, png

ROWS = 12


@dataclass(frozen=True)
class Foreign:
    """What a run of another program leaves."""

    config: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[dict[str, Any]] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    alert: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    """Columns of its row."""


def lightning(i: int) -> Foreign:
    """`WandbLogger`: the step of the trainer beside every number, losses and validation in rows of their own."""
    rows: list[dict[str, Any]] = []
    for epoch in range(ROWS // 2):
        place = {"epoch": epoch, "trainer/global_step": 50 * epoch + 49}
        rows.append({"train_loss": math.exp(-epoch / 4) + 0.01 * i, "lr-AdamW": 1e-3, **place})
        rows.append({"val_loss": 1.2 * math.exp(-epoch / 5), "val_acc": 0.5 + 0.05 * epoch, **place})
    config = {"hidden": 64 * (1 + i % 4), "lr": 1e-3 * (1 + i % 3), "seed": i % 5, "optimizer": {"name": "adamw"}}
    return Foreign(config, rows, {**rows[-2], **rows[-1]}, {"config.yaml": b"hidden: 64\n"})


def script(i: int) -> Foreign:
    """A loop that logs a loss."""
    rows = [{"loss": 1 / (1 + step) + 0.01 * (i % 7), "acc": step / ROWS} for step in range(ROWS)]
    more = {"tags": json.dumps(["paper"] if i % 2 else []), "notes": "**bold** note" if i % 3 else None}
    return Foreign({"lr": 0.1 / (1 + i % 3), "depth": i % 4}, rows, rows[-1], more={**more, "group_name": "ablation"})


def media(i: int) -> Foreign:
    """Pictures with captions, a page and a histogram beside numbers."""
    paths = [f"media/images/{step}.png" for step in range(2)]
    picture = {"_type": "images/separated", "filenames": paths, "captions": [HOSTILE, f"picture {i}"]}
    histogram = {"_type": "histogram", "bins": [0, 1, 2], "values": [3 + i % 3, 5]}
    page = {"_type": "html-file", "path": "media/html/p.html"}
    rows = [{"loss": 1.0 / (1 + step), "samples": picture, "weights": histogram, "page": page} for step in range(2)]
    files = {path: png(24 + i % 9) for path in paths} | {"media/html/p.html": b"<p>inside</p>"}
    return Foreign({"augment": bool(i % 2)}, rows, {"loss": 0.5, "samples": picture}, files)


def table(i: int) -> Foreign:
    """A `wandb.Table` of predictions."""
    logged = {"_type": "table-file", "path": "media/table/t.table.json", "nrows": 30, "ncols": 2}
    content = {"columns": ["protein", "score"], "data": [[f"p{row}", row / 30] for row in range(30)]}
    rows = [{"loss": 0.4, "predictions": logged}]
    return Foreign({"threshold": i % 5 / 10}, rows, {"loss": 0.4}, {logged["path"]: json.dumps(content).encode()})


def alerted(i: int) -> Foreign:
    """A run that diverged, said so, and was killed."""
    rows: list[dict[str, Any]] = [{"loss": 2.0**step} for step in range(5)]
    return Foreign({"lr": 10}, rows, rows[-1], alert=True, more={"state": "crashed" if i % 2 else "failed"})


def bare(i: int) -> Foreign:
    """`wandb.init()` and nothing else: no config, no rows, no name."""
    return Foreign(more={"display_name": "" if i % 2 else "untitled"})


def not_finite(i: int) -> Foreign:
    """NaN and infinities, as clients write them, and a key that is now a number, now a word."""
    rows: list[dict[str, Any]] = [{"loss": "NaN" if step % 3 else 1.0, "grad": "Infinity"} for step in range(ROWS)]
    rows[1] |= {"loss": "-Infinity", "note": "resumed", "nested": {"a": {"b": i}}}
    return Foreign({"lr": "NaN", "clip": "Infinity", "layers": [1, 2]}, rows, {"loss": "NaN", "grad": "Infinity"})


KINDS = (lightning, script, media, table, alerted, bare, not_finite)


def add_foreign(store: Store, folder: Blobs, count: int, *, project: str = "foreign") -> None:
    """So many runs of these kinds in turns, `lightning-000`, `script-001`, ...

    The first of each kind has a console, and what its machine did. One run is deleted, two views are saved, and a
    version of an artifact is there, which `lightning-000` has logged.
    """
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        for i in range(count):
            kind = KINDS[i % len(KINDS)]
            number = _add(connection, folder, owner, i, f"{kind.__name__}-{i:03}", kind(i))
            if i == 0:
                _add_artifact(connection, folder, owner, number)
            if i < len(KINDS):
                connection.execute(lines.insert(), list(_beside(number)))
        for name, words in (("losses", "view=both&keys=loss"), ("paper", "tag=paper")):
            assert words.partition("=")[0] in KEPT
            view = {"name": name, "words": words, "first": False, "user": "tester", "created_at": BEGIN}
            connection.execute(saved_views.insert().values(project_id=owner, **view))
        gone = run_by_path(connection, "kag", project, f"{KINDS[(count - 1) % len(KINDS)].__name__}-{count - 1:03}")
        set_aside(connection, gone, user="tester", now=BEGIN * 2)


def _add(connection: Connection, folder: Blobs, owner: int, i: int, name: str, left: Foreign) -> int:
    values = {
        **common(owner, name, name, BEGIN + GAP * i),
        "config": json.dumps({key: {"value": value} for key, value in left.config.items()}),
        "summary": json.dumps(left.summary),
        "history_keys": json.dumps(with_keys({}, list(left.rows), len(left.rows) - 1)),
        **left.more,
    }
    number = inserted_id(connection, run_table, values)
    if left.rows:
        connection.execute(lines.insert(), list(history_lines(number, list(left.rows))))
    for path, content in left.files.items():
        add_file(connection, folder, number, path, content)
    if left.alert:
        for level in LEVELS:
            said = {"title": f"{name} {HOSTILE}", "text": "loss is NaN", "severity": level}
            keep(connection, number, said, now=BEGIN)
    return number


def _beside(number: int) -> Iterator[dict[str, Any]]:
    for i in range(3):
        event = {"system.cpu": 5 * i, "system.gpu.0.gpu": 30 * i, "system.gpu.1.gpu": "NaN", "_runtime": 60 * i}
        yield line_row(number, EVENTS, "", i, i, json.dumps(event))
    for i, text in enumerate(("begin", "\x1b[31mERROR: bad\x1b[0m", "end")):
        yield line_row(number, OUTPUT, "", i, i, text)


def _add_artifact(connection: Connection, folder: Blobs, owner: int, run: int) -> None:
    words = {"name": "weights", "type_name": "model", "kind": SEQUENCE, "user": "tester"}
    home = ensure_collection(connection, owner, now=BEGIN, **words)
    times = {"created_at": BEGIN, "updated_at": BEGIN}
    for version in range(2):
        row = {"collection_id": home["id"], "digest": f"{version:032x}", "state": COMMITTED, "user": "tester", **times}
        made = inserted_id(connection, artifacts, {**row, "run_id": run, "metadata": json.dumps({"epoch": version})})
        content = {"columns": ["name"], "data": [["a"], ["b"]]}
        for name, body in (("model.ckpt", b"weights"), ("t.table.json", json.dumps(content).encode())):
            blob = folder.keep(body)
            file = {
                "artifact_id": made,
                "name": name,
                "md5": blob["md5"],
                "blob_id": inserted_id(connection, blobs, blob),
            }
            connection.execute(artifact_files.insert().values(file))
        enter(connection, home["id"], made, now=BEGIN)
