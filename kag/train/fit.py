"""`fit`: from a spec to a record. Read this first; every step is one module of this folder.

build.py      network and objective of a spec
opening.py    the run folder, resuming, what may differ;  starting.py  the weights of another run
rehearsal.py  one batch through everything before time is spent
loop.py       Lightning's loop;  job.py  the LightningModule;  batches.py  its batches;  scoreboard.py  validation
recorder.py   what is on the disk when an epoch ends
sharing.py    forks: epochs that several runs have in common are trained once
delivery.py   which weights the run hands on, and what they are worth
tracker.py    the mirror in W&B;  outcome.py  how the run ended, whatever ended it
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

from kag.data.batches import evaluation_batches
from kag.data.mined import mined_digest
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.errors import SpecError
from kag.forks.sharing import ShareOptions, sharing
from kag.model.batch import Batch
from kag.spec import Facts, Finding, RunSpec, Severity, preflight
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.train.batches import SiteBatches
from kag.train.console import RunConsole
from kag.train.delivery import deliver
from kag.train.loop import Loop
from kag.train.memory import require_memory_for_weights
from kag.train.opening import best_epochs, new_run, resume_state, resumed_run
from kag.train.outcome import Outcome
from kag.train.rehearsal import rehearse
from kag.train.signals import SignalWatch
from kag.train.starting import announce, find_start
from kag.train.tracker import open_tracker


def fit(
    spec: RunSpec,
    *,
    runs: Path,
    resume: RunFolder | None = None,
    accept: Sequence[str] = (),
    share: ShareOptions | None = None,
    retired: tuple[str, ...] = (),
    console: RunConsole | None = None,
) -> RunRecord:
    """Train, evaluate and record one run.

    Args:
        spec: the run.
        runs: folder of all run folders.
        resume: a killed run to continue instead of starting a new one.
        accept: keys in which `spec` may differ from the resumed run's.
        share: folder of states that runs with a common beginning share.
        retired: keys that were said and do nothing any more; preflight says so.
        console: where to print.

    Raises:
        SpecError, DataError, RecordError, CheckpointError: the input is at fault; nothing was written.
        RunFailed: the run began and did not end well; its record says why.
    """
    if share is not None and spec.trainer.devices not in ("auto", 1):
        remedy = "leave --share out, or use one device"
        raise SpecError("forks are for runs of one process", where="trainer.devices", remedy=remedy)
    console = (console if process_rank() == 0 else None) or RunConsole(quiet=process_rank() != 0)
    sites = read_sites(Path(spec.data.file))
    earlier = earlier_runs(runs, console)
    findings = require_sound(spec, best_epochs(earlier, sites.digest), retired, console)
    require_memory_for_weights(spec, sites)
    start = None if resume else find_start(spec, runs)
    batches, signals = SiteBatches(spec, sites), SignalWatch()
    loop = Loop(spec, sites, batches, start, signals, console)
    job = loop.fresh_job()
    if process_rank() != 0:
        with signals.installed():
            loop.follow(job, resume_state(resume) if resume else start.state if start else None)
        raise SystemExit(0)
    if resume is None:
        announce(start, console.print)
        opening = new_run(spec, runs, data_digest=sites.digest, earlier=earlier, start=start, findings=findings)
    else:
        opening = resumed_run(resume, spec, data_digest=sites.digest, accept=accept)
    console.log_to(opening.folder.console_file)
    console.print(f"run [bold]{opening.folder.path}[/bold]")
    inputs = fork_inputs(spec, sites.digest, start.weights.weights_digest if start else None)
    with signals.installed(), Outcome(opening, console) as outcome:
        rehearse(spec, job.network, job.objective, job.facts, *first_batches(batches, sites))
        outcome.tracker, wandb_id = open_tracker(spec, opening.folder, opening.record, console)
        outcome.update(wandb_id=wandb_id)
        with sharing(None if resume else share, spec, opening.folder, inputs, signals.raise_if_received) as forks:
            trained = loop.train(job, opening, outcome, forks)
        if spec.swa is not None:
            outcome.averaged(range(spec.swa.start, min(spec.swa.end, outcome.record.epochs_trained)))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        outcome.delivered(deliver(spec, sites, opening.folder, trained.averaged, device), stopped=trained.stopped)
    return outcome.record


def process_rank() -> int:
    """Number of this process among those of the run, as Lightning's launcher or the cluster tells it."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def require_sound(
    spec: RunSpec, sibling_best_epochs: tuple[int, ...], retired: tuple[str, ...], console: RunConsole
) -> list[Finding]:
    """Print what preflight has to say, and go on only without errors.

    Raises:
        SpecError: lists the errors.
    """
    findings = preflight(spec, Facts(sibling_best_epochs=sibling_best_epochs, retired=retired))
    errors = [finding.sentence for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise SpecError("\n  ".join([f"{len(errors)} preflight error(s):", *errors]), where=spec.name)
    for finding in findings:
        if finding.severity is Severity.WARNING:
            console.warn(finding.sentence)
    return findings


def fork_inputs(spec: RunSpec, data_digest: str, start_digest: str | None) -> list[object]:
    """What a training depends on beside its spec: data, mined samples, first weights, code, the machine's ways."""
    replay = spec.data.replay
    mined = mined_digest(Path(replay.indices)) if replay else None
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    code = code_digest("spec", "stats", "model", "data", "weights", "forks", "train")
    return [data_digest, mined, start_digest, code, torch.__version__, torch.get_num_threads(), device]


def first_batches(batches: SiteBatches, sites: Sites) -> tuple[Batch, Batch]:
    """A training batch and an evaluation batch for the rehearsal, as they will come."""
    train_B = torch.from_numpy(batches.of_epoch(0)[0])
    val_B = torch.from_numpy(evaluation_batches(sites, "val")[0])
    return batches.gather(train_B, training=True), batches.gather(val_B, training=False)


def earlier_runs(runs: Path, console: RunConsole) -> list[RunRecord]:
    """Records of a folder of runs; one that cannot be read is named and left out."""
    if not runs.is_dir():
        return []
    records, broken = FolderSource(runs).readable()
    for error in broken:
        console.warn(f"left out: {error}")
    return records
