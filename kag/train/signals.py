"""Signals that end a run: finish the batch, save, leave in order. W&B agents stop a trial by SIGTERM, then kill it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from kag.errors import ENDING, Interrupted


class SignalWatch(Callback):
    """Remembers a signal, saves at the end of the batch and raises `Interrupted`. A second SIGINT ends at once.

    A signal during the last batch or the validation waits for the end of the epoch, whose state is complete. Several
    processes leave behind the same batch, whichever of them got the signal: else the others would wait for it.

    Args:
        first: whether this is the first process of the run. The others are done when it tells how the run ended:
            Lightning kills all when one of the processes that it has started ends with another code than 0.
    """

    def __init__(self, *, first: bool = True) -> None:
        self._first = first
        self._alone = True
        self._received: int | None = None
        self._agreed: int | None = None
        self._save: Callable[[Trainer], None] | None = None

    def save_by(self, save: Callable[[Trainer], None]) -> None:
        """What writes a state in the middle of an epoch."""
        self._save = save

    @contextmanager
    def installed(self) -> Iterator[SignalWatch]:
        """Handle the signals inside the block; the former handlers come back after it."""
        former = {number: signal.signal(number, self._receive) for number in ENDING}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @property
    def asks(self) -> bool:
        """Whether a signal asks to leave, as far as all processes know of it."""
        return self._known is not None

    @property
    def _known(self) -> int | None:
        return self._received if self._alone else self._agreed

    def raise_if_received(self) -> None:
        """Leave if a signal has come.

        Raises:
            Interrupted: with the signal's exit code.
        """
        if (received := self._known) is not None:
            self._leave(f"{signal.Signals(received).name} received", received)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on the processes leave together."""
        self._alone = trainer.world_size == 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The batch is finished: save and leave, unless gradients are still being accumulated."""
        done = batch_idx + 1
        if done >= trainer.num_training_batches or done % trainer.accumulate_grad_batches:
            return
        self._agree(trainer)
        if self._agreed is None:
            return
        if self._save is not None:
            self._save(trainer)
        self.raise_if_received()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Whether to leave when the state of the epoch is on the disk."""
        self._agree(trainer)

    def reached(self, epochs: int) -> None:
        """So many epochs are on the disk."""
        self.raise_if_received()

    def _agree(self, trainer: Trainer) -> None:
        self._agreed = self._received
        if not self._alone:
            number = torch.tensor(self._received or 0, device=trainer.strategy.root_device)
            self._agreed = int(torch.as_tensor(trainer.strategy.reduce(number, reduce_op="max"))) or None

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            # Not KeyboardInterrupt, of which Lightning would make an exit with code 1.
            self._leave("SIGINT received again, the batch was not finished", number)
        self._received = number

    def _leave(self, what: str, number: int) -> None:
        if not self._first:
            raise SystemExit(0)
        raise Interrupted(what, signal_number=number)
