"""SIGINT and SIGTERM: finish the batch, leave in order. W&B agents stop a trial by SIGTERM, then kill it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from kag.errors import Interrupted


class SignalWatch(Callback):
    """Remembers a signal and raises `Interrupted` at the end of the batch. A second SIGINT ends at once, as usual."""

    def __init__(self) -> None:
        self._received: int | None = None

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

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """The batch is finished."""
        self.raise_if_received()

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """The batch is finished."""
        self.raise_if_received()

    def _install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number
