"""Run folders as a source: `runs/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kag.errors import RecordError
from kag.names import Part
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord

if TYPE_CHECKING:  # numpy takes longer to load than a list of runs
    from kag.stats.scores import Drawn, Scores

_Version = tuple[int, ...]


@dataclass(frozen=True)
class FolderSource:
    """The runs of a folder. What was read is kept and read again only if its file changed."""

    runs: Path
    _known: dict[str, tuple[_Version, RunRecord]] = field(default_factory=dict, repr=False, compare=False)

    def records(self) -> Iterator[RunRecord]:
        """Every run; see `RunSource.records`."""
        records, broken = self.readable()
        if broken:
            raise broken[0]
        yield from records

    def readable(self) -> tuple[list[RunRecord], list[RecordError]]:
        """The runs that can be read, in order, and what is wrong with the others.

        A run whose process was killed without a word is killed here, whatever its record says; see `as_it_stands`.

        Raises:
            RecordError: there is no such folder.
        """
        if not self.runs.is_dir():
            raise RecordError("there is no such folder of runs", where=str(self.runs), remedy="name one by --runs")
        records: list[RunRecord] = []
        broken: list[RecordError] = []
        for folder in RunFolder.all(self.runs):
            try:
                records.append(self._read(folder))
            except RecordError as error:
                broken.append(error)
        return sorted(records, key=lambda record: (record.start, record.id)), broken

    def history(self, run_id: str) -> list[dict[str, float]]:
        """Rows of a run; see `RunSource.history`."""
        return self._folder(run_id).history()

    def notes(self, run_id: str) -> str:
        """Notes of a run; see `RunSource.notes`."""
        return self._folder(run_id).notes()

    def scores(self, run_id: str, split: Part) -> Scores | None:
        """Scores of a run; see `RunSource.scores`."""
        from kag.track.scores_of_run import scores_in

        return scores_in(self._folder(run_id).path, split)

    def drawn(self, run_id: str, split: Part) -> Drawn | None:
        """The draws of these scores alone, which takes a tenth of the time."""
        folder = self._folder(run_id)
        if not os.path.isdir(folder.scores):
            return None
        from kag.track.scores_of_run import drawn_in

        return drawn_in(folder.path, split)

    def _folder(self, run_id: str) -> RunFolder:
        folder = RunFolder(self.runs / run_id)
        if folder.id != run_id or not folder.record_file.is_file():
            raise RecordError(f"no run {run_id!r}", where=str(self.runs))
        return folder

    def _read(self, folder: RunFolder) -> RunRecord:
        try:
            found, looks = os.stat(folder.record_file), _state(folder.looks_file)
        except OSError as error:
            raise RecordError(f"cannot be read: {error.strerror}", where=str(folder.record_file)) from error
        version = (found.st_mtime_ns, found.st_ino, *looks)
        known = self._known.get(folder.id)
        if known is None or known[0] != version:
            known = self._known[folder.id] = (version, folder.read_record())
        return as_it_stands(folder, known[1])


def _state(file: Path) -> tuple[int, ...]:
    """What changes with each line that is added; nothing without the file."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return ()
    return found.st_mtime_ns, found.st_size
