"""`kag train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kag.cli import completion
from kag.cli.words import options_of, refuse_unknown_options, split_words
from kag.errors import UserError
from kag.view.terminal import answer, echo

if TYPE_CHECKING:
    from kag.spec.run import RunSpec
    from kag.track.folder import RunFolder
    from kag.train.worker import Held

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SPEC] [KEY=VALUE]...",
        help="Spec file, then overrides (key=value, --key=value, JSON).",
        autocompletion=completion.keys,
    ),
]
Resume = Annotated[
    str | None, typer.Option(metavar="RUN", help="Continue this killed run.", autocompletion=completion.runs)
]
Again = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Train this run once more, as a new one.", autocompletion=completion.runs),
]
Accept = Annotated[
    list[str] | None, typer.Option(metavar="KEY", help="With --resume, --again: let this differ from that run's.")
]
Seeds = Annotated[
    str | None, typer.Option(metavar="N|A,B,...", help="Train replicates: N seeds from the spec's own on, or these.")
]
New = Annotated[bool, typer.Option("--new", help="With --seeds: archive what is there of them, and start afresh.")]
Share = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Train epochs that runs have in common once; states lie here.", file_okay=False),
]
PartAt = Annotated[
    str | None, typer.Option(metavar="EPOCHS", help="With --share: epochs before which runs part, as 20,26.")
]
ShareMax = Annotated[
    float | None, typer.Option(metavar="GB", help="With --share: room for all states; the least useful go.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the run's record as JSON; all else goes to the error stream.")
]
AGAIN = "-again"
"""What the name of a run ends with that is another one again."""


def train(
    context: typer.Context,
    words: Words = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)] = Path("runs"),
    resume: Resume = None,
    again: Again = None,
    recipe: Annotated[bool, typer.Option("--recipe", help="With --again: only print how, anywhere.")] = False,
    accept: Accept = None,
    seeds: Seeds = None,
    new: New = False,
    share: Share = None,
    part_at: PartAt = None,
    share_max: ShareMax = None,
    as_json: Json = False,
) -> None:
    """Train one run and track it; with --seeds several that differ in the seed alone.

    Examples:

      kag train demo.yaml epochs=40 model.gate.penalty.weight.start=0.3

      kag train --resume oct17

      kag train --resume oct17 epochs=60 --accept epochs

      kag train --again oct17

      kag train demo.yaml --seeds 5

      kag train demo.yaml swa.start=5 swa.window=2 --share runs/shared --part-at 4,5,6
    """
    refuse_unknown_options(words or [], options_of(context))
    spec_file, overrides = split_words(words or [])
    _refuse_combinations(spec_file, resume, again, recipe, accept)
    if new and seeds is None:
        raise UserError("--new goes with --seeds")
    if seeds is not None:
        from kag.cli.seeds import refuse_beside_seeds, seeds_meant, train_each

        refuse_beside_seeds(seeds, overrides, {"--resume": resume, "--again": again})
    if share is None and (part_at or share_max is not None):
        raise UserError("--part-at and --share-max go with --share")
    known = _known(runs, resume, again)
    if recipe and known is not None:
        _print_recipe(known)
        return
    points, largest = _epochs(part_at), None if share_max is None else int(share_max * 1e9)
    renamed = [f"name={_name_again(known)}"] if again and known else []
    spec, retired = _spec(spec_file or (known.spec_file if known else Path()), [*renamed, *overrides])

    _load_libraries(spec)
    from kag.forks.sharing import ShareOptions

    options = {"share": ShareOptions(share, points, largest) if share else None, "retired": retired}
    if seeds is not None:
        train_each(spec, seeds_meant(seeds, spec.seed), as_json=as_json, runs=runs, new=new, **options)
        return
    former = {"again" if again else "resume": known, "accept": accept or ()} if known else _held(context, spec)
    _train(spec, as_json=as_json, runs=runs, **former, **options)


def _load_libraries(spec: RunSpec) -> None:
    """Load what trains, W&B's client first, where this process will need it."""
    from kag.track.launch import may_be_first
    from kag.track.wandb_run import load_client

    if may_be_first(os.environ):
        load_client(spec.track)
    from kag.train.trainer import quieten

    quieten()


def _held(context: typer.Context, spec: RunSpec) -> dict[str, Any]:
    """What this process has read already for a new run; nothing in one that was started for it."""
    held: Held | None = context.obj
    return {} if held is None else {"inputs": held.inputs(spec)}


def _refuse_combinations(
    spec_file: Path | None, resume: str | None, again: str | None, recipe: bool, accept: list[str] | None
) -> None:
    """Options that contradict one another, or go with another one that is not there."""
    if again and (resume or spec_file is not None):
        raise UserError("--again has the spec of its run, and begins a new one", remedy="kag train --again RUN")
    if spec_file is None and not resume and not again:
        raise UserError("no spec given", remedy="kag train SPEC, or kag train --resume RUN, or kag train --again RUN")
    if accept and not (resume or again):
        raise UserError("--accept goes with --resume and --again")
    if recipe and not again:
        raise UserError("--recipe goes with --again", remedy="kag train --again RUN --recipe")


def _known(runs: Path, resume: str | None, again: str | None) -> RunFolder | None:
    """The run that goes on, or that is trained again."""
    from kag.view.words import find_run

    if again:
        from kag.train.again import require_repeatable

        folder = find_run(runs, again)
        require_repeatable(folder)
        return folder
    return find_run(runs, resume, ending=False) if resume else None


def _name_again(folder: RunFolder) -> str:
    """Another name than the first run's, which would else stand for both."""
    from kag.track.folder import LONGEST_NAME

    return folder.read_record().name.removesuffix(AGAIN)[: LONGEST_NAME - len(AGAIN)] + AGAIN


def _print_recipe(folder: RunFolder) -> None:
    from kag.view.recipe import recipe

    for line in recipe(folder.read_record(), folder.path.absolute(), patched=folder.patch_file.is_file()):
        echo(line)


def _spec(file: Path, overrides: list[str]) -> tuple[RunSpec, tuple[str, ...]]:
    """The spec, and keys of it that do nothing any more."""
    from kag.spec.load import read_spec

    return read_spec(file, overrides, trial="WANDB_SWEEP_ID" in os.environ)


def _train(spec: RunSpec, *, as_json: bool, runs: Path, **options: Any) -> None:
    from rich.markup import escape

    from kag.cli.results import results_table, unsealing
    from kag.text import command
    from kag.train.console import RunConsole
    from kag.train.fit import fit
    from kag.view.results import in_32_bits

    console = RunConsole(stderr=as_json)
    record = fit(spec, runs=runs, console=console, **options)
    if as_json:
        answer(record)
        return
    console.terminal.print(results_table(f"results of {record.id}", record.results))
    for sentence in in_32_bits(record.results):
        console.say(sentence)
    if unsealed := unsealing(record, runs):
        console.say(f"test is sealed; {unsealed} looks at it")
    look = command("runs", "show", record.id, runs=runs)
    console.print(escape(f"run folder {runs / record.id}; look at it with: {look}"))


def _epochs(text: str | None) -> tuple[int, ...]:
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    if not all(word.isdigit() for word in words):
        raise UserError(f"--part-at {text!r} is not a list of epochs", remedy="write --part-at 20,26")
    return tuple(int(word) for word in words)
