"""Runs on a terminal: tables, and the page of one run. Nothing here reads a file or the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from string import ascii_uppercase

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from kag import names
from kag.cli.fitted import fits, fitted, plain_table
from kag.cli.ordering import Order
from kag.text import age, fact
from kag.track.record import RunRecord, Scalar, Status
from kag.track.result import Result
from kag.view import tables as view
from kag.view.changes import beside_defaults, varied
from kag.view.life import silences
from kag.view.metrics import Metric
from kag.view.results import absent, measured, measured_column, side_by_side
from kag.view.tables import Cell, result_cell

LISTED = ("run", "status", "epochs", "best epoch", "val AUPRC", "test AUPRC", "parent", "tags")
"""Columns of a list of runs."""

_SPARED = ("parent", "tags", "best epoch", "epochs", "test AUPRC", "val AUPRC", "status")
"""Those that a narrow terminal goes without, the least needed first; the metrics of other programs go before status."""

_SPARED_IN_PROGRESS = ("lr", "entropy", "alpha", "last written", "status", "epochs", "val AUPRC")
_SPARED_IN_COURSE = ("course", "lowest", "highest", "first")

_COLOURS = {
    Status.PLANNED: "blue",
    Status.RUNNING: "yellow",
    Status.FINISHED: "green",
    Status.EARLY_STOPPED: "green",
    Status.ABORTED: "red",
    Status.KILLED: "red",
}
Values = Mapping[str, Mapping[Metric, float | None]]
"""Run id -> what stands for a run of another program, by the metrics that count."""

_BARS = "▁▂▃▄▅▆▇█"


def run_list(records: Sequence[RunRecord], values: Values, width: int, order: Order | None = None) -> RenderableType:
    """One row a run.

    Args:
        records: the runs.
        values: those of other programs.
        width: columns of the terminal.
        order: by which the runs are sorted; that column is the last to go.
    """
    found = view.runs_table(records, LISTED, values=values)
    table = plain_table(*found.columns, right=[*LISTED[2:6], *(one for one in found.columns if one not in LISTED)])
    for record, (run, _, *cells) in zip(records, found.rows, strict=True):
        table.add_row(cell_text(run), status(record.status), *map(cell_text, cells))
    counted = [one for one in found.columns if one not in LISTED]
    spared = [*_SPARED[:-1], *reversed(counted), *_SPARED[-1:]]
    by = [one for one in spared if order and one.startswith(order.column)]
    return fitted(table, width, [*(one for one in spared if one not in by), *by]).group(width, silences(records))


def comparison(
    records: Sequence[RunRecord], values: Values
) -> dict[str, dict[str, list[Scalar]] | dict[str, list[Result | None]]]:
    """Raw values of the settings and of the facts of the world that differ, results of the delivered weights, and the
    metrics of runs of other programs.
    """
    metrics: dict[str, list[Scalar]] = {
        metric.name: [values.get(record.id, {}).get(metric) for record in records]
        for metric in view.metrics_shown(values)
    }
    partial = [record.kind == "imported" for record in records]
    settings = varied([record.config for record in records], partial=partial)
    world = varied([record.world.flat() if record.world else {} for record in records], partial=True)
    return {"settings": settings | world, "results": side_by_side(records), "metrics": metrics}


def comparison_tables(records: Sequence[RunRecord], values: Values, width: int) -> Iterator[Table]:
    """Differing settings, then metrics, a column a run; where ids are too wide, first what letters stand for.

    Args:
        records: the runs.
        values: those of other programs.
        width: columns of the terminal.
    """
    whole = _comparison_table(records, values, [record.id for record in records])
    if fits(whole, width):
        yield whole
        return
    letters = [_letter(place) for place in range(len(records))]
    legend = plain_table("", "run")
    for letter, record in zip(letters, records, strict=True):
        legend.add_row(letter, escape(record.id))
    yield legend
    yield _comparison_table(records, values, letters)


def run_page(
    record: RunRecord, history: Sequence[Mapping[str, float]], notes: str, width: int
) -> Iterator[RenderableType]:
    """The page, part by part; one that has nothing to say is left out."""
    yield _head(record)
    for title, part in _parts(record, history, notes, width):
        yield ""
        yield f"[bold]{title}[/]"
        yield part


def history_table(rows: Sequence[Mapping[str, float]]) -> Table:
    """A key a row: its course, its first and last value, its bounds."""
    table = plain_table(
        "key", "course", "first", "last", "lowest", "highest", right=("first", "last", "lowest", "highest")
    )
    for key in dict.fromkeys(key for row in rows for key in row if key not in (names.EPOCH, names.STEP)):
        values = [row.get(key, math.nan) for row in rows]
        known = [value for value in values if not math.isnan(value)]
        figures = (known[0], known[-1], min(known), max(known)) if known else (None,) * 4
        table.add_row(escape(key), sparkline(values), *(measured(key, figure) for figure in figures))
    return table


def progress_table(
    lines: Sequence[tuple[RunRecord, Mapping[str, float], datetime]], now: datetime, width: int
) -> RenderableType:
    """Runs under way: record, last row of the history, and when the run last wrote."""
    columns = ("run", "status", "epochs", "val AUPRC", "alpha", "entropy", "lr", "last written")
    table = plain_table(*columns, right=columns[2:])
    for record, row, written in lines:
        table.add_row(
            escape(record.id),
            status(record.status),
            f"{int(row[names.EPOCH]) + 1 if names.EPOCH in row else 0}/{fact(record.config.get('epochs'))}",
            *(measured(key, row.get(key)) for key in (names.OBJECTIVE, names.ALPHA_MEAN, names.ENTROPY, names.LR)),
            age((now - written).total_seconds()),
        )
    return fitted(table, width, _SPARED_IN_PROGRESS).group(width)


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The course of a series as block characters; a gap where it is not finite."""
    count = min(width, len(values))
    picked = [values[round(i * (len(values) - 1) / max(count - 1, 1))] for i in range(count)]
    finite = [value for value in picked if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else " " for value in picked)


def printed(table: view.Table) -> Table:
    """A table in the house's look."""
    made = plain_table(*table.columns, right=table.columns[table.words :])
    for row in table.rows:
        made.add_row(*map(cell_text, row))
    return made


def status(value: Status) -> str:
    """A status in its colour."""
    return f"[{_COLOURS[value]}]{value.value}[/]"


def cell_text(cell: Cell) -> str:
    """A cell on one line."""
    return escape(f"{cell.text} {cell.under}".strip())


def _letter(place: int) -> str:
    """`A`, `B`, ... `Z`, `A1`, ..."""
    again, letter = divmod(place, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(again) if again else "")


def _comparison_table(records: Sequence[RunRecord], values: Values, called: Sequence[str]) -> Table:
    table = printed(view.settings_table(records, called))
    table.add_section()
    table.add_row("status", *(status(record.status) for record in records))
    table.add_row("epochs", *(fact(record.epochs_trained) for record in records))
    table.add_row("best epoch", *(fact(record.best_epoch) for record in records))
    counted = {metric.name: metric for metric in view.metrics_shown(values)}
    for key, found in side_by_side(records).items():
        if key not in counted:
            split, pairs = key.partition("/")[0], zip(records, found, strict=True)
            table.add_row(escape(key), *(cell_text(result_cell(one, absent(record, split))) for record, one in pairs))
    for metric in counted.values():
        known = measured_column(metric.name, [values.get(record.id, {}).get(metric) for record in records])
        table.add_row(escape(metric.label), *known)
    return table


def _head(record: RunRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("run", escape(record.id))
    table.add_row("status", status(record.status))
    if record.change:
        table.add_row("change", escape(record.change))
    for name, value in view.facts(record).items():
        table.add_row(name, escape(value))
    return table


def _parts(
    record: RunRecord, history: Sequence[Mapping[str, float]], notes: str, width: int
) -> Iterator[tuple[str, RenderableType]]:
    if record.failure:
        failure = record.failure
        place = f" ({failure.where})" if failure.where else ""
        yield "Failure", f"[red]{escape(f'{failure.error}: {failure.message}{place}')}[/]"
    changes = () if record.is_foreign else beside_defaults(record.config)
    if changes:
        yield "Settings beside the defaults", printed(view.changes_table(changes, "default"))
    if record.results:
        yield "Results", printed(view.results_table(record.results))
    for title, table in view.evaluations_tables(record).items():
        yield escape(title), printed(table)
    if history:
        yield "Course", fitted(history_table(history), width, _SPARED_IN_COURSE).group(width)
    for title, table in view.details(record).items():
        if table.rows and (record.is_foreign or title != "All settings"):
            yield title, printed(table)
    if notes.strip():
        yield "Notes", escape(notes.strip())
