"""The files of scores that the clients of a project have saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select

from kag.compare.comparison import COMPARED
from kag.errors import RecordError
from kag.names import Part
from kag.server.blobs import Blobs
from kag.server.page.held import Held
from kag.server.store import all_rows
from kag.server.tables import blobs, files, runs
from kag.stats.scores import Drawn, Scores
from kag.track.scores_of_run import names_of, only_one, read_drawn, read_scores, require_size


@dataclass(frozen=True)
class SavedScores:
    """The files of scores of the runs of a project, as the database had them."""

    blobs: Blobs
    """Where they lie."""
    known: Mapping[str, Held]
    """Run id -> run."""
    files: Mapping[int, Mapping[str, RowMapping]]
    """Row of the table of runs -> name -> file."""

    @classmethod
    def of(cls, connection: Connection, project: int, place: Blobs, known: Mapping[str, Held]) -> SavedScores:
        """Ask the database once; `project` is the row of the table of projects."""
        return cls(place, known, _saved(connection, project))

    def contents(self, run_id: str, split: Part) -> tuple[str, ...]:
        """What stands for the content of the files of a run on a split; another content is another one."""
        found = self._files(run_id)
        return tuple(found[name]["md5"] for name in names_of(split) if name in found)

    def drawn(self, run_id: str, split: Part) -> Drawn | None:
        """The draws of a run on a split; None if it has no file of them.

        Raises:
            RecordError: the file cannot be read, or a newer upload has taken its place by now.
        """
        row = self._file(run_id, split)
        return None if row is None else read_drawn(self._content(row), row["name"], split, where=row["name"])

    def scores(self, run_id: str, split: Part) -> Scores | None:
        """The scores of a run on a split; see `drawn`."""
        row = self._file(run_id, split)
        return None if row is None else read_scores(self._content(row), row["name"], split, where=row["name"])

    def _files(self, run_id: str) -> Mapping[str, RowMapping]:
        return self.files.get(self.known[run_id].number, {})

    def _file(self, run_id: str, split: Part) -> RowMapping | None:
        found = self._files(run_id)
        name = only_one([name for name in names_of(split) if name in found], where=run_id)
        return found[name] if name else None

    def _content(self, row: RowMapping) -> bytes:
        require_size(row["size"], where=row["name"])
        try:
            return self.blobs.read(row["path"])
        except FileNotFoundError as error:
            raise RecordError("is not there any more", where=row["name"]) from error
        except OSError as error:
            raise RecordError(f"cannot be read: {error.strerror or error}", where=row["name"]) from error


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
