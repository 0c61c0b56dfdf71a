"""`kag export`: runs as tables, as event files for TensorBoard, or as run folders without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kag.cli.sources import RUNS, Json, Runs, Source, opened
from kag.cli.words import name_left_out
from kag.errors import KagError, UserError
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from kag.track.record import RunRecord
    from kag.track.source import RunSource


class Form(StrEnum):
    """What runs are written as."""

    CSV = "csv"
    PARQUET = "parquet"
    TENSORBOARD = "tensorboard"
    FOLDERS = "folders"


class Part(NamedTuple):
    """A file of an export."""

    path: Path
    write: Callable[[Path], None]


def export(
    to: Annotated[Form, typer.Option("--to", help="What to write.")],
    out: Annotated[Path, typer.Option("--out", help="Folder that the files go to.", metavar="DIR")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; all without one.")] = None,
    runs: Runs = RUNS,
    source: Source = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Write runs as tables (runs, and histories in the long form), event files for TensorBoard, or folders.

    Folders are run folders without weights, for a repository or a paper's supplement: whatever reads runs reads them,
    and they do not tell where on this machine the data lie.
    Of what is there nothing is replaced without --force, and each file appears when it is whole.

    Examples:

      kag export --to csv --out tables

      kag export --to tensorboard --source wandb:my-team/my-project --out events

      kag export --to folders --out supplement
    """
    from kag.track.atomic import require_place
    from kag.track.output import Kind, Output, output_path
    from kag.track.source import files_of
    from kag.view.progress import shown

    _require(to)
    require_place(out)
    found = opened(source, runs)
    records, broken = found.readable()
    name_left_out(broken)
    records = _chosen(records, words or [])
    if not records:
        raise UserError("there are no runs to export", where=source or str(runs))
    left: list[KagError] = []
    parts = _parts(to, out, records, found, left)
    inputs = files_of(source) if source else ()
    for part in parts:
        Output(part.path, Kind(f"a file of {to}"), force).require_free(*inputs)
    for part in shown(parts, Terminal(stderr=as_json), "files", len(parts)):
        with output_path(part.path, make_folder=True) as temporary:
            part.write(temporary)
    name_left_out(left)
    folders = {part.path.parent.name for part in parts}
    written = [one.id for one in records if to is not Form.FOLDERS or one.id in folders]
    if as_json:
        answer({"runs": written, "files": [str(part.path) for part in parts]})
        return
    echo(f"{len(written)} run{'' if len(written) == 1 else 's'} in {out}")


def _require(to: Form) -> None:
    """Look for what an extra brings, before anything is read."""
    if to is Form.PARQUET:
        from kag.transfer.export import require_pyarrow

        require_pyarrow()
    elif to is Form.TENSORBOARD:
        from kag.transfer.tensorboard_origin import require_tensorboard

        require_tensorboard()


def _chosen(records: Sequence[RunRecord], words: Sequence[str]) -> Sequence[RunRecord]:
    """The runs that the words name by id or name.

    Raises:
        UserError: there is no such run.
    """
    unknown = [word for word in words if not any(word in (one.id, one.name) for one in records)]
    if unknown:
        raise UserError(f"there is no run {unknown[0]!r}", remedy="`kag runs list` names them")
    return [one for one in records if not words or one.id in words or one.name in words]


def _parts(to: Form, out: Path, records: Sequence[RunRecord], source: RunSource, left: list[KagError]) -> list[Part]:
    """The files to write. A run whose history cannot be read is told, and hinders no other."""
    from kag.errors import RecordError
    from kag.transfer import export as tables
    from kag.transfer.event_files import FILE, write_events

    if to is Form.FOLDERS:
        return list(_folders(out, records, source, left))

    def history(run: str) -> list[dict[str, float]]:
        try:
            return source.history(run)
        except RecordError as error:
            left.append(error)
            return []

    def logged() -> Iterator[tuple[str, float, str, float]]:
        return tables.history_rows(records, history)

    if to is Form.TENSORBOARD:
        return [
            Part(out / one.id / FILE, lambda file, one=one: write_events(file, one, history(one.id)))  # type: ignore[misc]
            for one in records
        ]
    is_csv = to is Form.CSV
    runs, rows = (
        (tables.write_runs_csv, tables.write_history_csv)
        if is_csv
        else (tables.write_runs_parquet, tables.write_history_parquet)
    )
    return [
        Part(out / f"runs.{to}", lambda file: runs(file, tables.run_rows(records))),
        Part(out / f"history.{to}", lambda file: rows(file, logged())),
    ]


def _folders(out: Path, records: Sequence[RunRecord], source: RunSource, left: list[KagError]) -> Iterator[Part]:
    """The files of each run, its record last: a folder without one is no run. One that cannot be read is left out."""
    from kag.errors import RecordError
    from kag.transfer.run_folders import files_of_run

    for one in records:
        try:
            first, *others = files_of_run(one, source)
        except RecordError as error:
            left.append(error)
            continue
        for file in (*others, first):
            yield Part(out / one.id / file.name, file.write)
