"""What a new run asks of the earlier ones of its folder. Told once, it is kept beside them: the next run reads what has
come since, not every record anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from kag.errors import RecordError, StorageError
from kag.track.atomic import write_atomically
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.view.alike import Likeness, likeness
from kag.view.changes import settings_of

FILE = ".earlier.json"
"""Beside the run folders."""

TELLING = ("view/alike", "view/changes", "view/earlier", "spec", "track")
"""Parts of kag whose code makes what is kept."""

FEW = 10
"""Runs that are read each time: to write down each at once would take longer."""


class Earlier(BaseModel):
    """A run, as far as later ones ask."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    start: datetime
    lends: bool
    """Whether it ended well and is no trial of a sweep."""
    alike: str | None
    """Digest of what it has in common with those that differ from it in the seed alone; see `alike`."""
    data_digest: str | None
    best_epoch: int | None
    unfinished: str | None
    """Digest of what it trains, if it has not ended well and may be gone on with; see `trains`."""
    sweep: str | None
    job: str | None
    """Of the scheduler."""
    wandb_id: str | None


Told = tuple[tuple[int, ...], Earlier]
"""A run with the version of the record that tells it."""


class _Kept(BaseModel):
    """What is in the file."""

    format: Literal["kag-earlier"] = "kag-earlier"
    """By this mark a file of kag's is told from code (`kag.track.generated`)."""
    code: str
    runs: dict[str, Told]
    """By id."""


def earlier_runs(runs: Path) -> tuple[list[Earlier], list[RecordError]]:
    """The runs of a folder that can be read, in order, and what is wrong with the others; none without a folder."""
    before, broken = _kept(runs / FILE), []
    told: dict[str, Told] = {}
    for folder in RunFolder.all(runs):
        try:
            version, known = _version(folder), before.get(folder.id)
            told[folder.id] = known if known and known[0] == version else (version, earlier(folder.read_record()))
        except RecordError as error:
            broken.append(error)
    if sum(before.get(run) != one for run, one in told.items()) > FEW:
        _keep(runs / FILE, told)
    return sorted((run for _, run in told.values()), key=lambda run: (run.start, run.id)), broken


def earlier(record: RunRecord) -> Earlier:
    """What later runs ask of a run."""
    return Earlier(
        id=record.id,
        name=record.name,
        start=record.start,
        lends=record.status.done and record.sweep is None,
        alike=alike(likeness(record)),
        data_digest=record.data_digest,
        best_epoch=record.best_epoch,
        unfinished=None if record.status.done or record.archived else trains(record),
        sweep=record.sweep,
        job=record.world.job if record.world else None,
        wandb_id=record.wandb_id,
    )


def trains(record: RunRecord) -> str | None:
    """Digest of what a run trains, from first to last: all that its numbers rest on, and its name."""
    found, world = record.found, record.world
    if record.kind != "train" or found is None or world is None:
        return None
    settings = sorted(settings_of(record))
    lent = [source.weights_digest for source in record.sources if source.epochs is None]
    shape = [world.processes, world.effective_batch]
    whole = [record.name, settings, record.data_digest, found.mined_digest, found.code_digest, lent, shape]
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def alike(like: Likeness | None) -> str | None:
    """Digest of what runs have in common that differ in the seed alone; None of a run that tells no seed."""
    if like is None:
        return None
    return hashlib.sha256(repr((like.by_kag, sorted(like.settings), like.facts)).encode()).hexdigest()


def default_parent(records: Sequence[Earlier], name: str, data_digest: str | None, own: str | None) -> str | None:
    """The newest run that ended well and has the same name, else the newest on the same data, else None.

    Trials are left aside: which one came last, or runs beside this one, is an accident of the sweep. So are replicates,
    which differ in nothing but the seed.

    Args:
        records: earlier runs, in order.
        name, data_digest: of the run that is to begin.
        own: what `alike` says of it.
    """
    done = [record for record in records if record.lends and record.alike != own]
    same_name = [record.id for record in done if record.name == name]
    same_data = [record.id for record in done if record.data_digest == data_digest]
    return next(iter([*same_name[-1:], *same_data[-1:]]), None)


def best_epochs(records: Sequence[Earlier], data_digest: str) -> tuple[int, ...]:
    """Best epochs of earlier runs on the same data, for preflight."""
    return tuple(
        record.best_epoch for record in records if record.data_digest == data_digest and record.best_epoch is not None
    )


def _version(folder: RunFolder) -> tuple[int, ...]:
    """What changes with a record: it is replaced as a whole."""
    try:
        found = os.stat(folder.record_file)
    except OSError as error:
        raise RecordError(f"cannot be read: {error.strerror}", where=str(folder.record_file)) from error
    return found.st_mtime_ns, found.st_ino, found.st_size


def _kept(file: Path) -> dict[str, Told]:
    """What other code has told counts for nothing, nor what is no file of kag's."""
    try:
        found = _Kept.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return {}
    return found.runs if found.code == code_digest(*TELLING) else {}


def _keep(file: Path, runs: dict[str, Told]) -> None:
    """Write it down; where that cannot be, nothing is lost but time."""
    try:
        write_atomically(file, json.dumps(_Kept(code=code_digest(*TELLING), runs=runs).model_dump(mode="json")))
    except StorageError:
        return
