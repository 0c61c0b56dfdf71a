"""`kag runs tag | rename | delete | prune`: runs that have ended are changed, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from kag.cli import completion
from kag.cli.sources import RUNS, Json, Runs, RunWord, RunWords
from kag.cli.words import name_left_out
from kag.errors import KagError, RecordError, UserError
from kag.text import size
from kag.track.folder import RunFolder, short_name
from kag.track.folders import FolderSource
from kag.view.descent import FolderDescent
from kag.view.terminal import answer, echo
from kag.view.words import find_run

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said what would go.")]
Descended = Annotated[bool, typer.Option("--descended", help="Runs, too, that others come from, and name still.")]
Epochs = Annotated[
    bool, typer.Option("--epochs", help="Weights of single epochs, too, where no other run comes from them.")
]


def add_to(app: typer.Typer) -> None:
    """The commands, under `kag runs`."""
    app.command(epilog="Example: kag runs tag oct16 oct17 --add swa --add paper --remove draft")(tag)
    app.command(epilog="Example: kag runs rename 2025-10-17_09-04-10_oct17 october-best")(rename)
    app.command(epilog="Example: kag runs delete oct16, then kag runs delete oct16 --yes")(delete)
    app.command(epilog="Examples: kag runs prune, then kag runs prune --yes, then kag runs prune oct17 --epochs")(prune)


def tag(
    run: RunWords,
    add: Annotated[list[str] | None, typer.Option("--add", help="Tag to give; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Tag to take; may be repeated.")] = None,
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Give runs tags, or take some from them. Copies in W&B keep theirs."""
    from kag.track.edit import edited, require_word, retagged

    more, less = [require_word(word, "a tag") for word in add or ()], remove or []
    if not (more or less) or set(more) & set(less):
        raise UserError("each tag is either given or taken", remedy="kag runs tag RUN... --add NAME --remove NAME")
    done = _each(_meant(runs, run), lambda folder: edited(folder, lambda record: retagged(record, more, less)))
    _finish(done, {"changed": [one for one, new in done.runs.items() if new]}, as_json, _said(done, "has these tags"))


def rename(
    run: RunWord,
    name: Annotated[str, typer.Argument(help="Name to show.", metavar="NAME")],
    runs: Runs = RUNS,
    as_json: Json = False,
) -> None:
    """Give a run another name in tables and pages; its id and folder stay, and so does every word for them."""
    from kag.track.edit import edited, renamed, require_word

    (folder,) = _meant(runs, [run])
    require_word(name, "a name")
    records, _ = FolderSource(folder.path.parent).readable()
    others = [one.id for one in records if one.id != folder.id and name in (one.id, one.name, short_name(one.id))]
    if others:
        raise UserError(f"another run goes by {name!r}: {others[0]}", remedy="choose a name that is one run's alone")
    done = _each([folder], lambda one: edited(one, lambda record: renamed(record, name)))
    changed = [one for one, new in done.runs.items() if new]
    _finish(done, {"changed": changed, "name": name}, as_json, _said(done, f"is called {name}"))


def delete(
    run: RunWords, runs: Runs = RUNS, yes: Yes = False, descended: Descended = False, as_json: Json = False
) -> None:
    """Delete runs for good: folder, weights, notes. It begins with --yes alone; copies in W&B stay."""
    from kag.track import removal
    from kag.track.edit import require_ended

    folders = _meant(runs, run)
    places = {folder.path.parent: FolderDescent.read(folder.path.parent) for folder in folders}
    gone: set[str] = set()

    def take(folder: RunFolder) -> int:
        record = require_ended(folder)
        staying = [one for one in places[folder.path.parent].heirs(record) if one not in gone]
        if staying and not descended:
            remedy = "delete them, too, or pass --descended: they name it still, and nothing is left to compare with"
            raise RecordError(f"others come from run {folder.id}: {', '.join(staying)}", remedy=remedy)
        freed = removal.delete(folder) if yes else removal.size_of(folder.path)
        gone.add(folder.id)
        return freed

    # Whoever comes from another began later: it goes first, and where it stays, so does the other.
    done = _each(sorted(folders, key=lambda folder: folder.id, reverse=True), take)
    said = "deleted" if yes else "would be deleted"
    lines = [f"{said}: {one} ({size(freed)})" for one, freed in done.runs.items()]
    _finish(done, {"bytes": done.runs, "dry_run": not yes}, as_json, [*lines, *_asked(yes, lines)])


def prune(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run ids, their beginnings, or names; default: all.",
            metavar="[RUN]...",
            autocompletion=completion.runs,
        ),
    ] = None,
    runs: Runs = RUNS,
    epochs: Epochs = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove states of training and superseded weights of finished runs; begins with --yes alone.

    A run without its state cannot go on under more epochs. Weights that its record names stay, and those that other
    runs come from; so do runs that were killed, which can be resumed.
    """
    from kag.track import removal

    whole = FolderDescent.read(runs) if not run else None
    folders = _meant(runs, run) if run else [RunFolder(runs / one.id) for one in whole.records] if whole else []
    places = {folder.path.parent: whole or FolderDescent.read(folder.path.parent) for folder in folders}

    def take(folder: RunFolder) -> int:
        record = folder.read_record()
        needed = places[folder.path.parent].needed(record)
        found = removal.superfluous(folder, record, needed, epochs=epochs)
        if yes and found:
            return removal.prune(folder, record, needed, epochs=epochs)
        return sum(map(removal.size_of, found))

    done = _each(folders, take)
    name_left_out(whole.broken if whole else ())
    freed = {one: found for one, found in done.runs.items() if found}
    lines = [f"{one}  {size(found)}" for one, found in freed.items()]
    total = f"{'removed' if yes else 'would be removed'}: {size(sum(freed.values()))} of {len(freed)} runs"
    _finish(done, {"bytes": freed, "dry_run": not yes}, as_json, [*lines, total, *_asked(yes, lines)])


class _Done(NamedTuple):
    """What came of it, by run, and what was wrong with the others."""

    runs: dict[str, Any]
    errors: list[KagError]


def _meant(runs: Path, words: Sequence[str]) -> list[RunFolder]:
    """The runs that the words mean, each once; a word that means none is refused before any is changed."""
    return list({one.id: one for one in (find_run(runs, word, ending=False) for word in words)}.values())


def _each(folders: Sequence[RunFolder], act: Callable[[RunFolder], Any]) -> _Done:
    """Do it to each run; one that is broken, or under way, does not stop the others."""
    done = _Done({}, [])
    for folder in folders:
        try:
            done.runs[folder.id] = act(folder)
        except KagError as error:
            done.errors.append(error)
    return done


def _said(done: _Done, state: str) -> list[str]:
    return [f"{one} {state}" if new else f"{one} {state} already" for one, new in done.runs.items()]


def _asked(yes: bool, lines: Sequence[str]) -> list[str]:
    return ["nothing was removed; --yes does it"] if lines and not yes else []


def _finish(done: _Done, page: dict[str, Any], as_json: bool, lines: Sequence[str]) -> None:
    """Print what came of it.

    Raises:
        KagError: with what a run was left as it was; of several that they were.
    """
    if as_json:
        answer({"runs": list(done.runs), **page})
    else:
        for line in lines:
            echo(line)
    if len(done.errors) == 1:
        raise done.errors[0]
    name_left_out(done.errors)
    if done.errors:
        raise UserError(f"{len(done.errors)} runs were left as they were, see above")
