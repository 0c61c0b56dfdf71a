"""`kag runs`: list, show, compare and watch tracked runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from kag.cli import tables
from kag.cli.words import name_left_out
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord, Status
from kag.view.terminal import Terminal, echo
from kag.view.words import find_run

app = typer.Typer(help="List, show, compare and watch tracked runs.", no_args_is_help=True)

Runs = Annotated[Path, typer.Option("--runs", help="Folder of runs.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")
SHOWN = 100
"""Rows of a list that nobody asked to be longer; laying out thousands takes seconds."""
WIDE = 10_000
"""Columns where no terminal limits them: a line in a pipe is one run."""


@app.command("list", epilog="Example: kag runs list --status finished --tag swa --name 'oct*'")
def list_runs(
    runs: Runs = RUNS,
    status: Annotated[list[Status] | None, typer.Option(help="Only this status; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; repeated, with all of them.")] = None,
    name: Annotated[str, typer.Option(help="Only names that match, * and ? as in a shell.")] = "*",
    last: Annotated[
        int | None, typer.Option(help="Newest runs shown, 0 for all.", show_default="100; with --json, all", min=0)
    ] = None,
    as_json: Json = False,
) -> None:
    """List runs, oldest first: status, epochs, AUPRC of the delivered weights, parent, tags."""
    records, broken = FolderSource(runs).readable()
    fitting = [record for record in records if _chosen(record, status or [], tag or [], name)]
    count = (0 if as_json else SHOWN) if last is None else last
    chosen = fitting[-count:]
    if as_json:
        echo(TypeAdapter(list[RunRecord]).dump_json(chosen, indent=2))
    elif chosen:
        _console().print(tables.run_list(chosen))
        if len(chosen) < len(fitting):
            echo(f"the newest {len(chosen)} of {len(fitting)}; --last 0 shows all", err=True)
    else:
        echo(f"no such run in {runs}" if records else f"no runs in {runs}; `kag train SPEC` makes one")
    name_left_out(broken)


@app.command(epilog="Example: kag runs show oct17")
def show(
    run: Annotated[str, typer.Argument(help="Run id, its beginning, the run's name, or a folder.", metavar="RUN")],
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Show everything known of a run: settings, results with their digests, lineage, failure, history, notes."""
    folder = find_run(runs, run)
    record, history, notes = as_it_stands(folder, folder.read_record()), folder.history(), folder.notes()
    if as_json:
        page = {"record": record, "history": history, "notes": notes}
        echo(TypeAdapter(Mapping[str, object]).dump_json(page, indent=2))
    else:
        _console().print(tables.run_page(record, history, notes))


@app.command(epilog="Example: kag runs compare oct16 oct17 oct17-swa")
def compare(
    run: Annotated[list[str], typer.Argument(help="Two runs or more.", metavar="A B [C]...")],
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Compare runs: the settings on which they differ, then the metrics of their delivered weights.

    Where numbers must not be set side by side, since data differ or weights were chosen on test, it says so.
    """
    if len(run) < 2:
        raise typer.BadParameter("name two runs or more")
    from kag.compare.comparison import in_doubt, not_comparable

    folders = [find_run(runs, word) for word in run]
    records = [as_it_stands(folder, folder.read_record()) for folder in folders]
    apart = not_comparable(records)
    if as_json:
        page = {"runs": [record.id for record in records], **tables.comparison(records), "not_comparable": apart}
        echo(TypeAdapter(Mapping[str, object]).dump_json(page, indent=2))
    else:
        console = _console()
        console.print(tables.comparison_table(records))
        for why in apart:
            console.print(f"[yellow]not comparable:[/] {escape(why)}")
        if doubt := in_doubt(records):
            console.say(doubt)


@app.command(epilog="Example: kag runs watch --every 5")
def watch(
    runs: Runs = RUNS,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 2.0,
    last: Annotated[int, typer.Option(help="Finished runs shown below those under way.", min=0)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One look, as JSON: the runs under way.")] = False,
) -> None:
    """Watch runs under way: epoch, val AUPRC, gate, learning rate, last sign of life. Ctrl-C ends it."""
    source = FolderSource(runs)
    if as_json:
        echo(TypeAdapter(list[Mapping[str, object]]).dump_json(_under_way(source), indent=2))
        return
    with Live(_scene(source, last), console=_console(), auto_refresh=False) as live:
        try:
            while True:
                live.update(_scene(source, last), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _scene(source: FolderSource, last: int) -> Group:
    records, broken = source.readable()
    running = [record for record in records if record.status is Status.RUNNING]
    ended = [record for record in records if record.status not in (Status.RUNNING, Status.PLANNED)]
    parts: list[Table | str] = [_progress(source.runs, running) if running else "no run is under way"]
    if last and ended:
        parts += ["", tables.run_list(ended[-last:])]
    parts += [f"[red]{escape(str(error))}[/]" for error in broken]
    return Group(*parts)


def _under_way(source: FolderSource) -> list[Mapping[str, object]]:
    records, broken = source.readable()
    name_left_out(broken)
    running = [record for record in records if record.status is Status.RUNNING]
    return [
        {"run": record.id, "newest": rows[-1] if rows else None, "written": written}
        for record, rows, written in ((record, *_signs(source.runs, record)) for record in running)
    ]


def _signs(runs: Path, record: RunRecord) -> tuple[list[dict[str, float]], datetime]:
    """The history of a run, and its last sign of life."""
    folder = RunFolder(runs / record.id)
    files = [file for file in (folder.record_file, folder.history_file, folder.console_file) if file.exists()]
    return folder.history(), datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)


def _progress(runs: Path, running: list[RunRecord]) -> Table:
    lines = []
    for record in running:
        rows, written = _signs(runs, record)
        lines.append((record, rows[-1] if rows else {}, written))
    return tables.progress_table(lines, datetime.now(UTC))


def _chosen(record: RunRecord, status: list[Status], tags: list[str], name: str) -> bool:
    if status and record.status not in status:
        return False
    return fnmatchcase(record.name, name) and set(tags) <= set(record.tags)


def _console() -> Terminal:
    console = Terminal(highlight=False)
    return console if console.is_terminal else Terminal(highlight=False, width=WIDE)
