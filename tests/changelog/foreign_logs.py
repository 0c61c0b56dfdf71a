"""Runs of other programs for the tests of the change log, as a source gives them: by W&B's steps, metrics by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kag import names
from kag.errors import RecordError
from kag.names import Part
from kag.track.record import RunRecord, Status

START = datetime(2026, 3, 1, tzinfo=UTC)

Rows = list[dict[str, float]]


def steps(every: int = 10, **columns: Sequence[float]) -> Rows:
    """Rows of metrics that a program logged together, a row each `every` steps; `val__accuracy` is `val/accuracy`."""
    series = {key.replace("__", "/"): values for key, values in columns.items()}
    count = max(map(len, series.values()), default=0)
    rows = ({key: float(values[n]) for key, values in series.items() if n < len(values)} for n in range(count))
    return [{names.STEP: float(n * every), **row} for n, row in enumerate(rows)]


def foreign(number: int = 0, name: str = "run", rows: Rows = [], **fields: Any) -> RunRecord:  # noqa: B006
    """The run of a day of March, with the last values of its rows as W&B's summary has them."""
    start = START + timedelta(days=number)
    last = {key: value for row in rows for key, value in row.items() if key != names.STEP}
    basic = {"id": f"{start:%Y-%m-%d_%H-%M-%S}_{name}", "name": name, "status": Status.FINISHED, "start": start}
    return RunRecord.model_validate({**basic, "wandb_id": f"w{number}{name}", "metrics": last, **fields})


@dataclass
class ForeignSource:
    """Runs with their rows, in memory."""

    runs: list[tuple[RunRecord, Rows]]
    texts: Mapping[str, str] = field(default_factory=dict)

    def readable(self) -> tuple[list[RunRecord], list[RecordError]]:
        return [record for record, _ in self.runs], []

    def records(self) -> list[RunRecord]:
        return self.readable()[0]

    def history(self, run_id: str) -> Rows:
        return next(rows for record, rows in self.runs if record.id == run_id)

    def notes(self, run_id: str) -> str:
        return self.texts.get(run_id, "")

    def scores(self, run_id: str, split: Part) -> None:
        return None


def run(number: int, name: str, rows: Rows, **fields: Any) -> tuple[RunRecord, Rows]:
    """A run and its rows."""
    return foreign(number, name, rows, **fields), rows


def five() -> ForeignSource:
    """A plain script, five times: another rate, another width, another seed, a crash, and the first settings again."""
    base = {"lr": 0.1, "weight_decay": 0.0, "seed": 1, "model.width": 32, "layers": "[64, 64]"}
    return ForeignSource(
        [
            run(0, "base", steps(loss=[2.0, 1.0, 0.5], val__accuracy=[0.5, 0.8, 0.81]), config=base),
            run(1, "slow", steps(loss=[2.0, 1.5, 0.9], val__accuracy=[0.5, 0.7, 0.75]), config={**base, "lr": 0.01}),
            run(
                2,
                "wide",
                steps(loss=[2.0, 0.9, 0.4], val__accuracy=[0.6, 0.85, 0.84]),
                config={**base, "model.width": 64, "dropout": 0.1},
            ),
            run(
                3,
                "seed2",
                steps(loss=[2.0, 0.9, 0.3], val__accuracy=[0.6, 0.86, 0.85]),
                config={**base, "model.width": 64, "dropout": 0.1, "seed": 2},
            ),
            run(
                4,
                "crash",
                steps(loss=[2.0, float("nan")], val__accuracy=[0.5]),
                config={**base, "lr": 10.0},
                status=Status.ABORTED,
            ),
        ]
    )
