"""Going on with a run that is there: locked first, then looked at, and written only when it can go on.

What a refused resume leaves is what it found, byte for byte. The results of a run's former end stay in its record
until there are new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from kag import names
from kag.errors import CheckpointError, RecordError
from kag.spec.flat import digest, flat
from kag.spec.load import load_spec, spec_text
from kag.text import digest as short
from kag.track.atomic import write_atomically
from kag.track.claim import Claim
from kag.track.folder import RunFolder
from kag.track.hold import last_sign
from kag.track.past import former
from kag.track.record import Change, Found, Resume, RunRecord, Status
from kag.train.job import Job
from kag.train.opening import Opening, best_of
from kag.train.starting import Start, changed_keys, refuse_unaccepted
from kag.train.state import Position, position_of, require_future, resume_state
from kag.train.task import Task
from kag.view.changes import changed_settings, world_changes
from kag.weights.checkpoint import parse_checkpoint, state_differences
from kag.weights.epochs import drop_epochs
from kag.weights.storage import load_torch, require_whole


def resumed_run(job: Job, folder: RunFolder, own: Claim, accept: Sequence[str], start: Start | None) -> Opening:
    """Continue a run, which is held, from the last state that was written.

    Args:
        own: by which it is held.
        accept: keys in which the spec may differ from the stored one.
        start: weights that the run begins with, if it has no state yet.

    Raises:
        SpecError: the spec differs from the stored one in keys that `accept` does not name, or contradicts the state.
        RecordError: the run has ended well and nothing was changed, its data is not this data, or its state is gone.
        CheckpointError: the state cannot be read, or is of another network.
        RehearsalFailed: the rehearsal has found a fault.
    """
    task, record = job.task, folder.read_record()
    refuse_unaccepted(changed_keys(load_spec(folder.spec_file), task.spec), accept, folder.id)
    # The record has the last word: a resume that was killed before it was written has changed the spec file alone.
    changes = changed_settings(record.config, flat(task.spec), partial=True)
    _require_same_inputs(record, task, changes)
    if record.status.done and not changes:
        raise RecordError(f"run {folder.id} has ended ({record.status}); there is nothing to resume")
    state = resume_state(folder) or (start.state if start else None)
    position = _position(state, job) if state else Position()
    if position.epoch < record.epochs_done:
        raise RecordError(
            f"run {folder.id} has trained {record.epochs_done} epochs, the state that is here {position.epoch}",
            where=str(folder.last),
            remedy="bring its checkpoints back (a clone has none), or begin a new run",
        )
    job.rehearse()
    rows = tuple(row for row in folder.history() if row[names.EPOCH] < position.epoch)
    record = record.model_copy(update={"heartbeat": last_sign(folder, own) or record.heartbeat})
    record = _going_on(record, task, changes, rows, position)
    folder.sweep_up()
    write_atomically(folder.spec_file, spec_text(task.spec))
    folder.write_record(record)
    own.settle()
    folder.heartbeat_file.unlink(missing_ok=True)
    folder.truncate_history(position.epoch)
    drop_epochs(folder, position.epoch)
    first = folder.path.parent / record.again.run if record.again else None
    return Opening(folder, record, rows, state, RunFolder(first) if first else None, own)


def _require_same_inputs(record: RunRecord, task: Task, changes: Sequence[Change]) -> None:
    if record.data_digest not in (None, task.sites.digest):
        raise RecordError(
            f"run {record.id} was trained on data {short(record.data_digest)}, this file is {short(task.sites.digest)}",
            remedy="start a new run with start_from instead",
        )
    if (record.found or Found()).mined_digest != task.mined_digest and not changes:
        replay = task.spec.data.replay
        raise RecordError(
            f"the mined samples of run {record.id} have changed since it began",
            where=replay.indices if replay else None,
            remedy="put the former list back, or start a new run",
        )


def _position(state: Path, job: Job) -> Position:
    require_whole(state)
    content, where = load_torch(state, mmap=True), str(state)
    weights, position = parse_checkpoint(content, where=where), position_of(content)
    require_future(weights, position, job.spec)
    differing = state_differences(weights.network, job.network.state_dict())
    if differing:
        what = "its network is not that of the spec (first the state, then the spec):"
        raise CheckpointError("\n".join([what, *differing]), where=where, remedy="begin a new run")
    return position


def _going_on(
    record: RunRecord, task: Task, changes: Sequence[Change], rows: Sequence[dict[str, float]], position: Position
) -> RunRecord:
    changed, config = (*changes, *world_changes(record.world, task.world, changes)), flat(task.spec)
    told = {"spec_digest": digest(task.spec), "averaged_statistics": task.averaged_statistics}
    resume = Resume(when=datetime.now(UTC), changes=changed, before=former(record, config))
    update = {
        "status": Status.RUNNING,
        "end": None,
        "heartbeat": None,
        "failure": None,
        "config": config,
        "found": (record.found or Found()).model_copy(update=told),
        "world": task.world,
        "epochs_trained": position.epoch,
        "best_epoch": best_of(rows),
        "resumes": (*record.resumes, resume),
    }
    return record.model_copy(update=update)
