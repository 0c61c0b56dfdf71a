"""`kag windows`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kag.cli import completion
from kag.errors import UserError
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.report.figure import Heatmap
    from kag.track.folder import RunFolder
    from kag.track.output import Output
    from kag.track.record import RunRecord
    from kag.weights.bench import Bench
    from kag.weights.epochs import EpochWeights
    from kag.weights.windows import WindowMap

SHOWN = 12
"""Windows in the table, the best ones by rank."""


Kept = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Run that was trained with swa.keep_sums=true.", autocompletion=completion.runs),
]


def windows(
    run: Kept,
    deliver: Annotated[
        str | None, typer.Option(metavar="START:LENGTH", help="Keep the average over this window as a new run.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Write the map as a picture to this file.")] = None,
    verify: Annotated[
        int, typer.Option(min=0, help="Windows to score exactly, the best-ranked ones; 0 for all of them.")
    ] = 4,
    name: Annotated[str | None, typer.Option(help="Name of the new run; default: window-START-LENGTH.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the data file lies now.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every window.")] = False,
) -> None:
    """Map what averaging the weights of any window of epochs gives on val, from one run.

    Every window is ranked by the mean of its epochs' logits; the most promising ones are averaged and scored exactly.

    Examples:

      kag windows oct17 --png windows.png

      kag windows oct17 --deliver 26:6 --name oct17-swa
    """
    from datetime import UTC, datetime

    from kag.cli.made import mirrored, print_made
    from kag.view.words import find_run
    from kag.weights.delivered_run import deliver_window, named_spec
    from kag.weights.given import bench_for, given_weights

    console, start = Terminal(highlight=False, stderr=as_json), datetime.now(UTC)
    picture = _picture(png, force)
    folder = find_run(runs, run, ending=False)
    epochs, given = _kept_epochs(folder), given_weights(str(folder.best), runs)
    wanted = parse_window(deliver) if deliver is not None else None
    if wanted:
        name = name or f"window-{wanted[0]}-{wanted[1]}"
        named_spec(given.weights.spec, name)
        epochs.require_covered(*wanted)
    bench = bench_for(given, data, say=console.say)
    found = _mapped(epochs, bench, verify or None, console)
    if picture is not None:
        picture.write(_drawn(folder.id, found), bench.sites.path)
    record = None
    if wanted and name:
        record = deliver_window(runs, given, epochs, wanted, found, bench, name=name, start=start)
        record = mirrored(record, runs, given.weights.spec.track, console)
    if as_json:
        answer(_page(folder.id, found, record))
        return
    _print(console, folder.id, found)
    if png is not None:
        console.say(f"wrote {png}")
    if record is not None:
        print_made(record, runs, console)


def _kept_epochs(folder: RunFolder) -> EpochWeights:
    from kag.weights.epochs import EpochWeights

    epochs = EpochWeights(folder)
    if epochs.first == epochs.last:
        raise UserError("only one epoch is stored, there is nothing to average", where=str(folder.checkpoints))
    return epochs


def _picture(png: Path | None, force: bool) -> Output | None:
    """The picture to write, if one is asked for; a place that is taken is refused before any work."""
    from kag.report.figure import FIGURE
    from kag.track.output import Output

    picture = Output(png, FIGURE, force) if png is not None else None
    if picture is not None:
        picture.require_free()
    return picture


def _drawn(run: str, found: WindowMap) -> bytes:
    from kag.report.png import png

    return png(window_figure(found, f"averaging windows of {run}"))


def _mapped(epochs: EpochWeights, bench: Bench, verify: int | None, console: Terminal) -> WindowMap:
    """The map of a run, with a bar for each step."""
    from kag.view.progress import reporting
    from kag.weights.windows import window_map

    with reporting(console) as report:
        return window_map(epochs, bench, verify=verify, progress=report)


def parse_window(text: str) -> tuple[int, int]:
    """Start and length out of `START:LENGTH`.

    Raises:
        UserError: it is not written so.
    """
    match = re.fullmatch(r"(\d+):([1-9]\d*)", text.strip())
    if match is None:
        raise UserError(f"{text!r} is not a window", remedy="write START:LENGTH, such as 26:6 for epochs 26 to 31")
    return int(match[1]), int(match[2])


def window_figure(found: WindowMap, title: str) -> Heatmap:
    """The map: colour is the ranking, frames are around exactly scored windows, a bold one around the best of them."""
    from kag.report.figure import Heatmap
    from kag.text import three_decimals

    starts, lengths = (sorted({getattr(each, side) for each in found.windows}) for side in ("start", "length"))
    ranks = {(each.length, each.start): each.ensemble for each in found.windows if each.ensemble is not None}
    exact = tuple((lengths.index(each.length), starts.index(each.start)) for each in found.verified)
    return Heatmap(
        name="windows",
        title=title + (f"; best {found.best}, val AUPRC {three_decimals(found.best.auprc)}" if exact else ""),
        x_label="first averaged epoch",
        y_label="averaged epochs",
        value_label="val AUPRC of the mean logits of its epochs",
        x=tuple(map(str, starts)),
        y=tuple(map(str, lengths)),
        values=tuple(tuple(ranks.get((y, x), math.nan) for x in starts) for y in lengths),
        marked=exact[0] if exact else None,
        framed=exact,
    )


def _print(console: Terminal, run: str, found: WindowMap) -> None:
    """The best windows, one line each; `*` marks the best of those that were scored exactly."""
    from kag.cli.fitted import plain_table
    from kag.cli.made import say_worth, tried_cells
    from kag.text import three_decimals

    columns = ("window", "epochs", "ranked by", "val AUPRC", "recomputed", "digest", "")
    table = plain_table(*columns, right=columns[2:5])
    ranked = sorted(found.windows, key=lambda window: -(window.ensemble or 0.0))
    for window in [*found.verified, *(window for window in ranked if window.tried is None)][:SHOWN]:
        mark, rank = "*" if window is found.best else "", three_decimals(window.ensemble)
        table.add_row(str(window), f"{window.start} to {window.last}", rank, *tried_cells(window.tried), mark)
    console.print(table)
    console.say(
        f"{len(found.windows)} windows of {run}, {len(found.verified)} scored exactly: "
        f"val chose among {found.candidates} candidates"
    )
    say_worth(found.selection, console)
    single = found.best_epoch
    console.say(f"best single epoch {single.start}: val AUPRC {three_decimals(single.ensemble)}")


def _page(run: str, found: WindowMap, record: RunRecord | None) -> dict[str, Any]:
    from kag.weights.bench import tried_facts

    return {
        "run": run,
        "tried": found.candidates,
        "best": str(found.best),
        "best_epoch": found.best_epoch.start,
        "selection": found.selection,
        "windows": [
            {"start": each.start, "length": each.length, "ensemble": each.ensemble, **tried_facts(each.tried)}
            for each in found.windows
        ],
        "delivered": record.id if record else None,
        "record": record,
        "results": list(record.results) if record else [],
    }
