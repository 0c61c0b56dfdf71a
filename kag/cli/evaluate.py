"""`kag eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli.words import known_splits

if TYPE_CHECKING:
    from kag.track.record import Result


def evaluate(
    weights: Annotated[
        str, typer.Argument(metavar="RUN|CHECKPOINT", help="Run (its delivered weights), RUN:CHECKPOINT, or a file.")
    ],
    split: Annotated[list[str] | None, typer.Option(help="train, val or test; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write logits and probabilities to this HDF5 file.")] = None,
    data: Annotated[Path | None, typer.Option(help="Another data file than the one in the spec.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate weights: exact AUPRC with its interval, and metrics at val's threshold.

    The threshold is always chosen on val, whatever splits are asked for.

    Examples:

      kag eval oct17

      kag eval oct17 --split val --split test --out predictions.h5

      kag eval runs/2025-10-21_12-48-11_oct17/checkpoints/best.ckpt --split test --json
    """
    splits = known_splits(split or ["val"])

    from rich.console import Console
    from rich.progress import Progress

    from kag.cli.results import results_json, results_table
    from kag.track.output import Output
    from kag.weights.evaluate_file import PREDICTIONS, evaluate_file
    from kag.weights.given import folder_of, weights_file

    console, file = Console(stderr=as_json), weights_file(weights, runs)
    output = Output(out, PREDICTIONS, force) if out else None
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        scored = evaluate_file(file, splits, data=data, out=output, progress=lambda n: bar.update(task, completed=n))
    folder = folder_of(file)
    recorded = folder.read_record().results if folder else ()
    results = [as_recorded(result, recorded) for result in scored]
    if as_json:
        typer.echo(results_json(results))
    else:
        console.print(results_table(f"results of {weights}", results))
        if out is not None:
            console.print(f"wrote {out}", highlight=False)


def as_recorded(result: Result, recorded: Sequence[Result]) -> Result:
    """The result with what the run says of these weights: a file alone does not know whether they are an average."""
    known = (each for each in recorded if each.weights_digest == result.weights_digest)
    said = max(known, key=lambda each: each.delivered, default=result)
    return result.model_copy(update={name: getattr(said, name) for name in ("weights", "selected_on", "delivered")})
