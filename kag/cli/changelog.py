"""`kag changelog`, `kag doctor` and `kag note`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli import sources
from kag.cli.sources import RUNS, Json, Runs, RunWord, Source, repository_beside, run_of
from kag.cli.words import command_line, name_left_out
from kag.errors import UserError
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from kag.changelog.version import Options, Version
    from kag.track.output import Output
    from kag.track.source import RunSource
    from kag.view.choice import Choice

app = typer.Typer(help="Rebuild the model change log from the tracked runs.")

DOCUMENT = Path("MODEL_CHANGELOG.md")
READING = "reading the runs"
PLANNED_SPECS = Path("specs/planned")
"""Folder of planned specs inside the folder of runs."""

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        help="A column of its own, repeatable: val/accuracy:max, loss:min, val/f1:max:last. The document keeps it.",
        metavar="NAME[:max|:min][:best|:last]",
    ),
]
SeedKeys = Annotated[
    list[str] | None,
    typer.Option(help="A setting that is a seed of another program, repeatable. The document keeps it.", metavar="KEY"),
]
Force = Annotated[bool, typer.Option("--force", help="With --format: replace a file that this command did not write.")]
DropRows = Annotated[bool, typer.Option("--drop-rows", help="Rows with notes may go, and all rows at once.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day that is shown, in UTC on every machine.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day that is shown, in UTC on every machine.")
]
EXAMPLES = """Examples: kag changelog --source runs --write MODEL_CHANGELOG.md; kag changelog --source wandb:team/mnist
--metric val/accuracy:max --metric loss --write LOG.md"""


class Format(StrEnum):
    """What the table is written as."""

    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def changelog(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="Folder of runs, wandb:ENTITY/PROJECT, offline:DIR or markdown:FILE.", metavar="SOURCE")
    ] = "runs",
    write: Annotated[
        Path | None,
        typer.Option(help="Write the table into this document, between its markers; - prints it.", metavar="FILE"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if the document is stale.")
    ] = False,
    show_diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    form: Annotated[
        Format, typer.Option("--format", help="What to print, or to write to a file of its own.")
    ] = Format.MARKDOWN,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    since: Since = None,
    until: Until = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; repeated, with all of them.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Only the trials of this sweep.", metavar="ID")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Rows of archived runs, too.")] = False,
    drop_rows: DropRows = False,
    metric: Metrics = None,
    seed_key: SeedKeys = None,
    force: Force = False,
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="Rows that were imported from a hand-kept log as they stood there.")
    ] = False,
) -> None:
    """Rebuild the model change log: print it, or write it between the markers of a document.

    Numbers come from records, claims from rules. Notes that were changed in the table go back to their runs; what
    else was typed between the markers is kept, or refused. Of runs of other programs the columns are metrics, which a
    line above the table explains: those of --metric or of the document's marker, else the sweep's, declared ones
    (define_metric) and common names.
    """
    if context.invoked_subcommand is not None:
        return
    from kag.track.output import is_standard_output
    from kag.track.source import open_source
    from kag.view.choice import Choice
    from kag.view.progress import busy

    form = Format.JSON if as_json else form
    write = None if write and is_standard_output(write) else write
    if write is None and (check or show_diff) and form is not Format.MARKDOWN:
        raise UserError(f"no file to compare the {form} with", remedy="name it by --write FILE")
    days = since.date() if since else None, until.date() if until else None
    choice = Choice(*days, tuple(tag or ()), sweep, archived)
    options = _options(context, write or DOCUMENT, choice)
    if write is None and not (check or show_diff):
        with busy(READING):
            printed = _table(open_source(source), options, form)
        echo(printed, nl=False)
        return
    output = _output(write or DOCUMENT, form, force)
    with busy(READING):
        version = _version(source, output, options, form, dry=check or show_diff)
    _tell(version, output.path, options.call, check=check, show_diff=show_diff)


@app.command("import", epilog="Example: kag changelog import MODEL_CHANGELOG_OCT2025.md --runs runs")
def import_log(
    file: Annotated[Path, typer.Argument(help="Change log that was kept by hand.", metavar="FILE")],
    runs: Runs = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Turn the rows of a hand-kept change log into run folders: what they state, nothing guessed."""
    from kag.changelog.importing import import_rows

    made, known = import_rows(file, runs)
    if as_json:
        answer({"imported": made, "known": known})
        return
    echo(f"{len(made)} runs imported into {runs}" + (f", {len(known)} were there already" if known else ""))


def doctor(
    run: RunWord, runs: Runs = RUNS, source: Source = None, seed_key: sources.SeedKeys = None, as_json: Json = False
) -> None:
    """Print what the rules find in a run, each finding with the numbers it rests on.

    Examples:

      kag doctor oct17

      kag doctor mnist-4 --source wandb:team/mnist
    """

    from kag.changelog.collect import collect
    from kag.changelog.diagnose import diagnose
    from kag.changelog.repository import Repository
    from kag.text import fact
    from kag.view.alike import require_seeds
    from kag.view.findings import finding_line
    from kag.view.life import silence

    place, record = run_of(run, source, runs)
    siblings = collect(place, Repository.around(repository_beside(place)), seed_keys=seed_key or ())
    if record.id not in siblings.by_id:
        raise next(error for error in siblings.broken if record.id in (error.where or ""))
    name_left_out(siblings.broken)
    require_seeds(seed_key or (), [entry.record for entry in siblings.entries])
    findings = diagnose(siblings.by_id[record.id], siblings)
    if as_json:
        answer({"run": record.id, "record": siblings.by_id[record.id].record, "findings": findings})
        return
    console = Terminal(highlight=False, soft_wrap=True)
    if silent := silence(siblings.by_id[record.id].record):
        console.say(f"killed, {silent}")
    for finding in findings:
        console.print(finding_line(finding))
        for name, value in finding.evidence.items():
            console.say(f"    {name} = {fact(value)}")
    if not findings:
        console.say(f"no rule has anything to say about {record.id}")


def note(
    run: RunWord,
    text: Annotated[str, typer.Argument(help="What to add.", metavar="TEXT")],
    runs: Runs = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add a note to a run; the change log shows it at the end of the run's row.

    Example:

      kag note oct17 "kept for averaging"
    """
    from kag.changelog.write import add_note
    from kag.view.words import find_run

    folder = find_run(runs, run, ending=False)
    add_note(folder, text)
    if as_json:
        answer({"run": folder.id, "file": str(folder.notes_file), "notes": folder.notes()})
    else:
        echo(f"added to {folder.notes_file}")


def _options(context: typer.Context, file: Path, choice: Choice) -> Options:
    """What the document shows, as the options of the command say."""
    from kag.changelog.repository import Repository
    from kag.changelog.version import Options

    given = context.params
    return Options(
        repository=Repository.around(file),
        specs=Path(given["source"]) / PLANNED_SPECS,
        choice=choice,
        verbatim=given["verbatim"],
        drop_rows=given["drop_rows"] or given["show_diff"],
        call=command_line(context, write=str(file), check=False, show_diff=False),
        metrics=tuple(given["metric"] or ()),
        seed_keys=tuple(given["seed_key"] or ()),
    )


def _output(file: Path, form: Format, force: bool) -> Output:
    """The file to write. Of a document only the parts between its markers are ever replaced."""
    from kag.changelog.export import FORMS
    from kag.track.output import Kind, Output

    kind = Kind("a document with markers", lambda _: True) if form is Format.MARKDOWN else FORMS[form].kind
    return Output(file, kind, force)


def _version(source: str, output: Output, options: Options, form: Format, *, dry: bool) -> Version:
    """A file as it is and as it should be; unless `dry`, it is written."""
    from kag.changelog.export import FORMS, update_export
    from kag.changelog.write import update
    from kag.track.source import files_of, open_source

    runs = open_source(source)
    if dry:
        output.require_file()
    else:
        output.require_free(*files_of(source), options.specs)
    if form is Format.MARKDOWN:
        version = update(runs, output.path, options, dry=dry)
    else:
        version = update_export(runs, output.path, FORMS[form], options, dry=dry)
    name_left_out(version.broken)
    return version


def _tell(version: Version, file: Path, call: str, *, check: bool, show_diff: bool) -> None:
    """Say what was found, or done."""
    from kag.changelog.document import unified_diff

    if version.unknown:
        echo(f"nothing is said anew about changes of the code: {version.unknown}", err=True)
    if show_diff:
        echo(unified_diff(version.found, version.wanted, str(file)), nl=False)
    if check and version.stale:
        echo(f"{file} is stale; `{call}` renews it", err=True)
        raise typer.Exit(1)
    if check or show_diff:
        return
    for section in version.moved:
        echo(f"lines in the list {section!r} that kag cannot tell for its own stand below it now", err=True)
    echo(f"{file} written: {version.tally}" if version.stale else f"{file} is up to date", err=True)


def _table(runs: RunSource, options: Options, form: Format) -> str:
    """The table alone, without a document around it."""
    from kag.changelog.collect import collect
    from kag.changelog.export import FORMS
    from kag.changelog.markdown import render
    from kag.changelog.table import table
    from kag.view.alike import require_seeds
    from kag.view.choice import archived_text, require_known
    from kag.view.looks import looks_told

    siblings = collect(runs, options.repository, options.metrics, options.seed_keys)
    name_left_out(siblings.broken)
    records = [entry.record for entry in siblings.entries]
    require_known(options.choice, records)
    require_seeds(options.seed_keys, records)
    rows, hidden = table(siblings, options.choice), sum(map(options.choice.hides, records))
    if form is Format.MARKDOWN:
        looks = looks_told(records, verbatim=options.verbatim)
        return render(rows, siblings.metrics, verbatim=options.verbatim, archived=hidden, looks=looks)
    if hidden:
        echo(f"{archived_text(hidden, have='row')}; --archived shows them", err=True)
    return FORMS[form].render(rows, siblings)
