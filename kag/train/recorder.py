"""`EpochRecorder`: what is on the disk when an epoch has ended.

The order makes `kill -9` harmless at every moment: history row, best weights, the epoch's own where they are kept, then
the state to resume from. A resume begins after the last epoch whose state was written and drops rows and weights of
later epochs; they will come again, the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from kag import names
from kag.track.atomic import storing
from kag.track.folder import RunFolder
from kag.track.result import AVERAGED_STATISTICS
from kag.train.console import EpochProgress, RunConsole, epoch_line
from kag.train.job import Job
from kag.train.outcome import Outcome
from kag.weights.checkpoint import save_weights
from kag.weights.storage import save_torch


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, beside where it belongs.

    Lightning's own way is by the folder of temporary files, which may lie on another disk, and be full.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the file by `save_torch`."""
        save_torch(Path(path), checkpoint)


class EpochRecorder(Checkpoint):
    """Writes history, checkpoints and the mirror at the end of each epoch.

    A `Checkpoint` to Lightning, which calls these after early stopping: what it counted belongs to the state.

    Args:
        outcome: of the run; it has a folder on the first process alone.
        rows: history so far (of a resumed run).
        after: called last, with the number of trained epochs; each may raise to end the loop.
    """

    def __init__(
        self,
        outcome: Outcome,
        console: RunConsole,
        bar: EpochProgress,
        *,
        rows: list[dict[str, float]],
        after: Sequence[Callable[[int], None]] = (),
    ) -> None:
        self._outcome = outcome
        self._folder = outcome.folder
        self._console = console
        self._bar = bar
        self._after = after
        self._best = max(rows, key=lambda row: row[names.OBJECTIVE], default=None)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have the trainer write as everything else of a run is written."""
        trainer.strategy.checkpoint_io = WholeFiles()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch on every process; the first one writes."""
        assert isinstance(pl_module, Job)
        row = pl_module.close_epoch()
        best = self._best is None or row[names.OBJECTIVE] > self._best[names.OBJECTIVE]
        if best:
            self._best = row
        if self._folder is not None:
            self._write(self._folder, pl_module, row, best)
        self._save_state(trainer)
        if self._folder is not None:
            assert self._best is not None
            self._outcome.trained(int(row[names.EPOCH]) + 1, int(self._best[names.EPOCH]))
            self._outcome.mirror(row)
            self._bar.show(row)
            self._console.print(epoch_line(row, best))
            if row[names.SWA_AVERAGED_EPOCHS] == 1 and pl_module.task.averaged_statistics:
                self._console.say(f"the average is measured with {AVERAGED_STATISTICS}")
        for told in self._after:
            told(int(row[names.EPOCH]) + 1)

    def _write(self, folder: RunFolder, job: Job, row: dict[str, float], best: bool) -> None:
        self._outcome.require_own()
        folder.append_history(row)
        files = [folder.best] if best else []
        if job.spec.swa is not None and job.spec.swa.keep_sums:
            files.append(folder.snapshot(job.current_epoch))
        if files:
            weights = job.weights()
            for file in files:
                save_weights(file, weights)

    def _save_state(self, trainer: Trainer) -> None:
        """Every process takes part in collecting the state; the first one writes it and puts it in place at once."""
        self._save_as(trainer, "last")
        if self._folder is not None:
            with storing(self._folder.interrupted):
                self._folder.interrupted.unlink(missing_ok=True)

    def save_inside_epoch(self, trainer: Trainer) -> None:
        """Write the state between two batches of one process. (Several would have to stop at the same batch.)"""
        if trainer.world_size == 1:
            self._outcome.require_own()
            self._save_as(trainer, "interrupted")

    def _save_as(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(getattr(self._folder, name) if self._folder else name, weights_only=False)
