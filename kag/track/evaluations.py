"""Evaluations on external files, kept with the run whose weights were evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kag.errors import RecordError
from kag.names import Part
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.record import RunRecord
from kag.track.result import ExternalEvaluation


class Look(NamedTuple):
    """What was looked at."""

    data_digest: str | None
    split: Part
    weights_digest: str | None

    @classmethod
    def of(cls, evaluation: ExternalEvaluation) -> Look:
        """The look that an evaluation is."""
        first = evaluation.results[0]
        return cls(first.data_digest, first.split, first.weights_digest)


def with_evaluations(record: RunRecord, found: Iterable[ExternalEvaluation]) -> RunRecord:
    """The record with further evaluations; a look that it has already (same data, split and weights) stays as it is."""
    known = set(map(Look.of, record.evaluations))
    fresh = tuple(evaluation for evaluation in found if Look.of(evaluation) not in known)
    return record.model_copy(update={"evaluations": (*record.evaluations, *fresh)}) if fresh else record


def keep_evaluations(folder: RunFolder, found: Iterable[ExternalEvaluation]) -> RunRecord:
    """Add evaluations to the record of a run that nobody trains.

    Raises:
        RecordError: the run is under way, here or on another machine.
        StorageError: the record cannot be written.
    """
    if may_be_trained(folder, folder.read_record()):
        raise RecordError(f"run {folder.id} is under way", remedy="evaluate again when it has ended")
    with locked(folder):
        record = folder.read_record()
        kept = with_evaluations(record, found)
        if kept is not record:
            folder.write_record(kept)
    return kept
