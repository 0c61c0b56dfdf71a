"""`kag runs`: list, show, compare and watch tracked runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
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
from kag.track.source import RunSource, open_source
from kag.view.metrics import chosen as metrics_of
from kag.view.terminal import Terminal, answer, echo
from kag.view.words import choose, find_run

app = typer.Typer(help="List, show, compare and watch tracked runs.", no_args_is_help=True)

Runs = Annotated[Path, typer.Option("--runs", help="Folder of runs.", metavar="DIR")]
Source = Annotated[
    str | None,
    typer.Option(help="In place of a folder: wandb:ENTITY/PROJECT, offline:DIR or markdown:FILE.", metavar="SOURCE"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")
SHOWN = 100
"""Rows of a list that nobody asked to be longer; laying out thousands takes seconds."""
WIDE = 10_000
"""Columns where no terminal limits them: a line in a pipe is one run."""


@app.command("list", epilog="Example: kag runs list --status finished --tag swa --name 'oct*'")
def list_runs(
    runs: Runs = RUNS,
    source: Source = None,
    status: Annotated[list[Status] | None, typer.Option(help="Only this status; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; repeated, with all of them.")] = None,
    name: Annotated[str, typer.Option(help="Only names that match, * and ? as in a shell.")] = "*",
    last: Annotated[
        int | None, typer.Option(help="Newest runs shown, 0 for all.", show_default="100; with --json, all", min=0)
    ] = None,
    as_json: Json = False,
) -> None:
    """List runs, oldest first: status, epochs, AUPRC of the delivered weights, parent, tags.

    Of runs of other programs the metrics that count, as in the change log.
    """
    opened = open_source(source) if source else FolderSource(runs)
    records, broken = opened.readable()
    fitting = [record for record in records if _chosen(record, status or [], tag or [], name)]
    count = (0 if as_json else SHOWN) if last is None else last
    chosen = fitting[-count:]
    if as_json:
        answer(chosen)
    elif chosen:
        _console().print(tables.run_list(chosen, _values(opened, chosen, records)))
        if len(chosen) < len(fitting):
            echo(f"the newest {len(chosen)} of {len(fitting)}; --last 0 shows all", err=True)
    else:
        place = source or runs
        echo(f"no such run in {place}" if records else f"no runs in {place}; `kag train SPEC` makes one")
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
        answer({"run": record.id, "record": record, "history": history, "notes": notes})
    else:
        _console().print(tables.run_page(record, history, notes))


@app.command(epilog="Examples: kag runs compare oct16 oct17 oct17-swa; kag runs compare a b --source wandb:team/mnist")
def compare(
    run: Annotated[list[str], typer.Argument(help="Two runs or more.", metavar="A B [C]...")],
    runs: Runs = RUNS,
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Compare runs: the settings on which they differ, then the metrics of their delivered weights.

    Of runs of other programs it compares the metrics that count, as in the change log. Where numbers must not be set
    side by side, since data differ or weights were chosen on test, it says so.
    """
    if len(run) < 2:
        raise typer.BadParameter("name two runs or more")
    from kag.compare.comparison import in_doubt, not_comparable

    opened = open_source(source) if source else FolderSource(runs)
    if source:
        known = {record.id: record for record in opened.readable()[0]}
        records = [known[choose(word, list(known), where=source)] for word in run]
    else:
        folders = [find_run(runs, word) for word in run]
        records = [as_it_stands(folder, folder.read_record()) for folder in folders]
    apart, values = not_comparable(records), _values(opened, records)
    if as_json:
        compared = tables.comparison(records, values)
        ids = [record.id for record in records]
        answer({"runs": ids, "records": records, **compared, "not_comparable": apart})
    else:
        console = _console()
        console.print(tables.comparison_table(records, values))
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
        answer(_under_way(source))
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
        parts += ["", tables.run_list(ended[-last:], {})]
    parts += [f"[red]{escape(str(error))}[/]" for error in broken]
    return Group(*parts)


def _under_way(source: FolderSource) -> list[Mapping[str, object]]:
    records, broken = source.readable()
    name_left_out(broken)
    running = [record for record in records if record.status is Status.RUNNING]
    return [
        {"run": record.id, "record": record, "newest": rows[-1] if rows else None, "written": written}
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


def _values(source: RunSource, shown: Sequence[RunRecord], known: Sequence[RunRecord] = ()) -> tables.Values:
    """Run id -> what stands for it, of the runs of other programs that are shown, by the metrics that count.

    Args:
        source: where their histories are.
        shown: the runs.
        known: every run of the source, if they are read already.
    """
    foreign = [record for record in shown if record.is_foreign]
    if not foreign:
        return {}
    from kag.changelog.diagnose import values_of
    from kag.changelog.logged import Logged

    metrics = metrics_of(known or source.readable()[0])
    return {one.id: values_of(Logged(one, source.history(one.id), metrics)) for one in foreign}


def _chosen(record: RunRecord, status: list[Status], tags: list[str], name: str) -> bool:
    if status and record.status not in status:
        return False
    return fnmatchcase(record.name, name) and set(tags) <= set(record.tags)


def _console() -> Terminal:
    console = Terminal(highlight=False)
    return console if console.is_terminal else Terminal(highlight=False, width=WIDE)
