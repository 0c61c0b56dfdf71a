"""`Outcome`: keeps the record true while a run goes on, and writes how it ended, whatever ended it."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import kag
from kag.errors import Interrupted
from kag.track.hold import locked
from kag.track.record import Failure, Status
from kag.train.console import RunConsole
from kag.train.opening import Opening
from kag.train.tracker import NoTracker, Tracker
from kag.weights.choose import Delivery


class Outcome:
    """A context around a run. Leaving it writes the last record and closes the mirror; errors pass through."""

    def __init__(self, opening: Opening, console: RunConsole) -> None:
        self.record = opening.record
        self.tracker: Tracker = NoTracker()
        self._folder = opening.folder
        self._console = console
        self._lock = locked(opening.folder)

    def __enter__(self) -> Outcome:
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            status = Status.KILLED if isinstance(error, (Interrupted, KeyboardInterrupt)) else Status.ABORTED
            self.update(status=status, end=datetime.now(UTC), failure=failure_of(error))
            self._console.print(f"run {self.record.id} {status}; `kag train --resume {self.record.id}` continues it")
        self.tracker.close(self.record)
        self._lock.__exit__(None, None, None)

    def update(self, **changes: Any) -> None:
        """Replace fields of the record, on the disk too."""
        self.record = self.record.model_copy(update=changes)
        self._folder.write_record(self.record)

    def trained(self, epochs: int, best_epoch: int) -> None:
        """An epoch has ended."""
        self.update(epochs_trained=epochs, best_epoch=best_epoch)

    def averaged(self, epochs: Sequence[int]) -> None:
        """Say which epochs the average holds; a window that was never reached is not passed over in silence."""
        facts: dict[str, Any] = {"averaged_epochs": list(epochs)}
        if not epochs:
            facts["swa"] = "SWA never started"
            self._console.warn("SWA never started: the run ended before its averaging window")
        self.update(facts=self.record.facts | facts)

    def delivered(self, delivery: Delivery, *, stopped: bool) -> None:
        """The run has handed on its weights."""
        self.update(
            status=Status.EARLY_STOPPED if stopped else Status.FINISHED,
            end=datetime.now(UTC),
            results=delivery.results,
            checkpoints=delivery.checkpoints,
        )


def failure_of(error: BaseException) -> Failure:
    """Class, message, and the innermost line inside kag."""
    package = str(Path(kag.__file__).parent)
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    where = None
    if inside:
        where = f"kag/{Path(inside[-1].filename).relative_to(package).as_posix()}:{inside[-1].lineno}"
    return Failure(error=type(error).__name__, message=str(error).split("\n", 1)[0][:1000], where=where)
