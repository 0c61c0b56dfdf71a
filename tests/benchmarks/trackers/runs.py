"""The same runs for every tracker: three metrics, three settings, each run another curve."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from kag.server.filestream import line_row, with_keys
from kag.server.runs import ensure_project
from kag.server.store import Store, inserted_id
from kag.server.tables import HISTORY, lines, runs
from tests.page.synthetic import common

BEGIN = 1_760_000_000.0
"""Start of the first run, in seconds since the epoch."""


def made(count: int, epochs: int) -> list[dict[str, Any]]:
    """Runs by name, with their settings and a row of metrics for each epoch."""
    return [_run(i, epochs) for i in range(count)]


def _run(i: int, epochs: int) -> dict[str, Any]:
    config = {"lr": 1e-4 * (1 + i % 7), "depth": 2 + i % 3, "seed": i % 5}
    return {"name": f"run{i:04}", "config": config, "rows": [_row(i, epoch) for epoch in range(epochs)]}


def _row(i: int, epoch: int) -> dict[str, float]:
    wave = 0.01 * math.sin(i + epoch)
    falling = math.exp(-epoch / (10 + i % 4))
    return {"train/loss": falling + wave, "val/loss": falling + 0.1 - wave, "val/auprc": 0.3 + 0.01 * epoch + 3 * wave}


def keep(file: Path, database: str) -> None:
    """Put the runs of a file into a database of kag, as a script that logs through `wandb` would have left them."""
    store = Store(database)
    with store.write() as connection:
        owner = ensure_project(connection, "kag", "many", now=BEGIN)["id"]
        for i, run in enumerate(json.loads(file.read_text())):
            number = inserted_id(connection, runs, _kept(owner, i, run))
            rows = [{**row, "_step": step} for step, row in enumerate(run["rows"])]
            placed = [line_row(number, HISTORY, "", step, step, json.dumps(row)) for step, row in enumerate(rows)]
            connection.execute(lines.insert(), placed)
    store.close()


def _kept(owner: int, i: int, run: dict[str, Any]) -> dict[str, Any]:
    rows, start = run["rows"], BEGIN + 60 * i
    return {
        **common(owner, f"{i:08x}", run["name"], start),
        "config": json.dumps({key: {"value": value} for key, value in run["config"].items()}),
        "summary": json.dumps(rows[-1]),
        "history_keys": json.dumps(with_keys({}, rows, len(rows) - 1)),
        "heartbeat_at": start + 30,
    }
