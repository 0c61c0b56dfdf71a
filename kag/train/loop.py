"""Lightning's loop: once or, where forks hand over a deeper state, several times; on the first process or another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer

from kag.data.sites import Sites
from kag.forks.sharing import NoSharing, Sharing, StateTaken, inherited
from kag.spec import RunSpec
from kag.train.batches import SiteBatches
from kag.train.console import ProgressBar, RunConsole
from kag.train.job import Job
from kag.train.opening import Opening, best_of, position_in
from kag.train.outcome import Outcome
from kag.train.recorder import EpochRecorder
from kag.train.signals import SignalWatch
from kag.train.starting import Start
from kag.train.stopping import SpecEarlyStopping
from kag.train.tracker import NoTracker
from kag.weights.checkpoint import StoredWeights


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

    spec: RunSpec
    sites: Sites
    batches: SiteBatches
    start: Start | None
    signals: SignalWatch
    console: RunConsole

    def fresh_job(self) -> Job:
        """The network and objective of epoch 0, with the weights that the run starts from."""
        job = Job(self.spec, self.sites)
        if self.start is not None:
            self.start.load_into(job.network)
        return job

    def train(self, job: Job, opening: Opening, outcome: Outcome, forks: Sharing | NoSharing) -> Trained:
        """Train to the end. Where another run is ahead on the same road, wait for its state and go on from there."""
        mirrored, state = len(opening.rows), opening.state
        while True:
            state = forks.continue_from(state)
            rows = opening.folder.history()
            for row in rows[mirrored:]:
                outcome.tracker.log(row)
            mirrored = len(rows)
            self._tell_inherited(outcome, forks, rows)
            bar = ProgressBar(self.console, len(rows))
            recorder = EpochRecorder(
                opening.folder,
                outcome.tracker,
                self.console,
                bar,
                rows=rows,
                on_epoch=outcome.trained,
                after=forks.reached,
            )
            self.signals.save_by(recorder.save_inside_epoch)
            stopping = SpecEarlyStopping(self.spec.early_stopping) if self.spec.early_stopping else None
            try:
                self._enter(job, [*([stopping] if stopping else []), recorder, bar, self.signals], state)
            except StateTaken:
                mirrored, job = len(opening.folder.history()), self.fresh_job()
                continue
            stopped = stopping is not None and stopping.stopped_early
            return Trained(job.averaged_weights(), stopped and outcome.record.epochs_trained <= self.spec.last_epoch)

    def follow(self, job: Job, state: Path | None) -> None:
        """Take part as a process that is not the first: train, write nothing, leave when the loop is done."""
        bar = ProgressBar(self.console, 0)
        recorder = EpochRecorder(None, NoTracker(), self.console, bar, rows=[], on_epoch=lambda trained, best: None)
        stopping = [SpecEarlyStopping(self.spec.early_stopping)] if self.spec.early_stopping else []
        self._enter(job, [*stopping, recorder, self.signals], state)

    def _tell_inherited(self, outcome: Outcome, forks: Sharing | NoSharing, rows: list[dict[str, float]]) -> None:
        sources = inherited(forks.segments, outcome.record.id)
        if not sources:
            return
        epochs = sum(source.epochs or 0 for source in sources)
        self.console.print(f"{epochs} epochs are inherited from {', '.join(source.run for source in sources)}")
        own = tuple(source for source in outcome.record.sources if source.epochs is None)
        outcome.update(
            sources=(*own, *sources),
            epochs_trained=len(rows),
            best_epoch=best_of(rows),
            facts=outcome.record.facts | {"inherited_epochs": epochs},
        )

    def _enter(self, job: Job, callbacks: list[Callback], state: Path | None) -> None:
        self.batches.start = position_in(state)
        if self.spec.trainer.compile:
            job.network.compile()
        with warnings.catch_warnings():
            # The loader hands out row numbers: workers would have nothing to do.
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            # It does know where to go on: `SiteBatches.start`.
            warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
            # Lightning 2.6 asks torch's tree specs in a way that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            trainer = build_trainer(self.spec, callbacks)
            trainer.fit(job, datamodule=self.batches, ckpt_path=state, weights_only=True)


def build_trainer(spec: RunSpec, callbacks: list[Callback]) -> Trainer:
    """Lightning's trainer for a spec. It logs and shows nothing by itself."""
    trainer = spec.trainer
    return Trainer(
        accelerator="auto",
        devices=trainer.devices,
        strategy="auto",
        precision=trainer.precision,
        max_epochs=spec.last_epoch + 1,
        gradient_clip_val=trainer.gradient_clip or None,
        accumulate_grad_batches=trainer.accumulate,
        reload_dataloaders_every_n_epochs=1 if spec.data.replay else 0,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        sync_batchnorm=torch.cuda.is_available(),
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
