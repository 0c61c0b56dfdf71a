"""What the runs of a project scored, from the files that their clients have saved."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Generic

from sqlalchemy import Connection, RowMapping, select

from kag.compare.comparison import COMPARED
from kag.compare.paired import Read, Unpaired, read_once
from kag.errors import RecordError
from kag.names import Part
from kag.server.files import blob_path
from kag.server.page.held import Held
from kag.server.store import all_rows
from kag.server.tables import blobs, files, runs
from kag.stats.profile import Profile, profile_of
from kag.stats.scores import Drawn
from kag.track.reading import read_bytes
from kag.track.record import RunRecord
from kag.track.scores_of_run import names_of, only_one, read_drawn, read_scores, require_size

DRAWS = 1024
"""Files of a project whose draws stay in memory."""

PROFILES = 256
"""Files of a project of which it stays in memory what they look like: some ten thousand bytes each."""

Saved = Mapping[int, Mapping[str, RowMapping]]
"""Row of the table of runs -> name -> file of scores."""

Reader = Callable[[bytes, str, Part, str], Read]
"""Reads the content of a file of this name, of a split; the last word is for errors."""


@dataclass
class KeptReadings(Generic[Read]):
    """What was read of files, by their content: a page that is asked for again reads no file."""

    read: Reader[Read]
    most: int
    reading: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while a file is read: all examples of one are in memory."""
    held: OrderedDict[str, Read | Unpaired] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, saved: Saved, folder: Path, known: Mapping[str, Held]) -> Callable[[RunRecord, Part], Read | Unpaired]:
        """What it reads of the runs of a project.

        Args:
            saved: their files.
            folder: of the blobs.
            known: run id -> run.
        """

        def kept(run_id: str, split: Part) -> Read | None:
            found = saved.get(known[run_id].number, {})
            name = only_one([name for name in names_of(split) if name in found], where=run_id)
            if name is None:
                return None
            with self.reading:
                return self.read(_content(folder, found[name]), name, split, name)

        fresh = read_once(kept)

        def read(record: RunRecord, split: Part) -> Read | Unpaired:
            found = saved.get(known[record.id].number, {})
            key = f"{record.id} {split} {[found[name]['md5'] for name in names_of(split) if name in found]}"
            with self.lock:
                if key in self.held:
                    self.held.move_to_end(key)
                    return self.held[key]
            made = fresh(record, split)
            with self.lock:
                self.held[key] = made
                if len(self.held) > self.most:
                    self.held.popitem(last=False)
            return made

        return read


def kept_draws() -> KeptReadings[Drawn]:
    """Draws, which are a small part of a file."""
    return KeptReadings(lambda content, name, split, where: read_drawn(content, name, split, where=where), DRAWS)


def kept_profiles(reading: AbstractContextManager[object]) -> KeptReadings[Profile]:
    """Profiles, for which a file is read whole: one at a time."""
    return KeptReadings(_profile, PROFILES, reading)


def saved(connection: Connection, project: int) -> Saved:
    """The files of scores of a project, by one question.

    Args:
        connection: asked once.
        project: row of the table of projects.
    """
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


def _profile(content: bytes, name: str, split: Part, where: str) -> Profile:
    return profile_of(read_scores(content, name, split, where=where))


def _content(folder: Path, row: RowMapping) -> bytes:
    """The content of a file of scores.

    Raises:
        RecordError: it cannot be read, or a newer upload has taken its place by now.
    """
    require_size(row["size"], where=row["name"])
    path = blob_path(folder, row["path"])
    if not path.is_file():
        raise RecordError("is not there any more", where=row["name"])
    return read_bytes(path)
