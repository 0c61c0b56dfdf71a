"""Evaluations after a run has ended, kept with it: on external files, and on a test split that was sealed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kag.errors import RecordError
from kag.names import Part
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.record import RunRecord
from kag.track.result import ExternalEvaluation, Result


class Subject(NamedTuple):
    """What was evaluated, and on what."""

    data_digest: str | None
    split: Part
    weights_digest: str | None

    @classmethod
    def of(cls, evaluation: ExternalEvaluation) -> Subject:
        """The subject of an evaluation."""
        first = evaluation.results[0]
        return cls(first.data_digest, first.split, first.weights_digest)


def with_evaluations(record: RunRecord, found: Iterable[ExternalEvaluation]) -> RunRecord:
    """The record with further evaluations; a look that it has already (same data, split and weights) stays as it is."""
    known = set(map(Subject.of, record.evaluations))
    fresh = tuple(evaluation for evaluation in found if Subject.of(evaluation) not in known)
    return record.model_copy(update={"evaluations": (*record.evaluations, *fresh)}) if fresh else record


def with_test(record: RunRecord, results: Iterable[Result]) -> RunRecord:
    """The record with what the delivered weights score on test, if their run had left that alone; else as it is."""
    if any(one.split == "test" for one in record.results):
        return record
    tested = tuple(one for one in results if one.split == "test" and one.delivered)
    return record.model_copy(update={"results": (*record.results, *tested)}) if tested else record


def with_intervals(record: RunRecord, results: Iterable[Result]) -> RunRecord:
    """The record with the intervals of numbers that were measured anew, on the same data by the same weights.

    The numbers themselves stay. Where they are in the record with these intervals already, it is the same one.
    """
    found = {_number(one): {"ci_low": one.ci_low, "ci_high": one.ci_high} for one in results}
    kept = tuple(one.model_copy(update=found.get(_number(one), {})) for one in record.results)
    return record if kept == record.results else record.model_copy(update={"results": kept})


def _number(result: Result) -> tuple[str | None, ...]:
    return result.split, result.metric, result.weights_digest, result.data_digest


def keep_evaluations(
    folder: RunFolder, found: Iterable[ExternalEvaluation], results: Iterable[Result] = ()
) -> RunRecord:
    """Add evaluations to the record of a run that nobody trains.

    Args:
        found: on external files.
        results: on the run's own data; see `with_test`.

    Raises:
        RecordError: the run is under way, here or on another machine.
        StorageError: the record cannot be written.
    """

    def added(record: RunRecord) -> RunRecord:
        return with_test(with_evaluations(record, found), results)

    found, results, record = tuple(found), tuple(results), folder.read_record()
    if may_be_trained(folder, record):
        raise RecordError(f"run {folder.id} is under way", remedy="evaluate again when it has ended")
    if added(record) is record:
        return record
    with locked(folder):
        kept = added(folder.read_record())
        folder.write_record(kept)
    return kept
