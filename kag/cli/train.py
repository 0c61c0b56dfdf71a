"""`kag train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kag.cli.words import options_of, refuse_unknown_options, split_words
from kag.errors import UserError
from kag.view.terminal import answer

if TYPE_CHECKING:
    from kag.spec.run import RunSpec


def train(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC] [KEY=VALUE]...", help="Spec file, then overrides (key=value, --key=value, JSON)."
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)] = Path("runs"),
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue this killed run.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="With --resume: let this key differ from the run's spec.")
    ] = None,
    share: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Train epochs that runs have in common once; states lie here.")
    ] = None,
    part_at: Annotated[
        str | None, typer.Option(metavar="EPOCHS", help="With --share: epochs before which runs part, as 20,26.")
    ] = None,
    share_max: Annotated[
        float | None, typer.Option(metavar="GB", help="With --share: room for all states; the least useful go.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the run's record as JSON; all else goes to the error stream.")
    ] = False,
) -> None:
    """Train one run and track it.

    Examples:

      kag train runs/specs/sites.yaml

      kag train runs/specs/sites.yaml epochs=40 model.gate.penalty.weight.start=0.3

      kag train --resume oct17

      kag train --resume oct17 epochs=60 --accept epochs

      kag train runs/specs/sites.yaml swa.start=5 swa.window=2 --share runs/shared --part-at 4,5,6
    """
    from kag.spec.load import read_spec
    from kag.view.words import find_run

    refuse_unknown_options(words or [], options_of(context))
    spec_file, overrides = split_words(words or [])
    folder = find_run(runs, resume) if resume else None
    if spec_file is None and folder is None:
        raise UserError("no spec given", remedy="kag train SPEC, or kag train --resume RUN")
    if accept and folder is None:
        raise UserError("--accept goes with --resume")
    if share is None and (part_at or share_max is not None):
        raise UserError("--part-at and --share-max go with --share")
    points = _epochs(part_at)
    trial = "WANDB_SWEEP_ID" in os.environ
    spec, retired = read_spec(spec_file or (folder.spec_file if folder else Path()), overrides, trial=trial)

    from kag.forks.sharing import ShareOptions

    options = ShareOptions(share, points, None if share_max is None else int(share_max * 1e9)) if share else None
    _train(spec, as_json=as_json, runs=runs, resume=folder, accept=accept or (), share=options, retired=retired)


def _train(spec: RunSpec, *, as_json: bool, runs: Path, **options: Any) -> None:
    import logging

    from rich.markup import escape

    from kag.cli.results import results_table
    from kag.train.console import RunConsole
    from kag.train.fit import fit

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    console = RunConsole(stderr=as_json)
    record = fit(spec, runs=runs, console=console, **options)
    if as_json:
        answer(record)
        return
    console.terminal.print(results_table(f"results of {record.id}", record.results))
    console.print(escape(f"run folder {runs / record.id}; look at it with: kag runs show {record.id} --runs {runs}"))


def _epochs(text: str | None) -> tuple[int, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if not all(word.isdigit() for word in words):
        raise UserError(f"--part-at {text!r} is not a list of epochs", remedy="write --part-at 20,26")
    return tuple(int(word) for word in words)
