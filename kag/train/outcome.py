"""`Outcome`: keeps the record true while a run goes on, and writes how it ended, whatever ended it.

All processes have one; those that are not the first have no folder and write nothing.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.markup import escape

import kag
from kag.errors import Interrupted, KagError, StorageError
from kag.forks.sharing import inherited
from kag.forks.states import Segment
from kag.text import command
from kag.track.catch_up import catch_up
from kag.track.claim import TakenOver
from kag.track.folder import RunFolder
from kag.track.record import Failure, Found, Status
from kag.track.wandb_run import begin, tracked_at
from kag.train.again import again_lines, outcome_of
from kag.train.console import RunConsole
from kag.train.opening import Opening, best_of
from kag.train.task import Task
from kag.train.tracker import Tracker
from kag.weights.choose import Delivery


class Outcome:
    """A context around a run. Leaving it writes the last record and closes the mirror; errors pass through."""

    def __init__(self, opening: Opening, console: RunConsole) -> None:
        self.record = opening.record
        self.folder = opening.folder
        self.rows: Sequence[Mapping[str, float]] = opening.rows
        """History at the beginning."""
        self.state = opening.state
        """Lightning checkpoint to continue from."""
        self._tracker = Tracker(None, console.warn)
        self._console = console
        self._first = opening.first
        self._own = opening.own
        self._changing = threading.RLock()
        if opening.folder:
            console.log_to(opening.folder.console_file)
            console.print(f"run [bold]{escape(str(opening.folder.path))}[/bold]")
        if opening.first and self.record.again and not self.record.resumes:
            for line in again_lines(self.record.again, opening.first):
                console.say(line)

    def __enter__(self) -> Outcome:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._ended_by(error)
        if self.folder:
            self._tracker.close(self.folder, self.record)

    def _remedy(self, error: BaseException) -> str:
        """How to go on, where that can end otherwise."""
        if isinstance(error, TakenOver) or (isinstance(error, KagError) and error.repeats):
            return ""
        if not self.folder or not self.folder.spec_file.is_file():
            return ""
        return f"; `{command('train', resume=self.record.id, runs=self.folder.path.parent)}` continues it"

    def _ended_by(self, error: BaseException) -> None:
        """Record why the run ended. What the disk does not take is told: the error that ended the run is not hidden."""
        stopped = isinstance(error, (Interrupted, KeyboardInterrupt, TakenOver))
        status = Status.KILLED if stopped else Status.ABORTED
        try:
            self.update(status=status, end=datetime.now(UTC), failure=failure_of(error))
        except (StorageError, TakenOver) as refused:
            self._console.warn(f"how the run ended is not in its record: {refused}")
        self._console.print(escape(f"run {self.record.id} {status}{self._remedy(error)}"))

    def update(self, **changes: Any) -> None:
        """Replace fields of the record, on the disk too; whoever writes states beside training does so as well."""
        with self._changing:
            self.record = self.record.model_copy(update=changes)
            if self.folder:
                self.require_own()
                self.folder.write_record(self.record)

    def require_own(self) -> None:
        """That this process may write into the folder still, if it ever may.

        Raises:
            TakenOver: it was silent for so long that another process went on with the run.
        """
        if self._own is not None:
            self._own.require()

    def begin_mirror(self, task: Task) -> None:
        """Begin the run in W&B, as far as that can be reached."""
        if self.folder:
            track, warn = task.spec.track, self._console.warn
            known = os.environ.get("WANDB_RUN_ID") or self.record.wandb_id
            run = begin(self.folder, self.record, track, warn, wandb_id=known)
            if run is not None:
                self._console.say(tracked_at(run))
            online = run is not None and not run.offline
            self._tracker = Tracker(run, warn, partial(catch_up, track=track, warn=warn) if online else None)
            if online and self.record.resumes:
                self._tracker.catch_up(self.folder)
            self.update(wandb_id=None if run is None else str(run.id))

    def history(self) -> list[dict[str, float]]:
        """Rows so far."""
        return self.folder.history() if self.folder else []

    def mirror(self, row: Mapping[str, float]) -> None:
        """Tell W&B of an epoch."""
        self._tracker.log(row)

    def trained(self, epochs: int, best_epoch: int, *, replaced: bool) -> None:
        """The state after so many epochs is on the disk.

        Args:
            replaced: whether the weights of the best one are in the place of those of a former end.
        """
        with self._changing:
            checkpoints = dict(self.record.checkpoints)
            if replaced:
                checkpoints.pop("best", None)
            self.update(epochs_trained=epochs, best_epoch=best_epoch, checkpoints=checkpoints)

    def inherited(self, segments: Sequence[Segment]) -> None:
        """Say which epochs other runs have trained for this one."""
        sources = inherited(segments, self.record.id)
        if sources:
            rows = self.history()
            epochs, names = sum(source.epochs or 0 for source in sources), ", ".join(source.run for source in sources)
            self._console.print(escape(f"{epochs} epochs are inherited from {names}"))
            own = tuple(source for source in self.record.sources if source.epochs is None)
            self.update(sources=(*own, *sources), epochs_trained=len(rows), best_epoch=best_of(rows))

    def averaged(self, task: Task) -> None:
        """Say which epochs the average holds; a window that was never reached is not passed over in silence."""
        swa = task.spec.swa
        epochs = tuple(range(swa.start, min(swa.end, self.record.epochs_done))) if swa else None
        if epochs == ():
            self._console.warn("SWA never started: the run ended before its averaging window")
        found = self.record.found or Found()
        self.update(found=found.model_copy(update={"averaged_epochs": epochs}))

    def delivered(self, deliver: Callable[[RunFolder, bool], Delivery], *, stopped: bool) -> None:
        """Have the run hand on its weights, and record them. The first process does it alone, the others are done.

        Args:
            deliver: does it in the run's folder; told whether test is sealed.
            stopped: whether the run stopped early.
        """
        if self.folder is None:
            raise SystemExit(0)
        self.require_own()
        tested = "not on test, which is sealed" if self.record.sealed else "those that val chooses on test"
        with self._console.busy(f"evaluating the weights on val, {tested}"):
            delivery = deliver(self.folder, self.record.sealed)
        self.update(
            status=Status.EARLY_STOPPED if stopped else Status.FINISHED,
            end=datetime.now(UTC),
            results=delivery.results,
            looks=self.folder.read_record().looks,
            checkpoints=delivery.checkpoints,
        )
        if self.record.again and self._first:
            told, sentence = outcome_of(self.record.again, self._first, self.folder, self.record)
            self.update(again=told)
            self._console.say(sentence)


def failure_of(error: BaseException) -> Failure:
    """Class, message, and the innermost line inside kag."""
    package = str(Path(kag.__file__).parent)
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    where = None
    if inside:
        where = f"kag/{Path(inside[-1].filename).relative_to(package).as_posix()}:{inside[-1].lineno}"
    return Failure(error=type(error).__name__, message=str(error).split("\n", 1)[0][:1000], where=where)
