"""`kag train --seeds`: a spec under several seeds, one run after another, on data that are read and checked once.

Each is the run that a call of its own would make. Which of them are there already is found by what they rest on
(`kag.view.alike`), not by a name or a list of this call: so the same call goes on wherever it was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from kag import errors
from kag.errors import Interrupted, KagError, RunFailed, SpecError, StorageError, UserError
from kag.forks.sharing import ShareOptions
from kag.spec.load import load_spec
from kag.spec.preflight import require_no_error
from kag.spec.run import RunSpec
from kag.text import command
from kag.track.edit import require_ended, set_archived
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import was_never_held
from kag.track.record import RunRecord, Status
from kag.track.world import resolve_world
from kag.train.console import RunConsole
from kag.train.fit import earlier_of, fit, looked_over, require_sound
from kag.train.inputs import LIST, Inputs, read_inputs
from kag.train.opening import planned
from kag.train.starting import find_start
from kag.train.task import Task, this_machine
from kag.view.alike import Likeness, likeness, seed_of
from kag.view.words import begun

Todo = Literal["begin", "resume", "nothing"]


class SeedRun(NamedTuple):
    """What has become of a seed."""

    seed: int
    record: RunRecord | None
    """Of its run; None where it has none."""
    trouble: str | None = None
    """Why it has no weights to hand on, in a sentence; None if it has."""


class Ground(NamedTuple):
    """What all runs of a call have in common."""

    inputs: Inputs
    like: Likeness
    source: FolderSource
    share: ShareOptions | None
    retired: tuple[str, ...]

    @property
    def runs(self) -> Path:
        """Folder of all run folders."""
        return self.source.runs

    def records(self) -> Sequence[RunRecord]:
        """Every run that can be read, as it stands now; each `fit` names the others."""
        return self.source.readable()[0] if self.runs.is_dir() else ()

    def run_of(self, seed: int) -> RunRecord | None:
        """The run of a seed as it stands now; see `counting`."""
        record = counting(self.records(), self.like, seed)
        if record is not None and was_never_held(RunFolder(self.runs / record.id), record):
            return record.model_copy(update={"status": Status.KILLED})
        return record


def train_seeds(
    spec: RunSpec,
    seeds: Sequence[int],
    *,
    runs: Path,
    console: Callable[[], RunConsole],
    new: bool = False,
    share: ShareOptions | None = None,
    retired: tuple[str, ...] = (),
) -> Iterator[SeedRun]:
    """Train what is missing of a spec under several seeds; what has become of each, as soon as it is known.

    A seed that ended well is not trained again, one that was interrupted goes on. One that fails is told of, and the
    others are trained.

    Args:
        spec: of all runs, whatever its seed.
        seeds: no two the same.
        runs: folder of all run folders.
        console: makes the console of a run: each writes to the log of one.
        new: archive what is there of these seeds, and train them anew.
        share: as for `fit`.
        retired: as for `fit`.

    Raises:
        UserError: the input is at fault, which it would be for every seed; or `new`, and a run is under way.
        Interrupted: a signal came; what is done stays, and the same call goes on.
    """
    ground = prepared(spec, runs, console(), share, retired)
    if new:
        archive_all(ground, seeds, console())
    for line in standing_lines({seed: ground.run_of(seed) for seed in seeds}):
        console().say(line)
    begun_one = False
    for seed in seeds:
        # Read again: another process may have trained it meanwhile.
        record = ground.run_of(seed)
        if left_to_do(record) == "nothing":
            yield SeedRun(seed, record, trouble_of(record))
            continue
        folder = RunFolder(runs / record.id) if record else None
        trouble = _trained(ground, seed, folder, console(), alone=folder is not None or begun_one)
        begun_one = True
        record = ground.run_of(seed)
        yield SeedRun(seed, record, trouble or trouble_of(record))


def prepared(
    spec: RunSpec, runs: Path, console: RunConsole, share: ShareOptions | None, retired: tuple[str, ...]
) -> Ground:
    """Read the data, and check all that no seed changes.

    Raises:
        SpecError, DataError, RecordError, CheckpointError: as `fit`; or the runs would have several processes.
    """
    world = resolve_world(spec, this_machine())
    if world.processes != 1:
        raise SpecError(
            f"--seeds trains runs of one process one after another, these would have {world.processes}",
            where="trainer.devices",
            remedy="use one device, or begin each by a call of its own: kag train SPEC seed=1",
        )
    inputs = read_inputs(spec, None, copies=1, console=console)
    require_no_error(looked_over(inputs, world, earlier_of(runs, console), retired), spec.name)
    require_sound(inputs, inputs.soundness, console)
    task = Task.of(inputs.spec, inputs.sites, world)
    like = likeness(planned(task, find_start(task, runs)))
    assert like is not None
    return Ground(inputs._replace(told=True), like, FolderSource(runs), share, retired)


def counting(records: Iterable[RunRecord], like: Likeness, seed: int) -> RunRecord | None:
    """The run of a seed that counts: the newest that ended well, else the newest. An archived one is none."""
    return max(of_seed(records, like, seed), key=lambda one: (one.status.done, begun(one)), default=None)


def of_seed(records: Iterable[RunRecord], like: Likeness, seed: int) -> list[RunRecord]:
    """The runs of a seed that nobody has archived."""
    return [one for one in records if not one.archived and seed_of(one) == str(seed) and likeness(one) == like]


def left_to_do(record: RunRecord | None) -> Todo:
    """What is left to do of the run of a seed."""
    if record is None:
        return "begin"
    ended = record.status.done or record.status is Status.RUNNING or _fails_again(record)
    return "nothing" if ended else "resume"


def trouble_of(record: RunRecord | None) -> str | None:
    """Why a run has no weights to hand on; None if it has."""
    if record is None:
        return "it has not begun"
    if record.status.done:
        return None
    if record.status is Status.RUNNING:
        return "another process trains it"
    return f"{record.failure.error}: {record.failure.message}" if record.failure else record.status.value


def standing_lines(runs: dict[int, RunRecord | None]) -> Iterator[str]:
    """What is there of the seeds when a call begins."""
    for seed, record in runs.items():
        if record is None:
            continue
        if left_to_do(record) == "resume":
            yield f"seed {seed} goes on: {record.id}, {record.status}, {record.epochs_done} epochs trained"
        elif record.status.done:
            yield f"seed {seed} is there: {record.id}, {record.status}"
        else:
            again = "; it would end the same way again" if _fails_again(record) else ""
            yield f"seed {seed} is left alone: {record.id}, {trouble_of(record)}{again}"
    if any(record is not None and left_to_do(record) == "nothing" for record in runs.values()):
        yield "--new archives these runs and trains their seeds anew"


def archive_all(ground: Ground, seeds: Sequence[int], console: RunConsole) -> None:
    """Archive every run of these seeds.

    Raises:
        RecordError: one is under way; none is archived then.
    """
    records = ground.records()
    there = [record for seed in seeds for record in of_seed(records, ground.like, seed)]
    folders = [RunFolder(ground.runs / record.id) for record in there]
    for folder in folders:
        require_ended(folder)
    for folder in folders:
        set_archived(folder, archived=True)
    if there:
        back = command("runs", "archive", *(record.id for record in there), "--undo", runs=ground.runs)
        console.say(f"archived: {', '.join(record.id for record in there)}; `{back}` takes them back")


def _trained(ground: Ground, seed: int, folder: RunFolder | None, console: RunConsole, *, alone: bool) -> str | None:
    """Begin the run of a seed, or go on with it; why it did not end well, else None.

    Args:
        alone: whether what is at fault is this run's alone: it goes on, or another one has begun.

    Raises:
        UserError: the first run cannot begin, and no other one could.
        Interrupted: a signal came.
    """
    console.say(f"seed {seed}")
    failures = (RunFailed, StorageError, torch.OutOfMemoryError, *((UserError,) if alone else ()))
    try:
        _fit(ground, seed, folder, console)
    except Interrupted:
        raise
    except failures as error:
        return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    return None


def _fit(ground: Ground, seed: int, folder: RunFolder | None, console: RunConsole) -> None:
    spec = ground.inputs.spec.model_copy(update={"seed": seed})
    if folder is not None:
        # It keeps what describes it; its data are the ones that have been read, wherever they lay when it began.
        spec = load_spec(folder.spec_file).model_copy(update={"data": spec.data})
    fit(
        spec,
        runs=ground.runs,
        resume=folder,
        accept=(LIST,),
        share=ground.share,
        retired=ground.retired,
        console=console,
        inputs=ground.inputs._replace(spec=spec),
    )


def _fails_again(record: RunRecord) -> bool:
    """Whether a run failed in a way in which the same input always fails."""
    kind = getattr(errors, record.failure.error, None) if record.failure else None
    return isinstance(kind, type) and issubclass(kind, KagError) and kind.repeats
