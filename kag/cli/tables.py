"""Tables of runs: records and histories in, rich tables out. Nothing here reads a file or the clock."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rich.markup import escape
from rich.table import Table

from kag import names
from kag.track.record import Result, RunRecord, Scalar, Status

MISSING = "-"

_COLOURS = {
    Status.PLANNED: "blue",
    Status.RUNNING: "yellow",
    Status.FINISHED: "green",
    Status.EARLY_STOPPED: "green",
    Status.ABORTED: "red",
    Status.KILLED: "red",
}
_BARS = "▁▂▃▄▅▆▇█"


def run_list(records: Sequence[RunRecord]) -> Table:
    """One row a run."""
    columns = ("run", "status", "epochs", "best epoch", "val AUPRC", "test AUPRC", "parent", "tags")
    table = plain_table(*columns, right=columns[2:6])
    for record in records:
        table.add_row(
            escape(record.id),
            status(record.status),
            text(record.epochs_trained),
            text(record.best_epoch),
            with_interval(headline(record, "val")),
            with_interval(headline(record, "test")),
            escape(record.parent or MISSING),
            escape(", ".join(record.tags)),
        )
    return table


def headline(record: RunRecord, split: str) -> Result | None:
    """AUPRC of the delivered weights; of a hand-kept log, which does not say whose weights, what it states."""
    stated = [r for r in record.results if r.weights is None and (r.split, r.metric) == (split, "auprc")]
    return record.result(split, "auprc") or (stated[-1] if stated else None)


def comparison(records: Sequence[RunRecord]) -> tuple[dict[str, list[Scalar]], dict[str, list[Result | None]]]:
    """Settings on which the runs differ, and every metric of their delivered weights, a value a run."""
    keys = dict.fromkeys(key for record in records for key in record.config)
    settings = {key: [record.config.get(key) for record in records] for key in keys}
    metrics = [(split, metric) for split in names.SPLITS for metric in names.METRICS]
    results = {
        names.evaluation(split, metric): [record.result(split, metric) for record in records]
        for split, metric in metrics
    }
    return (
        {key: values for key, values in settings.items() if len({(type(value), value) for value in values}) > 1},
        {key: found for key, found in results.items() if any(found)},
    )


def comparison_table(records: Sequence[RunRecord]) -> Table:
    """Differing settings, then metrics; a column a run."""
    settings, results = comparison(records)
    table = plain_table("", *(record.id for record in records))
    for key, values in settings.items():
        cells = (
            setting(value) if key in record.config else MISSING for record, value in zip(records, values, strict=True)
        )
        table.add_row(escape(key), *cells)
    table.add_section()
    table.add_row("status", *(status(record.status) for record in records))
    table.add_row("epochs", *(text(record.epochs_trained) for record in records))
    table.add_row("best epoch", *(text(record.best_epoch) for record in records))
    for key, found in results.items():
        table.add_row(key, *(with_interval(result) for result in found))
    return table


def results_table(results: Sequence[Result]) -> Table:
    """Every result with what it belongs to."""
    columns = ("split", "metric", "value", "95 % interval", "weights", "digest", "data", "epoch", "selected on", "")
    table = plain_table(*columns, right=("value", "epoch"))
    for r in results:
        table.add_row(
            r.split,
            escape(r.metric),
            number(r.value),
            interval(r),
            r.weights or MISSING,
            short(r.weights_digest),
            short(r.data_digest),
            text(r.epoch),
            escape(r.selected_on or MISSING),
            "delivered" if r.delivered else "",
        )
    return table


def history_table(rows: Sequence[Mapping[str, float]]) -> Table:
    """A key a row: its course, its first and last value, its bounds."""
    table = plain_table(
        "history", "course", "first", "last", "lowest", "highest", right=("first", "last", "lowest", "highest")
    )
    for key in dict.fromkeys(key for row in rows for key in row if key != names.EPOCH):
        values = [row.get(key, math.nan) for row in rows]
        known = [value for value in values if not math.isnan(value)]
        figures = (known[0], known[-1], min(known), max(known)) if known else (math.nan,) * 4
        table.add_row(escape(key), sparkline(values), *(number(figure) for figure in figures))
    return table


def progress_table(lines: Sequence[tuple[RunRecord, Mapping[str, float], datetime]], now: datetime) -> Table:
    """Runs under way: record, last row of the history, and when the run last wrote."""
    columns = ("run", "status", "epochs", "val AUPRC", "alpha", "entropy", "lr", "last written")
    table = plain_table(*columns, right=columns[2:])
    for record, row, written in lines:
        total = record.config.get("epochs")
        shown = (names.OBJECTIVE, names.ALPHA_MEAN, names.ENTROPY, names.LR)
        table.add_row(
            escape(record.id),
            status(record.status),
            f"{int(row[names.EPOCH]) + 1 if names.EPOCH in row else 0}/{text(total)}",
            *(number(row[key]) if key in row else MISSING for key in shown),
            ago(now - written),
        )
    return table


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The course of a series as block characters; a gap where it is not finite."""
    count = min(width, len(values))
    picked = [values[round(i * (len(values) - 1) / max(count - 1, 1))] for i in range(count)]
    finite = [value for value in picked if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else " " for value in picked)


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the house's look."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(escape(column), justify="right" if column in right else "left", overflow="fold")
    return table


def status(value: Status) -> str:
    """A status in its colour."""
    return f"[{_COLOURS[value]}]{value.value}[/]"


def text(value: Scalar) -> str:
    """A fact; an unknown one is `-`."""
    return MISSING if value is None else setting(value)


def setting(value: Scalar) -> str:
    """A setting as the spec writes it."""
    return escape(value if isinstance(value, str) else json.dumps(value))


def number(value: float) -> str:
    """Four significant digits."""
    return MISSING if math.isnan(value) else f"{value:.4g}"


def with_interval(result: Result | None) -> str:
    """`0.472 [0.451, 0.493]`."""
    if result is None:
        return MISSING
    bounds = interval(result)
    return f"{result.value:.3f}" + ("" if bounds == MISSING else f" {bounds}")


def interval(result: Result) -> str:
    """The 95 % interval, or `-`."""
    if result.ci_low is None or result.ci_high is None:
        return MISSING
    return escape(f"[{result.ci_low:.3f}, {result.ci_high:.3f}]")


def short(digest: str | None) -> str:
    """The first characters of a digest."""
    return digest[:8] if digest else MISSING


def ago(age: timedelta) -> str:
    """`5 s ago`, `3 min ago`, `2 h ago`, `4 d ago`."""
    seconds = max(int(age.total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
