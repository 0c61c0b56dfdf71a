"""How a run begins: its folder and its first record.

Nothing is written before the spec, the data and the weights to start from are known to be good.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kag import names
from kag.errors import CheckpointError
from kag.finding import Finding
from kag.spec.flat import flat
from kag.track.begin import begin
from kag.track.claim import Claim
from kag.track.code import TRAINING, code_digest
from kag.track.folder import RunFolder
from kag.track.launch import SWEEP
from kag.track.record import Found, RunRecord, Status
from kag.train.again import Repeat, again
from kag.train.starting import Start
from kag.train.task import Task
from kag.view.alike import likeness
from kag.view.earlier import Earlier, alike, default_parent

Inherit = Callable[[RunFolder, RunRecord], tuple[RunRecord, Path]]


@dataclass(frozen=True)
class Opening:
    """A run that is about to train."""

    folder: RunFolder | None
    """None on every process but the first."""
    record: RunRecord
    rows: tuple[dict[str, float], ...] = ()
    """History so far."""
    state: Path | None = None
    """Lightning checkpoint to continue from."""
    first: RunFolder | None = None
    """The run that this one repeats."""
    own: Claim | None = None
    """That this process alone may write into the folder."""


def follow_run(task: Task, state: str) -> Opening:
    """The run as a process sees it that is not the first: where to go on, and a record that nobody reads.

    Args:
        state: to go on from, as the first process says; empty if the run begins.

    Raises:
        CheckpointError: it is not on this host.
    """
    if state and not Path(state).is_file():
        host = socket.gethostname()
        raise CheckpointError(f"is not on {host}", where=state, remedy="keep --runs where all nodes see it")
    record = RunRecord(id=task.spec.name, name=task.spec.name, status=Status.RUNNING, start=datetime.now(UTC))
    return Opening(None, record, state=Path(state) if state else None)


def new_run(
    task: Task,
    runs: Path,
    *,
    earlier: Sequence[Earlier] = (),
    start: Start | None = None,
    findings: Sequence[Finding] = (),
    repeat: Repeat | None = None,
    inherit: Inherit | None = None,
) -> Opening:
    """Make the folder of a new run with its spec and first record.

    Args:
        earlier: runs among which the parent is looked for.
        start: weights that the run begins with.
        findings: of preflight.
        repeat: the run that this one is again, which is its parent then.
        inherit: puts what a former attempt has trained into the folder; gives the record and the state to go on from.

    Raises:
        SpecError, RecordError: it would not be that run again; see `again`.
    """
    spec = task.spec
    parent = spec.parent or (start.source.run if start else _parent(earlier, planned(task, start)))
    if repeat is not None:
        parent = repeat.first.id
    found = Found(
        findings=tuple(findings),
        mined_digest=task.mined_digest,
        changes_from_source=start.changes if start else (),
        averaged_statistics=task.averaged_statistics,
    )
    beginning = begin(
        runs,
        spec,
        found,
        now=datetime.now(UTC),
        parent=parent,
        data_digest=task.sites.digest,
        world=task.world,
        sources=(start.source,) if start else (),
        sweep=os.environ.get(SWEEP),
    )
    with beginning as (folder, record):
        if repeat is not None:
            record = record.model_copy(update={"again": again(repeat, folder, record, spec)})
        state = start.state if start else None
        if inherit is not None:
            record, state = inherit(folder, record)
        folder.write_record(record)
    return Opening(folder, record, state=state, first=repeat.first if repeat else None)


def planned(task: Task, start: Start | None) -> RunRecord:
    """A run before it begins, as far as it is known what its numbers will rest on."""
    return RunRecord(
        id=task.spec.name,
        name=task.spec.name,
        status=Status.PLANNED,
        start=datetime.now(UTC),
        config=flat(task.spec),
        data_digest=task.sites.digest,
        world=task.world,
        sources=(start.source,) if start else (),
        found=Found(mined_digest=task.mined_digest, code_digest=code_digest(*TRAINING)),
    )


def _parent(earlier: Sequence[Earlier], run: RunRecord) -> str | None:
    return default_parent(earlier, run.name, run.data_digest, alike(likeness(run)))


def best_of(rows: Sequence[dict[str, float]]) -> int | None:
    """Epoch with the highest val AUPRC, the first one if several tie."""
    best = max(rows, key=lambda row: row[names.OBJECTIVE], default=None)
    return None if best is None else int(best[names.EPOCH])
