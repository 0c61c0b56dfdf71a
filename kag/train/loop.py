"""Lightning's loop: once or, where forks hand over a deeper state, several times."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Callback
from rich.markup import escape

from kag.forks.sharing import NoSharing, Sharing, StateTaken
from kag.model.precision import matrix_products
from kag.train.batches import SiteBatches
from kag.train.compiled import compiled
from kag.train.console import EpochProgress, RunConsole
from kag.train.job import Job
from kag.train.memory import require_memory_for_weights
from kag.train.outcome import Outcome
from kag.train.processes import launching
from kag.train.recorder import EpochRecorder
from kag.train.signals import SignalWatch
from kag.train.starting import Start
from kag.train.state import position_in
from kag.train.stopping import SpecEarlyStopping
from kag.train.task import Task
from kag.train.threads import with_threads
from kag.train.trainer import build_trainer
from kag.train.writer import StateWriter
from kag.weights.checkpoint import StoredWeights
from kag.weights.heap import kept_heap


@dataclass(frozen=True)
class Trained:
    """How the loop ended."""

    averaged: StoredWeights | None
    """Averaged weights, or None if nothing was averaged."""
    stopped: bool
    """Whether early stopping ended it."""


@dataclass(frozen=True)
class Loop:
    """What stays the same however often the loop is entered."""

    task: Task
    start: Start | None
    signals: SignalWatch
    console: RunConsole

    def fresh_job(self) -> Job:
        """The network and objective of epoch 0, with the weights that the run starts from.

        Raises:
            SpecError: they do not fit into the memory of this machine.
        """
        require_memory_for_weights(self.task)
        job = Job(self.task)
        if self.start is not None:
            for network in job.networks:
                self.start.load_into(network)
        return job

    def first_job(self) -> Job:
        """The same, which the GPU that is to train has taken steps with; nothing has been written yet.

        Raises:
            RehearsalFailed, SpecError: as `fresh_job` and `Job.rehearse_on_device`.
        """
        job = self.fresh_job()
        job.rehearse_on_device()
        return job

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Threads and products of matrices are those of the run's world inside the block."""
        with with_threads(self.task.world), matrix_products(self.task.precision):
            yield

    def train(self, job: Job, outcome: Outcome, forks: Sharing | NoSharing) -> Trained:
        """Train to the end. Where another run is ahead on the same road, wait for its state and go on from there."""
        spec = self.task.spec
        mirrored, state = len(outcome.rows), outcome.state
        if self.start is not None:
            self.console.print(escape(str(self.start)))
        while True:
            state = forks.continue_from(state)
            rows = outcome.history()
            for row in rows[mirrored:]:
                outcome.mirror(row)
            mirrored = len(rows)
            outcome.inherited(forks.segments)
            bar = EpochProgress(self.console, len(rows))
            window_start = spec.swa.start if spec.swa else None
            stopping = SpecEarlyStopping(spec.early_stopping, window_start) if spec.early_stopping else None
            try:
                with StateWriter(self.console.warn) as writer:
                    recorder = EpochRecorder(
                        outcome, self.console, bar, rows=rows, forks=forks, signals=self.signals, writer=writer
                    )
                    self.signals.save_by(recorder.save_inside_epoch)
                    self._enter(job, [*([stopping] if stopping else []), recorder, bar, self.signals], state)
            except StateTaken:
                mirrored, job = len(outcome.history()), self.fresh_job()
                continue
            stopped = stopping is not None and stopping.stopped_early
            return Trained(job.averaged_weights(), stopped and outcome.record.epochs_done <= spec.last_epoch)

    def _enter(self, job: Job, callbacks: list[Callback], state: Path | None) -> None:
        batches = SiteBatches(self.task, position_in(state))
        compiling = compiled(job.network) if self.task.spec.trainer.compile else nullcontext()
        heap = kept_heap() if self.task.world.device == "cpu" else nullcontext()
        with warnings.catch_warnings(), compiling, heap:
            # It does know where to go on: `SiteBatches` is told.
            warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
            # Lightning 2.6 asks torch's tree specs in a way that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            trainer = build_trainer(self.task, callbacks, state)
            with launching(state) if self.task.world.launcher == "lightning" else nullcontext():
                trainer.fit(job, datamodule=batches, weights_only=True)
