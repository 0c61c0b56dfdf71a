"""How a run begins: its folder, its first record, and what it may continue from.

Nothing is written before the spec, the data and the weights to start from are known to be good.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kag import names
from kag.errors import RecordError, SpecError
from kag.finding import Finding
from kag.spec.flat import digest, flat
from kag.spec.load import load_spec, spec_text
from kag.track.atomic import write_atomically
from kag.track.begin import begin
from kag.track.folder import RunFolder
from kag.track.record import Change, Found, RunRecord, Status
from kag.train.starting import Start, changed_keys
from kag.train.task import Task
from kag.view.changes import world_changes
from kag.weights.storage import load_torch


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


def open_run(
    task: Task,
    runs: Path,
    resume: RunFolder | None,
    accept: Sequence[str],
    earlier: Sequence[RunRecord],
    start: Start | None,
    findings: Sequence[Finding],
) -> Opening:
    """A new run, or one that goes on; see `new_run` and `resumed_run`."""
    if resume is not None:
        return resumed_run(task, resume, accept)
    return new_run(task, runs, earlier=earlier, start=start, findings=findings)


def follow_run(task: Task, resume: RunFolder | None, start: Start | None) -> Opening:
    """The run as a process sees it that is not the first: where to go on, and a record that nobody reads."""
    record = RunRecord(id=task.spec.name, name=task.spec.name, status=Status.RUNNING, start=datetime.now(UTC))
    return Opening(None, record, state=resume_state(resume) if resume else start.state if start else None)


def new_run(
    task: Task,
    runs: Path,
    *,
    earlier: Sequence[RunRecord] = (),
    start: Start | None = None,
    findings: Sequence[Finding] = (),
) -> Opening:
    """Make the folder of a new run with its spec and first record.

    Args:
        earlier: records among which the parent is looked for.
        start: weights that the run begins with.
        findings: of preflight.
    """
    spec = task.spec
    parent = spec.parent or (start.source.run if start else default_parent(earlier, spec.name, task.sites.digest))
    found = Found(
        findings=tuple(findings), mined_digest=task.mined_digest, changes_from_source=start.changes if start else ()
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
        sweep=os.environ.get("WANDB_SWEEP_ID"),
    )
    with beginning as (folder, record):
        folder.write_record(record)
    return Opening(folder, record, state=start.state if start else None)


def resumed_run(task: Task, folder: RunFolder, accept: Sequence[str]) -> Opening:
    """Continue a run from the last epoch whose state was written.

    Raises:
        SpecError: the spec differs from the stored one in keys that `accept` does not name.
        RecordError: the run has ended well and nothing was changed, or its data is not this data.
    """
    spec, record = task.spec, folder.read_record()
    changes = changed_keys(load_spec(folder.spec_file), spec)
    refuse_unaccepted(changes, accept, folder.id)
    if record.data_digest not in (None, task.sites.digest):
        raise RecordError(
            f"run {folder.id} was trained on data {str(record.data_digest)[:12]}, "
            f"this file is {task.sites.digest[:12]}",
            remedy="start a new run with start_from instead",
        )
    found = record.found or Found()
    if found.mined_digest != task.mined_digest and not changes:
        raise RecordError(
            f"the mined samples of run {folder.id} have changed since it began",
            where=spec.data.replay.indices if spec.data.replay else None,
            remedy="put the former list back, or start a new run",
        )
    if record.status.done and not changes:
        raise RecordError(f"run {folder.id} has ended ({record.status}); there is nothing to resume")
    state = resume_state(folder)
    epochs, _ = position_in(state)
    folder.truncate_history(epochs)
    rows = tuple(folder.history())
    write_atomically(folder.spec_file, spec_text(spec))
    record = record.model_copy(
        update={
            "status": Status.RUNNING,
            "end": None,
            "failure": None,
            "results": (),
            "config": flat(spec),
            "found": found.model_copy(update={"spec_digest": digest(spec)}),
            "world": task.world,
            "epochs_trained": epochs,
            "best_epoch": best_of(rows),
            "resumes": (*record.resumes, (*changes, *world_changes(record.world, task.world, changes))),
        }
    )
    folder.write_record(record)
    return Opening(folder, record, rows, state)


def resume_state(folder: RunFolder) -> Path | None:
    """The latest state that was written: after a finished epoch, or where a signal ended the run inside one."""
    paths = [path for path in (folder.last, folder.interrupted) if path.is_file()]
    return max(paths, key=position_in, default=None)


def position_in(state: Path | None) -> tuple[int, int]:
    """Epoch with which a run goes on from a state, and how many of its batches are done."""
    if state is None:
        return 0, 0
    content = load_torch(state, mmap=True)
    inside = content.get("inside_epoch")
    return (int(content["epoch"]), int(inside["batches"])) if inside else (int(content["epoch"]) + 1, 0)


def refuse_unaccepted(changes: Iterable[Change], accept: Sequence[str], run: str) -> None:
    """Let nobody change a run without saying so.

    Raises:
        SpecError: lists the changes that no accepted key (or section) names.
    """
    refused = [
        change for change in changes if not any(change.key == key or change.key.startswith(f"{key}.") for key in accept)
    ]
    if refused:
        listed = "\n".join(f"    {change.key}: {change.before} -> {change.after}" for change in refused)
        raise SpecError(
            f"the spec differs from that of run {run}:\n{listed}",
            remedy="leave the overrides out, or name each key: " + " ".join(f"--accept {c.key}" for c in refused),
        )


def default_parent(records: Iterable[RunRecord], name: str, data_digest: str) -> str | None:
    """The newest run that ended well and has the same name, else the newest on the same data, else None.

    Trials are left aside: which one came last, or runs beside this one, is an accident of the sweep.
    """
    ended = (record for record in records if record.status.done and record.sweep is None)
    done = sorted(ended, key=lambda record: (record.start, record.id))
    same_name = [record.id for record in done if record.name == name]
    same_data = [record.id for record in done if record.data_digest == data_digest]
    return next(iter([*same_name[-1:], *same_data[-1:]]), None)


def best_epochs(records: Iterable[RunRecord], data_digest: str) -> tuple[int, ...]:
    """Best epochs of earlier runs on the same data, for preflight."""
    return tuple(
        record.best_epoch for record in records if record.data_digest == data_digest and record.best_epoch is not None
    )


def best_of(rows: Sequence[dict[str, float]]) -> int | None:
    """Epoch with the highest val AUPRC, the first one if several tie."""
    best = max(rows, key=lambda row: row[names.OBJECTIVE], default=None)
    return None if best is None else int(best[names.EPOCH])
