"""Going on where the last attempt stopped: a job that was started again in its run, a trial of a sweep in a new one.

A requeued job of SLURM, a restart of torchrun and a trial that is started again under its own W&B id go on with the run
that is there. Another attempt at a point of a sweep is a run of its own, which begins with the state, the weights and
the rows of the one before. Either way all that the numbers rest on must be the same: settings, data, code, processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from kag import names
from kag.errors import CheckpointError, RecordError
from kag.forks.states import link
from kag.track import history
from kag.track.atomic import storing, write_atomically
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.launch import RUN, SWEEP, restarts
from kag.track.owner import SILENT
from kag.track.record import RunRecord, Source
from kag.train.console import RunConsole
from kag.train.opening import best_of, planned
from kag.train.starting import Start
from kag.train.state import Position, position_of, resume_state
from kag.train.task import Task
from kag.view.earlier import Earlier, trains
from kag.weights.storage import load_torch, require_whole

_LOOK = 1.0
"""Seconds between two looks whether a former process is gone."""


class Known(NamedTuple):
    """A run that was there before."""

    resume: RunFolder | None
    """To go on with."""
    again: RunFolder | None
    """To be trained again."""
    accept: Sequence[str]
    """Keys in which the spec may differ from that run's."""
    moved: tuple[str, ...]
    """Keys of its files that lie elsewhere now."""
    before: RunFolder | None = None
    """Whose state a new run begins with: a former attempt at the same point of a sweep."""


def gone_on_with(
    known: Known,
    task: Task,
    runs: Path,
    earlier: Sequence[Earlier],
    start: Start | None,
    shares: bool,
    console: RunConsole,
) -> Known:
    """What there is to go on with where this is another attempt.

    Args:
        shares: whether forks share their states: what a former attempt has trained is among these.
    """
    found, same = stopped(task, earlier, start, os.environ)
    if same:
        return known._replace(resume=same_run(runs, found, console))
    return known._replace(before=None if shares else deepest(runs, found, console))


def stopped(
    task: Task, earlier: Sequence[Earlier], start: Start | None, environment: Mapping[str, str]
) -> tuple[list[str], bool]:
    """Runs of former attempts at what is about to be trained, the newest first, and whether they are the same run.

    Args:
        task: what is to be trained.
        earlier: the runs that are there, in order.
        start: weights that it begins with.
        environment: what says that this is another attempt: of a trial, or of a job that was started again.
    """
    alike = [one for one in reversed(earlier) if one.unfinished == trains(planned(task, start))]
    if sweep := environment.get(SWEEP):
        of_sweep = [one for one in alike if one.sweep == sweep]
        same = [one.id for one in of_sweep if one.wandb_id and one.wandb_id == environment.get(RUN)]
        return (same, True) if same else ([one.id for one in of_sweep], False)
    if not restarts(environment):
        return [], True
    return [one.id for one in alike if one.sweep is None and one.job == task.world.job], True


def same_run(runs: Path, found: Sequence[str], console: RunConsole) -> RunFolder | None:
    """The newest of these runs, once its former process is gone.

    On this host that is known at once; of a process elsewhere by its silence.
    """
    for folder in (RunFolder(runs / run) for run in found[:1]):
        end = time.monotonic() + 2 * SILENT.total_seconds()
        said = False
        while may_be_trained(folder, folder.read_record()):
            if time.monotonic() > end:
                return None
            if not said:
                console.say(f"waits until the process is gone that trained run {folder.id} before")
            said = True
            time.sleep(_LOOK)
        console.say(f"goes on with run {folder.id}, as the job was started again")
        return folder
    return None


def deepest(runs: Path, found: Sequence[str], console: RunConsole) -> RunFolder | None:
    """Of these runs the one that came farthest, of those that nobody trains any more; None where none has a state."""
    reached: list[tuple[Position, RunFolder]] = []
    for folder in (RunFolder(runs / run) for run in found):
        try:
            state = resume_state(folder)
            if state is not None and not may_be_trained(folder, folder.read_record()):
                require_whole(state)
                reached.append((position_of(load_torch(state, mmap=True)), folder))
        except (RecordError, CheckpointError) as error:
            console.warn(f"nothing is taken over from run {folder.id}: {error}")
    best = max(reached, key=lambda one: one[0], default=None)
    return None if best is None else best[1]


def take_over(before: RunFolder, folder: RunFolder, record: RunRecord) -> tuple[RunRecord, Path]:
    """Begin a run, whose first record is not yet written, with what a former attempt has trained.

    Returns:
        The record, which names the source, and the state to go on from.

    Raises:
        RecordError: another process trains the former run.
        CheckpointError: its state cannot be read.
    """
    with locked(before), storing(folder.checkpoints):
        found = resume_state(before)
        if found is None:
            raise RecordError(f"run {before.id} has no state any more", where=str(before.checkpoints))
        content = load_torch(found, mmap=True)
        position, state = position_of(content), folder.checkpoints / found.name
        kept = [path for epoch, path in before.snapshots().items() if epoch < position.epoch]
        for path in [*(one for one in (before.best,) if one.is_file()), *kept, found]:
            link(path, folder.checkpoints / path.name)
        rows = [row for row in before.history() if row[names.EPOCH] < position.epoch]
        if before.history_file.is_file():
            write_atomically(folder.history_file, before.history_file.read_bytes())
        history.truncate(folder.history_file, position.epoch)
        sources = _sources(before.read_record(), Source(run=before.id, checkpoint=found.name), position, content)
    own = tuple(source for source in record.sources if source.epochs is None)
    update = {"sources": (*own, *sources), "epochs_trained": position.epoch, "best_epoch": best_of(rows)}
    return record.model_copy(update=update), state


def _sources(before: RunRecord, last: Source, position: Position, content: Mapping[str, object]) -> tuple[Source, ...]:
    """Who has trained the epochs of a state; whoever only handed them on is not named."""
    lent = tuple(source for source in before.sources if source.epochs is not None)
    epochs = position.epoch - sum(map(attrgetter("epochs"), lent))
    weights = content["weights_digest"]
    if lent and epochs == 0 and lent[-1].weights_digest == weights:
        return lent
    return (*lent, last.model_copy(update={"epochs": epochs, "weights_digest": weights}))
