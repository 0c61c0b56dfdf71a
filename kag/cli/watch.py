"""`kag runs watch`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape

from kag.cli import tables
from kag.cli.fitted import terminal
from kag.cli.sources import RUNS, Runs, Source, opened
from kag.cli.words import name_left_out
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Status
from kag.track.source import RunSource
from kag.view.terminal import answer


def watch(
    runs: Runs = RUNS,
    source: Source = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 2.0,
    last: Annotated[int, typer.Option(help="Finished runs shown below those under way.", min=0)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One look, as JSON: the runs under way.")] = False,
) -> None:
    """Watch runs under way: epoch, val AUPRC, gate, learning rate, last sign of life. Ctrl-C ends it."""
    if as_json:
        answer(_under_way(opened(source, runs)))
        return
    console = terminal()
    # A folder is read again where it has changed; any other source is read as a whole, and anew for each look.
    place = None if source else opened(source, runs)
    with Live(_scene(place or opened(source, runs), last, console.width), console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(_scene(place or opened(source, runs), last, console.width), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _scene(source: RunSource, last: int, width: int) -> Group:
    records, broken = source.readable()
    running = [record for record in records if record.status is Status.RUNNING]
    ended = [one for one in records if one.status not in (Status.RUNNING, Status.PLANNED) and not one.archived]
    parts: list[RenderableType] = [_progress(source, running, width) if running else "no run is under way"]
    if last and ended:
        parts += ["", tables.run_list(ended[-last:], {}, width)]
    parts += [f"[red]{escape(str(error))}[/]" for error in broken]
    return Group(*parts)


def _under_way(source: RunSource) -> list[Mapping[str, object]]:
    records, broken = source.readable()
    name_left_out(broken)
    running = [record for record in records if record.status is Status.RUNNING]
    return [
        {"run": record.id, "record": record, "newest": rows[-1] if rows else None, "written": written}
        for record, rows, written in ((record, *_signs(source, record)) for record in running)
    ]


def _signs(source: RunSource, record: RunRecord) -> tuple[list[dict[str, float]], datetime]:
    """The history of a run, and its last sign of life."""
    history = source.history(record.id)
    if not isinstance(source, FolderSource):
        return history, record.heartbeat or record.start
    folder = RunFolder(source.runs / record.id)
    files = [file for file in (folder.record_file, folder.history_file, folder.console_file) if file.exists()]
    return history, datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)


def _progress(source: RunSource, running: Sequence[RunRecord], width: int) -> RenderableType:
    lines = []
    for record in running:
        rows, written = _signs(source, record)
        lines.append((record, rows[-1] if rows else {}, written))
    return tables.progress_table(lines, datetime.now(UTC), width)
