"""`kag eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kag.errors import UserError


def evaluate(
    weights: Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", help="Run (its delivered weights) or a file.")],
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

    console = Console(stderr=as_json)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        results = evaluate_file(
            weights_file(weights, runs), splits, data=data, out=out, progress=lambda n: bar.update(task, completed=n)
        )
    if as_json:
        typer.echo(results_json(results))
    else:
        console.print(results_table(f"results of {weights}", results))
        if out is not None:
            console.print(f"wrote {out}", highlight=False)


def weights_file(word: str, runs: Path) -> Path:
    """The file that a person means by a run (its delivered, else its best weights) or by a path."""
    from kag.errors import CheckpointError
    from kag.track.folder import RunFolder

    if Path(word).is_file():
        return Path(word)
    folder = RunFolder.find(runs, word)
    for name in ("delivered.ckpt", "best.ckpt"):
        if (folder.checkpoints / name).is_file():
            return folder.checkpoints / name
    raise CheckpointError(f"run {folder.id} has no weights yet", where=str(folder.checkpoints))
