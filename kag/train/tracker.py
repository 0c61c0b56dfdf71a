"""The mirror of a training run in W&B. `kag.track.wandb_run` begins and ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kag.track.catch_up import send_missing
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.track.wandb_run import end, first_line, lost

if TYPE_CHECKING:
    from wandb import Run


Again = Callable[[RunFolder, RunRecord], None]
"""Sends what of a run was not sent, after W&B was lost."""


class Tracker:
    """Mirrors epochs and the end of a run; without a W&B run it mirrors nothing.

    A failure of W&B is told once and ends the mirroring, never the run.

    Args:
        run: W&B's; None if `track.mode` is disabled, W&B could not start, or the process is not the first.
        warn: told of a failure.
        again: sends from the folder what was not sent, if the run goes to a server.
    """

    def __init__(self, run: Run | None, warn: Callable[[str], None], again: Again | None = None) -> None:
        self._run = run
        self._warn = warn
        self._again = again
        self._lost = False

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror the row of an epoch; `epoch` is the axis of every other key."""
        self._guarded(lambda run: run.log(dict(row)))

    def catch_up(self, folder: RunFolder) -> None:
        """Mirror the epochs that a process which was killed has trained and did not send."""
        self._guarded(lambda run: send_missing(run, folder))

    def close(self, folder: RunFolder, record: RunRecord) -> None:
        """Mirror the end: scores, objective last, exit code 1 unless the run delivered weights; then finish."""
        self._guarded(lambda run: end(run, folder, record))
        if self._lost and self._again is not None:
            self._again(folder, record)

    def _guarded(self, act: Callable[[Run], object]) -> None:
        if self._run is not None:
            try:
                act(self._run)
            except lost() as error:
                self._run, self._lost = None, True
                later = "`wandb sync` can upload its local files later"
                if self._again is not None:
                    later = "what is missing is sent at its end"
                self._warn(f"W&B was lost ({first_line(error)}); the run goes on, {later}")
