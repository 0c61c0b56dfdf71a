"""The mirror of a training run in W&B, through Lightning's logger. `kag.track.wandb_run` begins and ends it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from lightning.pytorch.loggers import WandbLogger

from kag.spec.run import RunSpec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.track.wandb_run import begin, end, first_line, lost
from kag.train.console import RunConsole


class Tracker(Protocol):
    """Where the epochs of a run are mirrored."""

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror the row of an epoch."""

    def close(self, record: RunRecord) -> None:
        """Mirror the end of the run: objective last, exit code 1 unless the run delivered weights."""


class NoTracker:
    """Mirrors nothing: `track.mode: disabled`, or a process that is not the first."""

    def log(self, row: Mapping[str, float]) -> None:
        """Nothing."""

    def close(self, record: RunRecord) -> None:
        """Nothing."""


class WandbTracker:
    """Mirrors to W&B. A failure of W&B is told once and ends the mirroring, never the run."""

    def __init__(self, logger: WandbLogger, console: RunConsole) -> None:
        self._logger: WandbLogger | None = logger
        self._console = console

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror the row of an epoch; `epoch` is the axis of every other key."""
        if self._logger is not None:
            try:
                self._logger.log_metrics(dict(row))
            except lost() as error:
                self._lose(error)

    def close(self, record: RunRecord) -> None:
        """Mirror the delivered results, the objective in the very last row, and the record; then finish."""
        if self._logger is None:
            return
        try:
            end(self._logger.experiment, record)
        except lost() as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self._console.warn(
            f"W&B was lost ({first_line(error)}); the run goes on, `wandb sync` can upload its local files later"
        )
        self._logger = None


def open_tracker(
    spec: RunSpec, folder: RunFolder, record: RunRecord, console: RunConsole
) -> tuple[Tracker, str | None]:
    """Begin mirroring. What cannot be reached or started is told, and the run goes on without it.

    Returns:
        The tracker, and the W&B run id (None if nothing is mirrored).
    """
    run = begin(folder, record, spec.track, console.warn, wandb_id=os.environ.get("WANDB_RUN_ID") or record.wandb_id)
    if run is None:
        return NoTracker(), None
    return WandbTracker(WandbLogger(experiment=run), console), str(run.id)
