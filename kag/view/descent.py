"""What comes of a run: which others name it, and which of its checkpoints they began with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.reading import read_bytes
from kag.track.record import RunRecord
from kag.view.words import NamedRuns


class Descent:
    """Runs by the runs that they come from: a parent, weights that they began with, a run that they repeat.

    Args:
        records: every run of a place.
    """

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self._named = NamedRuns(records)
        self._records = records

    def of(self, run: RunRecord) -> list[RunRecord]:
        """The runs that name a run, in the order of the records."""
        return [one for one in self._records if one.id != run.id and run.id in self._ancestors(one)]

    def checkpoints_of(self, run: RunRecord) -> frozenset[str] | None:
        """Checkpoints of a run that others began with, or were mixed from, by their names without suffix.

        None where another one does not say which: all of them count then. Epochs that came through a shared state lie
        there, and need no checkpoint of the run.
        """
        digests = {name: kept.weights_digest for name, kept in run.checkpoints.items()}
        found: set[str] = set()
        for other in self._records:
            for source in other.sources:
                if source.epochs is not None or not self._means(source.run, run, before=other):
                    continue
                if source.checkpoint is None or " " in source.checkpoint:  # "weights of epochs 3 to 5"
                    return None
                found.add(PurePath(source.checkpoint).name.removesuffix(".ckpt"))
                found |= {name for name, digest in digests.items() if digest == source.weights_digest}
        return frozenset(found)

    def _ancestors(self, record: RunRecord) -> Iterator[str]:
        named = [record.parent, record.again.run if record.again else None]
        for word in (*(word for word in named if word), *(source.run for source in record.sources)):
            meant = self._named.meant(word, before=record)
            yield meant.id if meant else word

    def _means(self, word: str, run: RunRecord, *, before: RunRecord) -> bool:
        meant = self._named.meant(word, before=before)
        return (meant.id if meant else word) == run.id


class FolderDescent(NamedTuple):
    """A folder of runs, as far as they come from each other."""

    records: Sequence[RunRecord]
    broken: Sequence[RecordError]
    unread: Mapping[str, str]
    """What the records say that cannot be understood, by run: what they name may be what they come from."""
    descent: Descent

    @classmethod
    def read(cls, runs: Path) -> FolderDescent:
        """Read a folder.

        Raises:
            RecordError: there is none, or a record cannot even be opened.
        """
        records, broken = FolderSource(runs).readable()
        known = {record.id for record in records}
        others = (folder for folder in RunFolder.all(runs) if folder.id not in known)
        unread = {folder.id: read_bytes(folder.record_file).decode(errors="replace") for folder in others}
        return cls(records, broken, unread, Descent(records))

    def heirs(self, record: RunRecord) -> list[str]:
        """Runs that name a run, and those that may."""
        return [*(one.id for one in self.descent.of(record)), *self._naming(record)]

    def needed(self, record: RunRecord) -> frozenset[str] | None:
        """Checkpoints of a run that others come from; None where all of them may be."""
        return None if self._naming(record) else self.descent.checkpoints_of(record)

    def _naming(self, record: RunRecord) -> list[str]:
        return [one for one, text in self.unread.items() if record.id in text or record.name in text]
