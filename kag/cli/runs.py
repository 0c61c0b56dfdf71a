"""`kag runs`: list, show, compare, watch and archive tracked runs; what changes them otherwise is in `runs_edit`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from kag.cli import runs_edit, tables
from kag.cli.fitted import print_whole, terminal
from kag.cli.groups import Groups, grouped
from kag.cli.ordering import Order, order_by
from kag.cli.side_by_side import compare
from kag.cli.sources import RUNS, Json, Runs, RunWord, RunWords, Source, opened, run_of, values_of
from kag.cli.watch import watch
from kag.cli.words import name_left_out
from kag.errors import UserError
from kag.track.record import RunRecord, Status
from kag.view.choice import Choice, archived_text, require_known
from kag.view.metrics import chosen as metrics_of
from kag.view.terminal import answer, echo
from kag.view.words import find_run

app = typer.Typer(
    help="List, show, compare, watch, tag, rename, archive, delete and prune runs.",
    no_args_is_help=True,
)
Statuses = Annotated[list[Status] | None, typer.Option("--status", help="Only this status; may be repeated.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag; repeated, with all of them.")]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of a start, in local time.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of a start, in local time.")]
Sort = Annotated[
    str | None,
    typer.Option(help="By a column, a metric, start or duration; the best first.", metavar="COLUMN[:asc|desc]"),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "--last",
        help="Most runs shown, 0 for all: the newest, or the first by --sort.",
        show_default="100; with --json, all",
        min=0,
    ),
]
Name = Annotated[str, typer.Option(help="Only names that match, * and ? as in a shell.")]
Sweep = Annotated[str | None, typer.Option(help="Only the trials of this sweep.", metavar="ID")]
Archived = Annotated[bool, typer.Option("--archived", help="Archived runs, too.")]
Group = Annotated[bool, typer.Option("--group", help="A row for runs that differ in the seed alone: mean and spread.")]
Unfold = Annotated[bool, typer.Option("--unfold", help="With --group: each run below its row.")]
SeedKey = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="With --group: a setting that is a seed of another program; may be repeated."),
]

SHOWN = 100
"""Rows of a list that nobody asked to be longer; laying out thousands takes seconds."""
NOON = time(12)


@app.command(
    "list",
    epilog="Examples: kag runs list --status finished --tag swa --name 'oct*', then "
    "kag runs list --since 2025-10-01 --until 2025-10-31 --sort val/auprc, then kag runs list --group --unfold",
)
def list_runs(
    runs: Runs = RUNS,
    source: Source = None,
    status: Statuses = None,
    tag: Tags = None,
    sweep: Sweep = None,
    name: Name = "*",
    since: Since = None,
    until: Until = None,
    sort: Sort = None,
    limit: Limit = None,
    archived: Archived = False,
    group: Group = False,
    unfold: Unfold = False,
    seed_key: SeedKey = None,
    as_json: Json = False,
) -> None:
    """List runs, oldest first: status, epochs, AUPRC of the delivered weights, parent, tags.

    Of runs of other programs the metrics that count, as in the change log.
    """
    if (unfold or seed_key) and not group:
        raise UserError("--unfold and --seed-key go with --group")
    place = opened(source, runs)
    records, broken = place.readable()
    choice = Choice(_day(since), _day(until), tuple(tag or ()), sweep, archived, zone=None)
    if records:
        require_known(choice, records)
    fitting = [one for one in records if (not status or one.status in status) and fnmatchcase(one.name, name)]
    taken, hidden = [one for one in fitting if choice.takes(one)], sum(map(choice.hides, fitting))
    order = order_by(sort, taken, metrics_of(records)) if sort else None
    ordered = order.of(taken, values_of(place, taken, records)) if order else taken
    count = (0 if as_json else SHOWN) if limit is None else limit
    groups: Groups | None = None
    if group:
        values, newest = values_of(place, ordered, records), order is None
        groups = grouped(records, ordered, values, seed_keys=seed_key or (), count=count, newest=newest)
        chosen = groups.runs
    else:
        chosen = (ordered[:count] if order else ordered[-count:]) if count else ordered
    if groups is not None and (chosen or as_json):
        groups.show(unfold=unfold, as_json=as_json)
    elif as_json:
        answer(chosen)
    elif chosen:
        console = terminal()
        print_whole(console, tables.run_list(chosen, values_of(place, chosen, records), console.width, order))
    else:
        where = source or runs
        echo(f"no such run in {where}" if records else f"no runs in {where}; `kag train SPEC` makes one")
    for said in (*_said(choice, order, chosen, len(taken), hidden), *(groups.said() if groups else ())):
        echo(said, err=True)
    name_left_out(broken)


@app.command(epilog="Examples: kag runs show oct17, then kag runs show mnist-4 --source wandb:team/mnist")
def show(run: RunWord, runs: Runs = RUNS, source: Source = None, as_json: Json = False) -> None:
    """Show everything known of a run: settings, results with their digests, lineage, failure, history, notes."""
    place, record = run_of(run, source, runs)
    history, notes = place.history(record.id), place.notes(record.id)
    if as_json:
        answer({"run": record.id, "record": record, "history": history, "notes": notes})
    else:
        console = terminal()
        for part in tables.run_page(record, history, notes, console.width):
            print_whole(console, part)


app.command(epilog="Examples: kag runs compare oct16 oct17 oct17-swa; kag runs compare a b --source wandb:team/mnist")(
    compare
)
app.command(epilog="Example: kag runs watch --every 5")(watch)
runs_edit.add_to(app)


@app.command(epilog="Examples: kag runs archive oct16, then kag runs archive oct16 oct17 --undo")
def archive(
    run: RunWords,
    runs: Runs = RUNS,
    undo: Annotated[bool, typer.Option("--undo", help="Take runs back.")] = False,
    as_json: Json = False,
) -> None:
    """Leave runs out of lists and change logs, with their files and their lineage kept.

    An archived run has the tag `archived`. It has no row, is nobody's default parent and counts for no "highest so
    far"; runs that come from it still name it and are compared with it. A run in W&B has the tag where it is set there.
    """
    from kag.track.edit import require_ended, set_archived

    folders = list({folder.id: folder for folder in (find_run(runs, word, ending=False) for word in run)}.values())
    for folder in folders:
        require_ended(folder)
    changed = {folder.id: set_archived(folder, not undo) for folder in folders}
    mirrored = [folder.id for folder in folders if folder.read_record().wandb_id]
    if as_json:
        page = {"archived": not undo, "changed": [one for one in changed if changed[one]], "mirrored": mirrored}
        answer({"runs": list(changed), **page})
        return
    state = "in the lists again" if undo else "archived"
    for one, is_new in changed.items():
        echo(f"{one} is {state}" if is_new else f"{one} was {state} already")
    if mirrored:
        echo(f"W&B's copies are as they were; {'take' if undo else 'set'} the tag `archived` there", err=True)


def _said(choice: Choice, order: Order | None, shown: Sequence[RunRecord], fitting: int, hidden: int) -> list[str]:
    """What a list leaves out, and by which days and in which order it stands."""
    said = [_days(choice)] if choice.since or choice.until else []
    if shown and len(shown) < fitting:
        first = f"first {len(shown)} of {fitting} by {order.column}" if order else f"newest {len(shown)} of {fitting}"
        said.append(f"the {first}; --{'limit' if order else 'last'} 0 shows all")
    if order and order.measured:
        from kag.compare.comparison import SHOWN as LISTED
        from kag.compare.comparison import in_doubt, not_comparable

        said += [f"not comparable: {why}" for why in not_comparable(shown)[:LISTED]]
        said += [doubt] if (doubt := in_doubt(shown)) else []
    if hidden:
        said.append(f"{archived_text(hidden, have='row')}; --archived shows them")
    return said


def _days(choice: Choice) -> str:
    """`runs that began 2025-10-01 to 2025-10-31, days in local time: CEST (UTC+02:00), CET (UTC+01:00)`."""
    ends = [day for day in (choice.since, choice.until) if day]
    zones = dict.fromkeys(map(_zone, ends))
    span = " to ".join(str(day) for day in dict.fromkeys(ends))
    open_end = " or later" if choice.until is None else " or before" if choice.since is None else ""
    return f"runs that began {span}{open_end}, days in local time: {', '.join(zones)}"


def _zone(day: date) -> str:
    """The local time zone at noon of a day."""
    noon = datetime.combine(day, NOON).astimezone()
    return f"{noon:%Z}" if noon.tzname() == "UTC" else f"{noon:%Z} (UTC{noon.isoformat()[-6:]})"


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None
