"""From what W&B holds of a run back to its record and history; the same for files on disk and for a server.

kag leaves its record with the run: at the start in the config, at the end in the summary. A run that kag did not write
gives what W&B knows of it, and None for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from kag.errors import RecordError
from kag.names import Part
from kag.number import sound
from kag.spec.flat import Scalar, flatten
from kag.track.foreign import epochs_trained, foreign_record
from kag.track.lineage import Pair, linked
from kag.track.mirrored import END_KEY, INTERNAL, START_KEY, Mirrored, where_of
from kag.track.processes import Mapped
from kag.track.reading import faults_of, parse_record
from kag.track.record import ARCHIVED, RunRecord, Status
from kag.track.rows import history_of
from kag.track.source import Found, Known

if TYPE_CHECKING:  # numpy takes longer to load than a list of runs
    from kag.stats.scores import Scores


def record_of(run: Mirrored) -> RunRecord:
    """The record of a run, without the lineage of another program's; see `in_order`.

    Raises:
        RecordError: kag left a record that cannot be read, for instance one of a newer kag; or what W&B knows of the
            run is nothing that a record can hold, such as a start in the year 1.
    """
    where = where_of(run.wandb_id)
    if END_KEY in run.summary:
        return _with_spec(parse_record(run.summary[END_KEY], where=f"{where}, summary {END_KEY}"), run)
    if START_KEY in run.config:
        begun = _with_spec(parse_record(run.config[START_KEY], where=f"{where}, config {START_KEY}"), run)
        heard = run.heard if run.status is Status.KILLED else None
        told = {"status": run.status, "heartbeat": heard, "epochs_trained": epochs_trained(run)}
        return begun.model_copy(update=told)
    try:
        return foreign_record(run)
    except ValidationError as error:
        raise RecordError(f"what W&B knows of it makes no record: {faults_of(error)}", where=where) from None


Reader = Callable[[], Mirrored | None]
"""Reads a run; None is of no run."""

Logs = Callable[[str], Iterable[Mapping[str, Any]]]
"""Reads the rows of a W&B id."""


def known_runs(
    readers: Sequence[Reader],
    logged: Logs,
    scored: Callable[[str, Part], Scores | None],
    mapped: Mapped = map,
) -> Found:
    """The runs of a source: each is read by a function of its own, so that one that is broken leaves the others.

    Args:
        readers: What reads a run.
        logged: What reads rows, when they are asked for.
        scored: What reads the scores of a split of a W&B id, when they are asked for.
        mapped: Does the work; see `kag.track.processes`.
    """
    pairs: list[Pair] = []
    broken: list[RecordError] = []
    for read in mapped(_read, readers):
        if isinstance(read, RecordError):
            broken.append(read)
        elif read is not None:
            pairs.append(read)
    return Found(
        {
            run_id: Known(
                record,
                run.notes,
                partial(_history, logged, run.wandb_id, run.by_kag),
                partial(scored, run.wandb_id),
            )
            for run_id, (record, run) in in_order(pairs).items()
        },
        broken,
    )


def in_order(pairs: Iterable[Pair]) -> dict[str, Pair]:
    """Record and run by run id, in the order of start time, each record with its lineage among the others.

    Foreign runs that would share an id get the W&B id too.
    """
    found: dict[str, Pair] = {}
    for record, run in sorted(pairs, key=lambda pair: (pair[0].start, pair[0].id, pair[1].wandb_id)):
        distinct = f"{record.id}-{run.wandb_id}" if record.id in found else record.id
        found[distinct] = (record if distinct == record.id else record.model_copy(update={"id": distinct}), run)
    return {record.id: (record, found[record.id][1]) for record in linked(list(found.values()))}


def _read(reader: Reader) -> Pair | RecordError | None:
    try:
        run = reader()
        return None if run is None else (record_of(run), run)
    except RecordError as error:
        return error


def _history(logged: Logs, wandb_id: str, by_kag: bool) -> list[dict[str, float]]:
    return history_of(logged(wandb_id), by_kag=by_kag)


def _with_spec(record: RunRecord, run: Mirrored) -> RunRecord:
    """A record of kag's own as W&B has it; a person may have archived the run there since."""
    tags = (*record.tags, ARCHIVED) if ARCHIVED in run.tags and not record.archived else record.tags
    told = {"config": record.config or _settings(run.config), "wandb_id": run.wandb_id, "tags": tags}
    return record.model_copy(update=told)


def _settings(config: Mapping[str, Any]) -> dict[str, Scalar]:
    return flatten(sound({key: value for key, value in config.items() if key not in INTERNAL}))
