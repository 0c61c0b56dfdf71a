"""`EpochRecorder`: what is on the disk when an epoch has ended.

The order makes `kill -9` harmless at every moment: history row, best weights, the epoch's own where they are kept, then
the state to resume from, then the record that counts on it. A resume begins after the last epoch whose state was
written and drops rows and weights of later epochs; they will come again, the same. All but the row is written beside
the next epoch, by `kag.train.writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from kag import names
from kag.forks.sharing import NoSharing, Sharing
from kag.track.atomic import storing
from kag.track.folder import RunFolder
from kag.track.result import AVERAGED_STATISTICS
from kag.train.console import EpochProgress, RunConsole, epoch_line
from kag.train.job import Job
from kag.train.outcome import Outcome
from kag.train.signals import SignalWatch
from kag.train.writer import StateWriter, host_copy
from kag.weights.checkpoint import State, StoredWeights, entries, save_weights, snapshot, stored
from kag.weights.storage import save_torch


class HandedOver(TorchCheckpointIO):
    """Hands a state to whoever writes it.

    Lightning's own way is by the folder of temporary files, which may lie on another disk, and be full.
    """

    def __init__(self, take: Callable[[dict[str, Any], Path], None]) -> None:
        super().__init__()
        self._take = take

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Hand over the state, whose tensors training goes on to change."""
        self._take(checkpoint, Path(path))


class Ended(NamedTuple):
    """How far a run is when its state is written."""

    epochs: int
    """Trained to their end."""
    best: int
    """The best of them."""


class EpochRecorder(Checkpoint):
    """Writes history, checkpoints and the mirror at the end of each epoch.

    A `Checkpoint` to Lightning, which calls these after early stopping: what it counted belongs to the state.

    Args:
        outcome: of the run; it has a folder on the first process alone.
        rows: history so far (of a resumed run).
        forks, signals: told, once its state is written, that an epoch is; each may raise to end the loop.
        writer: writes beside training.
    """

    def __init__(
        self,
        outcome: Outcome,
        console: RunConsole,
        bar: EpochProgress,
        *,
        rows: list[dict[str, float]],
        forks: Sharing | NoSharing,
        signals: SignalWatch,
        writer: StateWriter,
    ) -> None:
        self._outcome = outcome
        self._folder = outcome.folder
        self._console = console
        self._bar = bar
        self._forks = forks
        self._signals = signals
        self._writer = writer
        self._best = max(rows, key=lambda row: row[names.OBJECTIVE], default=None)
        self._ended: Ended | None = None
        self._files: list[Path] = []
        self._held: tuple[State, int] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have the trainer hand its states over."""
        assert isinstance(pl_module, Job)
        trainer.strategy.checkpoint_io = HandedOver(partial(self._take, pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch on every process; the first one writes."""
        assert isinstance(pl_module, Job)
        row = pl_module.close_epoch()
        best = self._best is None or row[names.OBJECTIVE] > self._best[names.OBJECTIVE]
        self._best = row if best or self._best is None else self._best
        self._ended = Ended(int(row[names.EPOCH]) + 1, int(self._best[names.EPOCH]))
        due = self._is_due(trainer, pl_module, self._ended.epochs)
        if self._folder is not None:
            self._outcome.require_own()
            self._folder.append_history(row)
            self._keep(self._folder, pl_module, best, due)
        if due:
            self._save_state(trainer)
        if self._folder is not None:
            self._outcome.mirror(row)
            self._bar.show(row)
            self._console.print(epoch_line(row, best))
            if row[names.SWA_AVERAGED_EPOCHS] == 1 and pl_module.task.averaged_statistics:
                self._console.say(f"the average is measured with {AVERAGED_STATISTICS}")
        if due:
            self._tell(self._ended.epochs)

    def _is_due(self, trainer: Trainer, job: Job, epochs: int) -> bool:
        """Whether the state is written after so many epochs: all processes find the same."""
        end = trainer.should_stop or epochs > job.spec.last_epoch
        asked = epochs in self._forks.points or self._signals.asks
        return end or asked or epochs % job.spec.trainer.checkpoint_every == 0

    def _tell(self, epochs: int) -> None:
        if epochs in self._forks.points:
            self._writer.wait()
        self._forks.reached(epochs)
        self._signals.reached(epochs)

    def _keep(self, folder: RunFolder, job: Job, best: bool, due: bool) -> None:
        """See to the weights of the epoch. Those of the best one come to the disk with the next state: what a resume
        finds is of one moment.
        """
        keeps = job.spec.swa is not None and job.spec.swa.keep_sums
        kept = folder.snapshot(job.current_epoch) if keeps else None
        if due:
            self._files = [path for path in (folder.best if best else None, kept) if path is not None]
            self._held = None if best else self._held
            return
        network, epoch = snapshot(job.kept.state_dict()) if best or kept else {}, job.current_epoch
        if best:
            self._held = network, epoch
        if kept is not None:
            self._writer.start(lambda: save_weights(kept, _weights(job, network, epoch)))

    def _save_state(self, trainer: Trainer) -> None:
        """Every process takes part in collecting the state; the first one writes it and puts it in place at once."""
        self._save_as(trainer, "last")

    def save_inside_epoch(self, trainer: Trainer) -> None:
        """Write the state between two batches of one process. (Several would have to stop at the same batch.)"""
        if trainer.world_size == 1:
            self._outcome.require_own()
            self._save_as(trainer, "interrupted")
            self._writer.wait()

    def _save_as(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(getattr(self._folder, name) if self._folder else name, weights_only=False)

    def _take(self, job: Job, checkpoint: dict[str, Any], path: Path) -> None:
        """Have a state written beside training, with all that belongs before and behind it."""
        self._writer.wait()
        state, epoch = host_copy(checkpoint), job.current_epoch
        (files, self._files), (held, self._held), ended = (self._files, []), (self._held, None), self._ended
        folder = self._folder
        assert folder is not None

        def write() -> None:
            self._outcome.require_own()
            named, prefix = state["state_dict"].items(), "network." if job.ema is None else "ema."
            network = {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)}
            weights = _weights(job, network, epoch)
            for file in files:
                save_weights(file, weights)
            if held is not None:
                save_weights(folder.best, _weights(job, *held))
            # Of the same tensors: a file has them once.
            save_torch(path, state | entries(weights))
            if path == folder.last:
                with storing(folder.interrupted):
                    folder.interrupted.unlink(missing_ok=True)
            if ended is not None:
                self._outcome.trained(*ended, replaced=held is not None or folder.best in files)

        self._writer.start(write)


def _weights(job: Job, network: State, epoch: int) -> StoredWeights:
    return stored(job.spec, network, job.task.facts, epoch=epoch)
