"""`kag serve backup | restore | check | prune | project`: what the operator of a server does with what it keeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from kag.cli.database import DEFAULT_DB, DEFAULT_FILES, Database, Files, Json, opened
from kag.text import command, size
from kag.view.terminal import answer, echo

project_app = typer.Typer(help="List and delete projects. Example: kag serve project list", no_args_is_help=True)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")]


def add_to(app: typer.Typer) -> None:
    """The commands, under `kag serve`."""
    for one in (backup, restore, check, prune):
        app.command(one.__name__)(one)
    app.add_typer(project_app, name="project")


def backup(
    to: Annotated[Path, typer.Argument(help="Folder to make; it must not be there.")],
    db: Database = DEFAULT_DB,
    files: Files = DEFAULT_FILES,
    as_json: Json = False,
) -> None:
    """Copy the database and all files while the server works; every row that came before is in the copy.

    Rows of PostgreSQL are kept as SQLite, too, so no other program is needed, and either kind restores from it.
    Files in a bucket stay there.

    Example:

      kag serve backup /backups/kag-2026-11-29
    """
    from kag.server.backup import back_up
    from kag.server.blobs import blobs_at
    from kag.server.trouble import in_words, shown

    place = blobs_at(files)
    with opened(db) as store, in_words(str(to)):
        taken = back_up(store, place, to)
    _say_taken(taken._asdict(), f"{to} holds", command("serve", "check", db=shown(db), files=files), as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `kag serve backup` made.")],
    db: Database = DEFAULT_DB,
    files: Files = DEFAULT_FILES,
    as_json: Json = False,
) -> None:
    """Make a database and a folder of files from a backup; a database that holds something is refused.

    Example:

      kag serve restore /backups/kag-2026-11-29 --db sqlite:///again/tracking.db --files again/files
    """
    from kag.server.backup import restore as restore_backup
    from kag.server.blobs import blobs_at
    from kag.server.trouble import in_words, shown

    with in_words(shown(db)):
        taken = restore_backup(source, db, blobs_at(files))
    check = command("serve", "check", db=shown(db), files=files)
    _say_taken(taken._asdict(), f"{shown(db)} and {files} hold", check, as_json)


def _say_taken(taken: dict[str, object], what: str, check: str, as_json: bool) -> None:
    if as_json:
        answer(taken)
        return
    echo(f"{what} runs: {taken['runs']}, files: {taken['files']}")
    if taken["elsewhere"]:
        echo(f"files have stayed in {taken['elsewhere']}: it is the versions of the bucket that keep what is removed")
    if taken["missing"]:
        echo(f"{taken['missing']} more were missing already: `{check}` lists them", err=True)


def check(db: Database = DEFAULT_DB, files: Files = DEFAULT_FILES, as_json: Json = False) -> None:
    """Look whether database and files are whole; the exit code is 1 if something must be mended.

    Example:

      kag serve check
    """
    from kag.server.blobs import blobs_at
    from kag.server.check import check as look
    from kag.server.trouble import shown

    place = blobs_at(files)
    with opened(db) as store:
        found = look(store, place, now=time.time())
    if as_json:
        answer(found._asdict())
    else:
        for line in found.broken:
            echo(line)
        if found.strays:
            remedy = command("serve", "prune", db=shown(db), files=files)
            echo(f"files that nothing names: {found.strays}; `{remedy}` removes what is old enough")
        if not found.broken:
            echo(f"database (layout {found.layout}) and files are whole")
    if found.broken:
        raise typer.Exit(1)


def prune(
    db: Database = DEFAULT_DB,
    files: Files = DEFAULT_FILES,
    keep_days: Annotated[
        float | None, typer.Option(help="Also delete ended runs of which nothing was heard for so many days.", min=0)
    ] = None,
    project: Annotated[str | None, typer.Option(help="Delete runs of this project alone: entity/name.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove files that nothing names, and, with --keep-days, old runs; artifacts and runs of open sweeps stay.

    Runs that were deleted in the page go when a day is over.

    Example:

      kag serve prune --keep-days 365 --dry-run
    """
    from kag.server.blobs import blobs_at
    from kag.server.prune import prune as remove_all

    place = blobs_at(files)
    with opened(db) as store:
        gone = remove_all(store, place, now=time.time(), keep_days=keep_days, project=project, dry_run=dry_run)
    if as_json:
        answer({**gone._asdict(), "dry_run": dry_run})
        return
    for name in gone.runs:
        echo(name)
    what = "would be removed" if dry_run else "removed"
    echo(f"{what}: runs: {len(gone.runs)}, files: {gone.files} ({size(gone.bytes)})")


@project_app.command("list")
def project_list(db: Database = DEFAULT_DB, as_json: Json = False) -> None:
    """Every project with the number of its runs.

    Example:

      kag serve project list
    """
    from kag.server.prune import projects_with_runs

    with opened(db) as store, store.read() as connection:
        found = projects_with_runs(connection)
    if as_json:
        answer([{"project": name, "runs": runs} for name, runs in found.items()])
        return
    for name, runs in found.items():
        echo(f"{name}\t{runs}")


@project_app.command("delete")
def project_delete(
    project: Annotated[str, typer.Argument(help="Which: entity/name.")],
    db: Database = DEFAULT_DB,
    files: Files = DEFAULT_FILES,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete a project with its runs, sweeps, artifacts and files for good. One in which runs are logging is refused.

    Example:

      kag serve project delete kag/playground
    """
    from kag.server.blobs import blobs_at
    from kag.server.prune import drop_project

    place = blobs_at(files)
    with opened(db) as store:
        runs = drop_project(store, place, project, now=time.time(), dry_run=dry_run)
    if as_json:
        answer({"project": project, "runs": runs, "dry_run": dry_run})
        return
    echo(f"{'would be deleted' if dry_run else 'deleted'}: {project}, runs: {runs}")
