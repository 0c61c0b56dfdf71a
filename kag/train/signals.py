"""SIGINT and SIGTERM: finish the batch, save, leave in order. W&B agents stop a trial by SIGTERM, then kill it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from kag.errors import Interrupted


class SignalWatch(Callback):
    """Remembers a signal, saves at the end of the batch and raises `Interrupted`. A second SIGINT ends at once.

    A signal during the last batch or the validation waits for the end of the epoch, whose state is complete.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._save: Callable[[Trainer], None] | None = None

    def save_by(self, save: Callable[[Trainer], None]) -> None:
        """What writes a state in the middle of an epoch."""
        self._save = save

    @contextmanager
    def installed(self) -> Iterator[SignalWatch]:
        """Handle both signals inside the block; the former handlers come back after it."""
        former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._install()
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def raise_if_received(self) -> None:
        """Leave if a signal has come.

        Raises:
            Interrupted: with the signal's exit code.
        """
        if self._received is not None:
            name = signal.Signals(self._received).name
            raise Interrupted(f"{name} received", signal_number=self._received)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals back from Lightning, which would save a state in the middle of an epoch or none."""
        self._install()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The batch is finished: save and leave, unless gradients are still being accumulated."""
        done = batch_idx + 1
        if self._received is None or done >= trainer.num_training_batches or done % trainer.accumulate_grad_batches:
            return
        if self._save is not None:
            self._save(trainer)
        self.raise_if_received()

    def reached(self, epochs: int) -> None:
        """So many epochs are on the disk."""
        self.raise_if_received()

    def _install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            # Not KeyboardInterrupt, of which Lightning would make an exit with code 1.
            raise Interrupted("SIGINT received again, the batch was not finished", signal_number=number)
        self._received = number
