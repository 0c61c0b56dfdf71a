"""What the runs of a project scored, from the files that their clients have saved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, RowMapping, select

from kag.compare.comparison import COMPARED
from kag.compare.paired import DrawnOf, Unpaired, drawn_from
from kag.errors import RecordError
from kag.names import Part
from kag.server.files import blob_path
from kag.server.page.held import Held
from kag.server.store import all_rows
from kag.server.tables import blobs, files, runs
from kag.stats.scores import Drawn, Scores
from kag.track.reading import read_bytes
from kag.track.record import RunRecord
from kag.track.result import Selection
from kag.track.scores_of_run import names_of, only_one, read_drawn, read_scores, require_size

HELD = 1024
"""Files of a project whose draws stay in memory."""


SWEEPS = 64
"""Sweeps of a project of which it stays in memory what their best trial is worth."""

MadeOf = tuple[tuple[object, ...], ...]
"""Of each trial its run, the number of its last change, and the content of its scores."""


@dataclass(frozen=True)
class SavedScores:
    """The files of scores of the runs of a project, as the database had them."""

    folder: Path
    """Of the blobs."""
    known: Mapping[str, Held]
    """Run id -> run."""
    files: Mapping[int, Mapping[str, RowMapping]]
    """Row of the table of runs -> name -> file."""

    @classmethod
    def of(cls, connection: Connection, project: int, folder: Path, known: Mapping[str, Held]) -> SavedScores:
        """Ask the database once; `project` is the row of the table of projects."""
        return cls(folder, known, _saved(connection, project))

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
        path = blob_path(self.folder, row["path"])
        if not path.is_file():
            raise RecordError("is not there any more", where=row["name"])
        return read_bytes(path)


@dataclass
class KeptDraws:
    """Draws by the content that they were read from: a page that is asked for again reads no file."""

    held: OrderedDict[str, Drawn | Unpaired] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, saved: SavedScores) -> DrawnOf:
        """Where the draws of the runs of a project are."""
        fresh = drawn_from(saved.drawn)

        def drawn(record: RunRecord, split: Part) -> Drawn | Unpaired:
            key = f"{record.id} {split} {list(saved.contents(record.id, split))}"
            with self.lock:
                if key in self.held:
                    self.held.move_to_end(key)
                    return self.held[key]
            made = fresh(record, split)
            with self.lock:
                self.held[key] = made
                if len(self.held) > HELD:
                    self.held.popitem(last=False)
            return made

        return drawn


class Busy:
    """Somebody else is working it out."""


@dataclass
class KeptSelections:
    """What the best trials of the sweeps of a project are worth, by all that this rests on."""

    held: OrderedDict[MadeOf, Selection | None] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, made_of: MadeOf, make: Callable[[], Selection | None]) -> Selection | Busy | None:
        """What was worked out before, or is now: by one thread at a time, and no other one waits for it."""
        found = self.held.get(made_of, Busy())
        if not isinstance(found, Busy) or not self.lock.acquire(blocking=False):
            return found
        try:
            self.held[made_of] = made = make()
            if len(self.held) > SWEEPS:
                self.held.popitem(last=False)
        finally:
            self.lock.release()
        return made


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
