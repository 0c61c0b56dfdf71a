"""`fit`: from a spec to a record. Read this first; every step is one module of this folder.

task.py       spec, data and world, and what follows from them;  build.py  network and objective
inputs.py     the files that it reads
circumstances.py  what preflight is told of data and devices
opening.py    the run folder;  starting.py  the weights of another run;  again.py  another run trained once more
attempts.py   going on where a former attempt at the same thing stopped
seeds.py      a spec under several seeds, one run after another
resuming.py   going on with a run;  state.py  how far its state of training is, and what that can still become
rehearsal.py  one batch through everything before time is spent;  rehearsed.py  what need not be tried again;
              device_rehearsal.py  what only the GPU itself can pass
processes.py  the processes of a run, where it has several;  company.py  whether all are there;  roll_call.py  the lines
              between them;  threads.py  the threads of each
loop.py       Lightning's loop;  trainer.py  without what it does unasked;  signals.py  what ends it
compiled.py   the network of a step, compiled for a few shapes;  heap.py  memory that steps hand on
job.py        the LightningModule;  batches.py  its batches;  scoreboard.py  validation
recorder.py   what is on the disk when an epoch ends;  writer.py  how it comes there while the next one trains
delivery.py   which weights the run hands on, and what they are worth
tracker.py    the mirror in W&B;  outcome.py  how the run ended, whatever ended it

All processes of a run go through the same steps; only the first one records. `kag.forks` trains the epochs that several
runs have in common once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from kag.errors import SpecError
from kag.finding import Finding, Severity
from kag.forks.sharing import ShareOptions, sharing
from kag.spec import RunSpec, preflight
from kag.spec.preflight import require_no_error
from kag.track.code import TRAINING, code_digest
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.job_log import job_log
from kag.track.launch import copies, require_fit
from kag.track.record import RunRecord
from kag.track.wandb_run import start_client
from kag.track.world import World, resolve_world
from kag.train.again import Repeat
from kag.train.attempts import Known, gone_on_with, take_over
from kag.train.circumstances import circumstances
from kag.train.company import STATE, Company, facts_of, gathered
from kag.train.console import RunConsole
from kag.train.delivery import deliver
from kag.train.inputs import Inputs, read_inputs
from kag.train.job import Job
from kag.train.loop import Loop
from kag.train.opening import Opening, follow_run, new_run
from kag.train.outcome import Outcome
from kag.train.processes import told_state
from kag.train.rehearsed import Passed
from kag.train.resuming import resumed_run
from kag.train.signals import SignalWatch
from kag.train.starting import Start, find_start
from kag.train.state import resume_state
from kag.train.task import Task, place_of, this_machine
from kag.view.earlier import Earlier, best_epochs, earlier_runs
from kag.view.findings import finding_line


def fit(
    spec: RunSpec,
    *,
    runs: Path,
    resume: RunFolder | None = None,
    again: RunFolder | None = None,
    accept: Sequence[str] = (),
    share: ShareOptions | None = None,
    retired: tuple[str, ...] = (),
    console: RunConsole | None = None,
    inputs: Inputs | None = None,
) -> RunRecord:
    """Train, evaluate and record one run.

    Args:
        spec: the run.
        runs: folder of all run folders.
        resume: a killed run to continue instead of starting a new one.
        again: a run whose spec this is, to be trained once more as a new run.
        accept: keys in which `spec` may differ from that of the run that is resumed or trained again; and inputs.
        share: folder of states that runs with a common beginning share.
        retired: keys that were said and do nothing any more; preflight says so.
        console: where to print.
        inputs: what it is trained on, where that has been read.

    Raises:
        SpecError, DataError, RecordError, CheckpointError: the input is at fault; nothing was written.
        RunFailed: the run began and did not end well; its record says why.
    """
    world = world_of(spec, share)
    first = place_of(world).rank == 0
    console = (console if first else None) or RunConsole(quiet=not first)
    warn_of_copies(world, console)
    with gathered(world) as company:
        inputs = inputs or read_inputs(spec, resume or again, copies=copies_held(world, first), console=console)
        earlier = earlier_of(runs, console)
        findings = require_sound(inputs, looked_over(inputs, world, earlier, retired), console)
        told = {"hosts": company.hosts, "log": job_log(os.environ) if first else None}
        task = Task.of(inputs.spec, inputs.sites, world.model_copy(update=told))
        known = Known(resume, again, accept, inputs.moved)
        start = begins_with(task, runs, resume)
        if first and resume is None and again is None:
            known = gone_on_with(known, task, runs, earlier, start, share is not None, console)
            start = begins_with(task, runs, known.resume) if known.resume else start
        loop = Loop(task, start, SignalWatch(first=first), console)
        ground = Ground(runs, earlier, findings, share)
        return computed(loop, known, ground, company)


class Ground(NamedTuple):
    """What a run finds where it begins."""

    runs: Path
    """Folder of all run folders."""
    earlier: Sequence[Earlier]
    """The runs that are there."""
    findings: Sequence[Finding]
    """Of preflight."""
    share: ShareOptions | None
    """Folder of states that runs with a common beginning share."""


def computed(loop: Loop, known: Known, ground: Ground, company: Company) -> RunRecord:
    """Train, evaluate and record, from the run folder on; on a process that is not the first, train.

    Raises:
        RecordError, CheckpointError, RehearsalFailed, RunFailed: as `fit`.
    """
    task, console, first = loop.task, loop.console, place_of(loop.task.world).rank == 0
    job = loop.first_job()
    same = facts_of(task)
    recorded = opened(job, ground, known, loop.start)
    with (
        loop.computing(),
        loop.signals.installed(),
        recorded if first else nullcontext(follow_run(task, company.meet(same)[STATE])) as opening,
        Outcome(opening, console) as outcome,
    ):
        if first:
            company.meet({**same, STATE: told_state(outcome.state)})
        if known.resume is None:
            job.rehearse(Passed(ground.runs) if outcome.record.sweep else None)
        outcome.begin_mirror(task)
        states, rests_on = None if known.resume else ground.share, fork_inputs(task, loop.start)
        with (
            company.together(),
            sharing(states, task.spec, outcome.folder, rests_on, loop.signals.raise_if_received) as forks,
        ):
            trained = loop.train(job, outcome, forks)
        outcome.averaged(task)
        outcome.delivered(
            lambda folder, sealed: deliver(job.task, folder, trained.averaged, sealed=sealed), stopped=trained.stopped
        )
    return outcome.record


@contextmanager
def opened(job: Job, ground: Ground, known: Known, start: Start | None) -> Iterator[Opening]:
    """A run that this process alone may write, to the end of the block: a new one, or one that goes on.

    Raises:
        RecordError: another process trains it, and as `resumed_run`, which rehearses before it writes, and `new_run`.
    """
    start_client(job.spec.track)
    if (resume := known.resume) is not None:
        with locked(resume) as own:
            yield resumed_run(job, resume, own, (*known.accept, *known.moved), start)
    else:
        opening = new_run(
            job.task,
            ground.runs,
            earlier=ground.earlier,
            start=start,
            findings=ground.findings,
            repeat=Repeat(known.again, tuple(known.accept), known.moved) if known.again else None,
            inherit=partial(take_over, known.before) if known.before else None,
        )
        assert opening.folder is not None
        with locked(opening.folder) as own:
            yield replace(opening, own=own)


def warn_of_copies(world: World, console: RunConsole) -> None:
    """Say where one launcher starts a run of one process several times."""
    repeated = copies(os.environ) if world.processes == 1 else None
    if repeated:
        console.warn(repeated)


def copies_held(world: World, first: bool) -> int:
    """For how many processes this one asks whether the data fit into memory.

    The first process speaks for all of its node: the others may hold their arrays by the time it asks.
    """
    return world.devices if first else 1


def world_of(spec: RunSpec, share: ShareOptions | None) -> World:
    """Where a run is computed, as far as its spec and this machine tell.

    Raises:
        SpecError: what started this process does not fit the spec; or the run has several processes, and is to share
            states, of which each would hold a part.
    """
    world = resolve_world(spec, this_machine())
    require_fit(place_of(world), world.nodes or 1, world.devices)
    if share is not None and world.processes != 1:
        raise SpecError(
            f"forks are for runs of one process, this one has {world.processes}",
            where="trainer.devices",
            remedy="leave --share out, or use one device",
        )
    return world


def looked_over(inputs: Inputs, world: World, earlier: Sequence[Earlier], retired: tuple[str, ...]) -> list[Finding]:
    """What the rules about a spec and its data find.

    Args:
        inputs: what it is trained on.
        world: where.
        earlier: other runs, whose best epochs tell how long such a run takes.
        retired: as for `fit`.
    """
    told = {"sibling_best_epochs": best_epochs(earlier, inputs.sites.digest), "retired": retired}
    facts = circumstances(inputs.spec, inputs.sites, world).model_copy(update=told)
    return [*preflight(inputs.spec, facts), *inputs.soundness]


def require_sound(inputs: Inputs, findings: Sequence[Finding], console: RunConsole) -> Sequence[Finding]:
    """Print what was not compared, and what the rules about spec and data say, and go on only without errors.

    Raises:
        SpecError: lists the errors.
    """
    require_no_error(findings, inputs.spec.name)
    for sentence in () if inputs.told else inputs.sites.unchecked:
        console.say(sentence)
    told = inputs.soundness if inputs.told else ()
    for finding in findings:
        if finding.severity is Severity.WARNING and finding not in told:
            console.print(finding_line(finding))
    return findings


def begins_with(task: Task, runs: Path, resume: RunFolder | None) -> Start | None:
    """The weights of another run that a run begins with; one that has no state yet begins with what it began with."""
    return None if resume and resume_state(resume) else find_start(task, runs)


def fork_inputs(task: Task, start: Start | None) -> list[object]:
    """What a training depends on beside its spec: data, mined samples, first weights, code, world."""
    code = code_digest(*TRAINING)
    first = start.weights.weights_digest if start else None
    # How far the run goes is a matter of the spec, which each key looks at up to its own epoch.
    world = task.world.model_copy(update={"optimizer_steps": None}).flat()
    return [task.sites.digest, task.mined_digest, first, code, torch.__version__, world]


def earlier_of(runs: Path, console: RunConsole) -> list[Earlier]:
    """The runs of a folder; one that cannot be read is named and left out."""
    found, broken = earlier_runs(runs)
    for error in broken:
        console.warn(f"left out: {error}")
    return found
