"""`kag eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.errors import UserError

if TYPE_CHECKING:
    from kag.track.record import Result, RunRecord


def evaluate(
    weights: Annotated[
        str, typer.Argument(metavar="RUN|CHECKPOINT", help="Run (its delivered weights), RUN:CHECKPOINT, or a file.")
    ],
    split: Annotated[list[str] | None, typer.Option(help="train, val or test; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write logits and probabilities to this HDF5 file.")] = None,
    data: Annotated[Path | None, typer.Option(help="Another data file than the one in the spec.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate weights: exact AUPRC with its interval, and metrics at val's threshold.

    The threshold is always chosen on val, whatever splits are asked for.

    Examples:

      kag eval oct17

      kag eval oct17 --split val --split test --out predictions.h5

      kag eval runs/2025-10-21_12-48-11_oct17/checkpoints/best.ckpt --split test --json
    """
    from kag.names import SPLITS

    splits = split or ["val"]
    wrong = [name for name in splits if name not in SPLITS]
    if wrong:
        raise UserError(f"there is no split {wrong[0]!r}", nearest=", ".join(SPLITS))

    from rich.console import Console
    from rich.progress import Progress

    from kag.cli.results import results_json, results_table
    from kag.weights.evaluate_file import evaluate_file
    from kag.weights.given import weights_file

    console, file = Console(stderr=as_json), weights_file(weights, runs)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        scored = evaluate_file(file, splits, data=data, out=out, progress=lambda n: bar.update(task, completed=n))
    results = [as_recorded(result, record_of(file)) for result in scored]
    if as_json:
        typer.echo(results_json(results))
    else:
        console.print(results_table(f"results of {weights}", results))
        if out is not None:
            console.print(f"wrote {out}", highlight=False)


def record_of(file: Path) -> RunRecord | None:
    """The record of the run in whose folder a file of weights lies; None if it lies elsewhere."""
    from kag.track.folder import RunFolder

    folder = RunFolder(file.absolute().parent.parent)
    return folder.read_record() if folder.record_file.is_file() else None


def as_recorded(result: Result, record: RunRecord | None) -> Result:
    """The result with what the run says of these weights: a file alone does not know whether they are an average."""
    known = [one for one in record.results if one.weights_digest == result.weights_digest] if record else []
    if not known:
        return result.model_copy(update={"weights": None, "selected_on": None})
    best = max(known, key=lambda one: one.delivered)
    return result.model_copy(update={name: getattr(best, name) for name in ("weights", "selected_on", "delivered")})
