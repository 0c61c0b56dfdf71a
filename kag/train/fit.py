"""`fit`: from a spec to a record. Read this first; every step is one module of this folder.

build.py      network and objective of a spec
opening.py    the run folder, resuming, what may differ
rehearsal.py  one batch through everything before time is spent
job.py        the LightningModule;  batches.py  its batches;  scoreboard.py  its validation
recorder.py   what is on the disk when an epoch ends
delivery.py   which weights the run hands on, and what they are worth
tracker.py    the mirror in W&B
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, Trainer

from kag.data.batches import evaluation_batches
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.errors import SpecError
from kag.model.batch import Batch
from kag.spec import Facts, Finding, RunSpec, Severity, preflight
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.train.batches import SiteBatches
from kag.train.console import ProgressBar, RunConsole
from kag.train.delivery import deliver
from kag.train.job import Job
from kag.train.opening import Opening, best_epochs, epochs_in, new_run, resume_state, resumed_run
from kag.train.outcome import Outcome
from kag.train.recorder import EpochRecorder
from kag.train.rehearsal import rehearse
from kag.train.signals import SignalWatch
from kag.train.starting import Start, change_line, find_start
from kag.train.stopping import SpecEarlyStopping
from kag.train.tracker import NoTracker, open_tracker


def fit(
    spec: RunSpec,
    *,
    runs: Path,
    resume: RunFolder | None = None,
    accept: Sequence[str] = (),
    console: RunConsole | None = None,
) -> RunRecord:
    """Train, evaluate and record one run.

    Args:
        spec: the run.
        runs: folder of all run folders.
        resume: a killed run to continue instead of starting a new one.
        accept: keys in which `spec` may differ from the resumed run's.
        console: where to print.

    Raises:
        SpecError, DataError, RecordError, CheckpointError: the input is at fault; nothing was written.
        RunFailed: the run began and did not end well; its record says why.
    """
    console = (console if process_rank() == 0 else None) or RunConsole(quiet=process_rank() != 0)
    sites = read_sites(Path(spec.data.file))
    earlier = _earlier(runs, console)
    findings = require_sound(spec, Facts(sibling_best_epochs=best_epochs(earlier, sites.digest)), console)
    job, batches, signals = Job(spec, sites), SiteBatches(spec, sites), SignalWatch()
    start = None if resume else find_start(spec, runs)
    if start is not None:
        start.load_into(job.network)
    if process_rank() != 0:
        state = resume_state(resume) if resume else start.state if start else None
        return _follow(spec, job, batches, signals, state, console)
    opening = (
        resumed_run(resume, spec, data_digest=sites.digest, accept=accept)
        if resume
        else _new_run(spec, runs, sites, earlier, findings, start, console)
    )
    console.log_to(opening.folder.console_file)
    console.print(f"run [bold]{opening.folder.path}[/bold]")
    with signals.installed(), Outcome(opening, console) as outcome:
        rehearse(spec, job.network, job.objective, job.facts, *first_batches(batches, sites))
        outcome.tracker, wandb_id = open_tracker(spec, opening.folder, opening.record, console)
        outcome.update(wandb_id=wandb_id)
        stopped = _train(spec, job, batches, opening, outcome, signals, console)
        if spec.swa is not None:
            outcome.averaged(range(spec.swa.start, min(spec.swa.end, outcome.record.epochs_trained)))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        outcome.delivered(deliver(spec, sites, opening.folder, job.averaged_weights(), device), stopped=stopped)
    return outcome.record


def process_rank() -> int:
    """Number of this process among those of the run, as Lightning's launcher or the cluster tells it."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def require_sound(spec: RunSpec, facts: Facts, console: RunConsole) -> list[Finding]:
    """Print what preflight has to say, and go on only without errors.

    Raises:
        SpecError: lists the errors.
    """
    findings = preflight(spec, facts)
    errors = [finding.sentence for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise SpecError("\n  ".join([f"{len(errors)} preflight error(s):", *errors]), where=spec.name)
    for finding in findings:
        if finding.severity is Severity.WARNING:
            console.warn(finding.sentence)
    return findings


def first_batches(batches: SiteBatches, sites: Sites) -> tuple[Batch, Batch]:
    """A training batch and an evaluation batch for the rehearsal, as they will come."""
    train_B = torch.from_numpy(batches.of_epoch(0)[0])
    val_B = torch.from_numpy(evaluation_batches(sites, "val")[0])
    return batches.gather(train_B, training=True), batches.gather(val_B, training=False)


def build_trainer(spec: RunSpec, callbacks: list[Callback]) -> Trainer:
    """Lightning's trainer for a spec. It logs, saves and shows nothing by itself."""
    trainer = spec.trainer
    return Trainer(
        accelerator="auto",
        devices=trainer.devices,
        strategy=trainer.strategy,
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


def _new_run(
    spec: RunSpec,
    runs: Path,
    sites: Sites,
    earlier: Sequence[RunRecord],
    findings: Sequence[Finding],
    start: Start | None,
    console: RunConsole,
) -> Opening:
    """A new folder; what differs from the run that lends its weights is told before training and stored."""
    if start is None:
        return new_run(spec, runs, data_digest=sites.digest, earlier=earlier, findings=findings)
    console.print(f"starts from {start.source.run}, {start.source.checkpoint} ({start.weights.weights_digest[:8]})")
    for change in start.changes:
        console.print(f"  {change_line(change)}")
    opening = new_run(
        spec,
        runs,
        data_digest=sites.digest,
        earlier=earlier,
        findings=findings,
        sources=[start.source],
        changes=start.changes,
    )
    return replace(opening, state=start.state)


def _train(
    spec: RunSpec,
    job: Job,
    batches: SiteBatches,
    opening: Opening,
    outcome: Outcome,
    signals: SignalWatch,
    console: RunConsole,
) -> bool:
    """Run Lightning's loop; returns whether early stopping ended it."""
    bar = ProgressBar(console, opening.record.epochs_trained)
    recorder = EpochRecorder(
        opening.folder, outcome.tracker, console, bar, rows=list(opening.rows), on_epoch=outcome.trained
    )
    stopping = SpecEarlyStopping(spec.early_stopping) if spec.early_stopping else None
    _loop(spec, job, batches, [*([stopping] if stopping else []), recorder, bar, signals], opening.state)
    return stopping is not None and stopping.stopped_early and outcome.record.epochs_trained <= spec.last_epoch


def _follow(
    spec: RunSpec, job: Job, batches: SiteBatches, signals: SignalWatch, state: Path | None, console: RunConsole
) -> RunRecord:
    """Take part as a process that is not the first: train, write nothing, leave when the loop is done."""
    recorder = EpochRecorder(
        None, NoTracker(), console, ProgressBar(console, 0), rows=[], on_epoch=lambda trained, best: None
    )
    stopping = [SpecEarlyStopping(spec.early_stopping)] if spec.early_stopping else []
    with signals.installed():
        _loop(spec, job, batches, [*stopping, recorder, signals], state)
    raise SystemExit(0)


def _loop(spec: RunSpec, job: Job, batches: SiteBatches, callbacks: list[Callback], state: Path | None) -> None:
    batches.first_epoch = epochs_in(state)
    if spec.trainer.compile:
        job.network.compile()
    with warnings.catch_warnings():
        # The loader hands out row numbers: workers would have nothing to do.
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        # Lightning 2.6 asks torch's tree specs in a way that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        build_trainer(spec, callbacks).fit(job, datamodule=batches, ckpt_path=state, weights_only=True)


def _earlier(runs: Path, console: RunConsole) -> list[RunRecord]:
    if not runs.is_dir():
        return []
    records, broken = FolderSource(runs).readable()
    for error in broken:
        console.warn(f"left out: {error}")
    return records
