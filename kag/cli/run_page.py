"""Everything known of one run, as `kag runs show` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from kag.cli.tables import history_table, printed, status
from kag.track.record import RunRecord
from kag.view.changes import beside_defaults
from kag.view.tables import changes_table, details, facts, results_table


def run_page(record: RunRecord, history: Sequence[Mapping[str, float]], notes: str) -> Group:
    """The page; a part that has nothing to say is left out."""
    parts: list[RenderableType] = [_head(record)]
    for title, part in _parts(record, history, notes):
        parts += ["", f"[bold]{title}[/]", part]
    return Group(*parts)


def _head(record: RunRecord) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("run", escape(record.id))
    table.add_row("status", status(record.status))
    if record.change:
        table.add_row("change", escape(record.change))
    for name, value in facts(record).items():
        table.add_row(name, escape(value))
    return table


def _parts(
    record: RunRecord, history: Sequence[Mapping[str, float]], notes: str
) -> Iterator[tuple[str, RenderableType]]:
    if record.failure:
        failure = record.failure
        place = f" ({failure.where})" if failure.where else ""
        yield "Failure", f"[red]{escape(f'{failure.error}: {failure.message}{place}')}[/]"
    if changes := beside_defaults(record.config):
        yield "Settings beside the defaults", printed(changes_table(changes, "default"))
    if record.results:
        yield "Results", printed(results_table(record.results))
    if history:
        yield "Course", history_table(history)
    for title, table in details(record).items():
        if table.rows and title != "All settings":
            yield title, printed(table)
    if notes.strip():
        yield "Notes", escape(notes.strip())
