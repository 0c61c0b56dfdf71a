"""`kag runs tag | rename | delete | prune`: runs that have ended are changed, each by itself."""

from __future__ import annotations

from collections.abc import Container, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated

import typer

from kag.cli import completion
from kag.cli.each_run import each
from kag.cli.sources import RUNS, Json, Runs, RunWord, RunWords
from kag.cli.there import There, say_where, there
from kag.cli.words import name_left_out
from kag.errors import RecordError, UserError
from kag.text import size
from kag.track.folder import RunFolder, short_name
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.view.alike import likeness, seed_of
from kag.view.descent import Descent, FolderDescent
from kag.view.words import begun, find_run

Project = Annotated[
    str | None,
    typer.Option("--source", help="In place of a folder: wandb:ENTITY/PROJECT.", metavar="SOURCE"),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it is only said what would go.")]
Descended = Annotated[bool, typer.Option("--descended", help="Runs, too, that others come from, and name still.")]
Epochs = Annotated[
    bool, typer.Option("--epochs", help="Weights of single epochs, too, where no other run comes from them.")
]


def add_to(app: typer.Typer) -> None:
    """The commands, under `kag runs`."""
    app.command(
        epilog="Examples: kag runs tag oct16 oct17 --add swa --add paper --remove draft, then "
        "kag runs tag mnist-4 --add paper --source wandb:team/mnist"
    )(tag)
    app.command(epilog="Example: kag runs rename 2025-10-17_09-04-10_oct17 october-best")(rename)
    app.command(epilog="Example: kag runs delete oct16, then kag runs delete oct16 --yes")(delete)
    app.command(epilog="Examples: kag runs prune, then kag runs prune --yes, then kag runs prune oct17 --epochs")(prune)


def tag(
    run: RunWords,
    add: Annotated[list[str] | None, typer.Option("--add", help="Tag to give; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Tag to take; may be repeated.")] = None,
    runs: Runs = RUNS,
    source: Project = None,
    as_json: Json = False,
) -> None:
    """Give runs tags, or take some from them: of a folder, whose copies in W&B keep theirs, or of a project there."""
    from kag.track.edit import edited, require_word, retagged

    more, less = [require_word(word, "a tag") for word in add or ()], remove or []
    if not (more or less) or set(more) & set(less):
        raise UserError("each tag is either given or taken", remedy="kag runs tag RUN... --add NAME --remove NAME")
    if source:
        place = there(source)
        done = each(place.meant(run), lambda record: place.edits.retag(record, more, less))
        say_where(place.records, done.changed)
    else:
        done = each(_meant(runs, run), lambda folder: edited(folder, lambda record: retagged(record, more, less)))
    done.finish({"changed": done.changed}, as_json, done.said("has these tags"))


def rename(
    run: RunWord,
    name: Annotated[str, typer.Argument(help="Name to show.", metavar="NAME")],
    runs: Runs = RUNS,
    source: Project = None,
    as_json: Json = False,
) -> None:
    """Give a run another name in tables and pages; its id and folder stay, and so does every word for them.

    Runs that differ in the seed alone may have one name.
    """
    from kag.track.edit import edited, renamed, require_word

    if source:
        from kag.track.foreign import plain_name

        place = there(source)
        (meant,) = place.meant([run])
        _require_free({require_word(name, "a name"), plain_name(name)}, meant, place.records)
        done = each([meant], lambda record: place.edits.rename(record, name))
        say_where(place.records, done.changed)
    else:
        (folder,) = _meant(runs, [run])
        records, _ = FolderSource(folder.path.parent).readable()
        _require_free({require_word(name, "a name")}, folder.read_record(), records)
        done = each([folder], lambda one: edited(one, lambda record: renamed(record, name)))
    done.finish({"changed": done.changed, "name": name}, as_json, done.said(f"is called {name}"))


def _require_free(words: AbstractSet[str], run: RunRecord, records: Sequence[RunRecord]) -> None:
    """Refuse a name by which, as it stands or as part of an id, another run goes; replicates may share theirs."""
    own = likeness(run)
    named = [one for one in records if one.id != run.id and words & {one.id, one.name, short_name(one.id)}]
    others = [one.id for one in named if own is None or likeness(one) != own or seed_of(one) == seed_of(run)]
    if others:
        raise UserError(f"another run goes by this name: {others[0]}", remedy="choose a name that is one run's alone")


def delete(
    run: RunWords,
    runs: Runs = RUNS,
    source: Project = None,
    yes: Yes = False,
    descended: Descended = False,
    as_json: Json = False,
) -> None:
    """Delete runs for good: folder, weights, notes; or those of a project in W&B, which leaves folders alone.

    It begins with --yes alone.
    """
    if source:
        _delete_there(there(source), run, yes=yes, descended=descended, as_json=as_json)
        return
    from kag.track import removal
    from kag.track.edit import require_ended

    folders = _meant(runs, run)
    places = {folder.path.parent: FolderDescent.read(folder.path.parent) for folder in folders}
    gone: set[str] = set()

    def take(folder: RunFolder) -> int:
        record = require_ended(folder)
        _require_unneeded(record.id, places[folder.path.parent].heirs(record), gone, descended=descended)
        freed = removal.delete(folder) if yes else removal.size_of(folder.path)
        gone.add(folder.id)
        return freed

    # Whoever comes from another began later: it goes first, and where it stays, so does the other.
    done = each(sorted(folders, key=lambda folder: folder.id, reverse=True), take)
    lines = [f"{_fate(yes)}: {one} ({size(freed)})" for one, freed in done.runs.items()]
    done.finish({"bytes": done.runs, "dry_run": not yes}, as_json, [*lines, *_asked(yes, lines)])


def _delete_there(place: There, words: Sequence[str], *, yes: bool, descended: bool, as_json: bool) -> None:
    descent, gone = Descent(place.records), set[str]()

    def take(record: RunRecord) -> None:
        _require_unneeded(record.id, [one.id for one in descent.of(record)], gone, descended=descended)
        if yes:
            place.edits.delete(record)
        gone.add(record.id)

    done = each(sorted(place.meant(words), key=begun, reverse=True), take)
    lines = [f"{_fate(yes)} in {place.source}: {one}" for one in done.runs]
    done.finish({"dry_run": not yes}, as_json, [*lines, *_asked(yes, lines)])


def _fate(yes: bool) -> str:
    return "deleted" if yes else "would be deleted"


def _require_unneeded(run: str, heirs: Sequence[str], gone: Container[str], *, descended: bool) -> None:
    """Refuse to delete a run that others come from which stay."""
    staying = [one for one in heirs if one not in gone]
    if staying and not descended:
        remedy = "delete them, too, or pass --descended: they name it still, and nothing is left to compare with"
        raise RecordError(f"others come from run {run}: {', '.join(staying)}", remedy=remedy)


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

    done = each(folders, take)
    name_left_out(whole.broken if whole else ())
    freed = {one: found for one, found in done.runs.items() if found}
    lines = [f"{one}  {size(found)}" for one, found in freed.items()]
    total = f"{'removed' if yes else 'would be removed'}: {size(sum(freed.values()))} of {len(freed)} runs"
    done.finish({"bytes": freed, "dry_run": not yes}, as_json, [*lines, total, *_asked(yes, lines)])


def _meant(runs: Path, words: Sequence[str]) -> list[RunFolder]:
    """The runs that the words mean, each once; a word that means none is refused before any is changed."""
    return list({one.id: one for one in (find_run(runs, word, ending=False) for word in words)}.values())


def _asked(yes: bool, lines: Sequence[str]) -> list[str]:
    return ["nothing was removed; --yes does it"] if lines and not yes else []
