"""What the runs of a project scored, from the files that their clients have saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, RowMapping, select

from kag.compare.comparison import COMPARED
from kag.compare.paired import DrawnOf, HeldDraws, drawn_from
from kag.errors import RecordError
from kag.names import Part
from kag.server.files import blob_path
from kag.server.page.held import Held
from kag.server.store import all_rows
from kag.server.tables import blobs, files, runs
from kag.stats.scores import Drawn
from kag.track.reading import read_bytes
from kag.track.scores_of_run import names_of, only_one, read_drawn, require_size


def draws_of(connection: Connection, project: int, folder: Path, known: Mapping[str, Held], held: HeldDraws) -> DrawnOf:
    """Where the draws of the runs of a project are; a page that is asked for again reads no file.

    Args:
        connection: asked once, now.
        project: row of the table of projects.
        folder: of the blobs.
        known: run id -> run.
        held: those of the project that were read before.
    """
    saved = _saved(connection, project)

    def kept(run_id: str, split: Part) -> Drawn | None:
        found = saved.get(known[run_id].number, {})
        name = only_one([name for name in names_of(split) if name in found], where=run_id)
        return _read(folder, found[name], split) if name else None

    def content(run_id: str, split: Part) -> str:
        found = saved.get(known[run_id].number, {})
        return " ".join(found[name]["md5"] for name in names_of(split) if name in found)

    return drawn_from(kept, held, content)


def _saved(connection: Connection, project: int) -> Mapping[int, Mapping[str, RowMapping]]:
    """Row of the table of runs -> name -> file of scores."""
    names = [name for split in COMPARED for name in names_of(split)]
    query = (
        select(files.c.run_id, files.c.name, blobs.c.path, blobs.c.size, blobs.c.md5)
        .join(blobs, files.c.blob_id == blobs.c.id)
        .join(runs, files.c.run_id == runs.c.id)
        .where(runs.c.project_id == project, files.c.name.in_(names))
    )
    found: dict[int, dict[str, RowMapping]] = {}
    for row in all_rows(connection, query):
        found.setdefault(row["run_id"], {})[row["name"]] = row
    return found


def _read(folder: Path, row: RowMapping, split: Part) -> Drawn:
    """The draws of the scores in a file.

    Raises:
        RecordError: it cannot be read, or a newer upload has taken its place by now.
    """
    require_size(row["size"], where=row["name"])
    path = blob_path(folder, row["path"])
    if not path.is_file():
        raise RecordError("is not there any more", where=row["name"])
    return read_drawn(read_bytes(path), row["name"], split, where=row["name"])
