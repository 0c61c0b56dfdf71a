"""What comes of a run: which others name it, and which of its checkpoints they began with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

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
