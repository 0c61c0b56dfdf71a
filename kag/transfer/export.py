"""Runs of any source as tables, for spreadsheets and data frames: one of runs, one of histories in the long form."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

from kag.errors import UserError
from kag.names import EPOCH, STEP
from kag.text import json_text
from kag.track.record import RunRecord

HISTORY_COLUMNS = ("run", "place", "key", "value")
_FACTS = ("id", "name", "status", "start", "end", "group", "sweep", "wandb_id")
Histories = Callable[[str], list[dict[str, float]]]
"""Reads the history of a run by its id."""


def run_rows(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """One row a run: what it is, its settings as `config.KEY`, its metrics as `metric.KEY`; None where it has none."""
    rows = [_row(record) for record in records]
    keys = sorted({key for row in rows for key in row} - {*_FACTS, "tags"})
    columns = (*_FACTS, "tags", *keys)
    return [{column: row.get(column) for column in columns} for row in rows]


def _row(record: RunRecord) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in _FACTS}
    facts |= {name: value.isoformat() for name in ("start", "end") if (value := facts[name]) is not None}
    facts |= {"status": str(record.status), "tags": " ".join(record.tags)}
    config = {f"config.{key}": value for key, value in record.config.items()}
    metrics = {f"metric.{key}": value for key, value in record.metrics.items()}
    results = {
        f"metric.{one.split}/{one.metric}{'' if one.weights is None else f'@{one.weights}'}": one.value
        for one in record.results
    }
    return facts | config | results | metrics


def history_rows(records: Iterable[RunRecord], history: Histories) -> Iterator[tuple[str, float, str, float]]:
    """Run, epoch or step, key and value of every number that was logged, run by run."""
    for record in records:
        for number, row in enumerate(history(record.id)):
            place = row.get(STEP, row.get(EPOCH, float(number)))
            yield from ((record.id, place, key, value) for key, value in row.items() if key not in (STEP, EPOCH))


def write_runs_csv(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of runs as CSV; what a run has not is empty."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        _write(opened, list(rows[0]), (list(row.values()) for row in rows))


def write_history_csv(file: Path, rows: Iterable[Sequence[Any]]) -> None:
    """The table of histories as CSV, row by row: it may be larger than the memory."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        _write(opened, HISTORY_COLUMNS, rows)


def _write(opened: TextIOWrapper, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(opened, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def require_pyarrow() -> None:
    """Say what is missing where Parquet is to be written.

    Raises:
        UserError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError("Parquet needs pyarrow", remedy="pip install 'kag[parquet]', or take --to csv") from error


def write_runs_parquet(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of runs as Parquet. A column whose values are of several kinds is text, as JSON."""
    import pyarrow
    import pyarrow.parquet

    columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _column(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return values if len(kinds) < 2 else [None if value is None else float(value) for value in values]
    if len(kinds) < 2:
        return values
    return [None if value is None else value if isinstance(value, str) else json_text(value) for value in values]


BATCH = 100_000
"""Rows of a history that are in memory at once."""


def write_history_parquet(file: Path, rows: Iterable[Sequence[Any]]) -> None:
    """The table of histories as Parquet, in parts: it may be larger than the memory."""
    import pyarrow
    import pyarrow.parquet

    kinds = (pyarrow.string(), pyarrow.float64(), pyarrow.string(), pyarrow.float64())
    schema = pyarrow.schema(list(zip(HISTORY_COLUMNS, kinds, strict=True)))
    left = iter(rows)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while part := list(islice(left, BATCH)):
            columns = dict(zip(HISTORY_COLUMNS, zip(*part, strict=True), strict=True))
            writer.write_table(pyarrow.table(columns, schema=schema))
