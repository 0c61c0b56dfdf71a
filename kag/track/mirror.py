"""From what W&B holds of a run back to its record and history; the same for files on disk and for a server.

kag leaves its record with the run: at the start in the config, at the end in the summary. A run that kag did not write
gives what W&B knows of it, and None for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from kag import names
from kag.errors import RecordError
from kag.number import count, number, sound
from kag.spec.flat import flatten
from kag.track.folder import run_id
from kag.track.reading import faults_of, parse_record
from kag.track.record import RunRecord, Scalar, Status
from kag.track.result import Result
from kag.track.source import Found, Known
from kag.track.upgrade import upgraded_row

START_KEY = "kag.record"
"""Config key of the record as the run began."""

END_KEY = "kag/record"
"""Summary key of the record as the run ended."""

_INTERNAL = ("_wandb", "wandb_version", START_KEY)
_RUN_ID = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(?P<name>.+)")


@dataclass(frozen=True)
class Mirrored:
    """A run as W&B holds it."""

    wandb_id: str
    display_name: str
    start: datetime
    status: Status
    """By W&B's own state; RUNNING where no end was recorded."""
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    notes: str = ""
    sweep: str | None = None

    @property
    def by_kag(self) -> bool:
        """Whether kag wrote it."""
        return START_KEY in self.config or END_KEY in self.summary


def record_of(run: Mirrored) -> RunRecord:
    """The record of a run.

    Raises:
        RecordError: kag left a record that cannot be read, for instance one of a newer kag; or what W&B knows of the
            run is nothing that a record can hold, such as a start in the year 1.
    """
    where = where_of(run.wandb_id)
    if END_KEY in run.summary:
        return _with_spec(parse_record(run.summary[END_KEY], where=f"{where}, summary {END_KEY}"), run)
    if START_KEY in run.config:
        begun = _with_spec(parse_record(run.config[START_KEY], where=f"{where}, config {START_KEY}"), run)
        return begun.model_copy(update={"status": run.status, "epochs_trained": _epochs_trained(run)})
    try:
        return _foreign(run)
    except ValidationError as error:
        raise RecordError(f"what W&B knows of it makes no record: {faults_of(error)}", where=where) from None


def where_of(wandb_id: str) -> str:
    """How an error names a run of W&B."""
    return f"W&B run {wandb_id}"


def known_runs(
    readers: Iterable[Callable[[], Mirrored | None]], logged: Callable[[str], Iterable[Mapping[str, Any]]]
) -> Found:
    """The runs of a source: each is read by a function of its own, so that one that is broken leaves the others.

    Args:
        readers: What reads a run; None is of no run.
        logged: What reads the rows of a W&B id, when they are asked for.
    """

    def history(run: Mirrored) -> list[dict[str, float]]:
        return epochs(logged(run.wandb_id), by_kag=run.by_kag)

    pairs: list[tuple[RunRecord, Mirrored]] = []
    broken: list[RecordError] = []
    for read in readers:
        try:
            run = read()
            if run is not None:
                pairs.append((record_of(run), run))
        except RecordError as error:
            broken.append(error)
    ordered = in_order(pairs).items()
    return Found({run_id: Known(record, run.notes, partial(history, run)) for run_id, (record, run) in ordered}, broken)


def in_order(pairs: Iterable[tuple[RunRecord, Mirrored]]) -> dict[str, tuple[RunRecord, Mirrored]]:
    """Record and run by run id, in the order of start time. Foreign runs that would share an id get the W&B id too."""
    found: dict[str, tuple[RunRecord, Mirrored]] = {}
    for record, run in sorted(pairs, key=lambda pair: (pair[0].start, pair[0].id, pair[1].wandb_id)):
        distinct = f"{record.id}-{run.wandb_id}" if record.id in found else record.id
        found[distinct] = (record.model_copy(update={"id": distinct}), run)
    return found


def epochs(rows: Iterable[Mapping[str, Any]], *, by_kag: bool) -> list[dict[str, float]]:
    """One row an epoch from the rows that were logged, without W&B's own keys.

    kag logs an epoch in one row; a row without training loss is the closing one, of the delivered weights, and belongs
    to no epoch. Others may log an epoch in parts. A run that went back to an earlier epoch takes its later rows back.
    """
    found: list[dict[str, float]] = []
    for logged in rows:
        row = upgraded_row(dict(_numbers(logged))) if by_kag else dict(_numbers(logged))
        if names.EPOCH not in row or (by_kag and names.TRAIN_LOSS not in row):
            continue
        epoch = row[names.EPOCH]
        while found and found[-1][names.EPOCH] > epoch:
            found.pop()
        if found and found[-1][names.EPOCH] == epoch:
            found[-1].update(row)
        else:
            found.append(row)
    return found


def short_name(title: str) -> str:
    """The name inside a run id; any other text as it is."""
    named = _RUN_ID.fullmatch(title)
    return named["name"] if named else title


def _foreign(run: Mirrored) -> RunRecord:
    named = _RUN_ID.fullmatch(run.display_name)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", short_name(run.display_name)).strip("-.")[:64]
    return RunRecord(
        id=run.display_name if named else run_id(name or run.wandb_id, run.start),
        name=name or run.wandb_id,
        status=run.status,
        start=run.start,
        tags=run.tags,
        config=_settings(run.config),
        metrics=dict(_numbers(run.summary)),
        epochs_trained=_epochs_trained(run),
        results=tuple(_results(run.summary)),
        sweep=run.sweep,
        wandb_id=run.wandb_id,
    )


def _with_spec(record: RunRecord, run: Mirrored) -> RunRecord:
    return record.model_copy(update={"config": record.config or _settings(run.config), "wandb_id": run.wandb_id})


def _settings(config: Mapping[str, Any]) -> dict[str, Scalar]:
    return flatten(sound({key: value for key, value in config.items() if key not in _INTERNAL}))


def _results(summary: Mapping[str, Any]) -> Iterator[Result]:
    """What was logged last; W&B does not know of which weights."""
    values = dict(_numbers(summary))
    for split in names.SPLITS:
        for metric in (*names.METRICS, "loss"):
            if (key := names.evaluation(split, metric)) in values:
                yield Result.model_validate({"split": split, "metric": metric, "value": values[key], "weights": None})


def _epochs_trained(run: Mirrored) -> int | None:
    last = count(run.summary.get(names.EPOCH))
    return None if last is None or last < 0 else last + 1


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        if key.startswith("_") or key == "trainer/global_step":
            continue
        if (found := number(value)) is not None:
            yield key, found
