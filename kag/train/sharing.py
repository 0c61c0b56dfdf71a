"""Forks: runs that agree up to an epoch train it once.

A run looks for the deepest stored state that its own spec would have reached, continues from it, and stores its state
at its part points. Before it trains towards a part point it takes the lease of that state; where another run holds it,
it waits for the state instead of training the same epochs again. `inputs` lists what beside the spec must be equal for
the result to be the same bit for bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from kag.data.mined import mined_digest
from kag.spec.prefix import part_points, prefix_digest
from kag.spec.run import RunSpec
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.record import Source
from kag.train.leases import Leases, wait
from kag.train.shared_states import About, Segment, SharedStates, extended
from kag.train.signals import SignalWatch
from kag.weights.storage import load_torch

POLL = 0.5
"""Seconds between two looks at a state that another run is making."""


@dataclass(frozen=True)
class ShareOptions:
    """What `kag train --share DIR --part-at 20,26 --share-max 20` says."""

    folder: Path
    part_at: tuple[int, ...] = ()
    """Epochs before which known siblings part; the window's start and end are added."""
    largest: int | None = None
    """Bytes."""


class StateTaken(Exception):
    """Control flow: another run is making, or has made, the state that this one was about to train."""


class NoSharing:
    """A run on its own."""

    segments: tuple[Segment, ...] = ()

    def continue_from(self, state: Path | None) -> Path | None:
        """The run's own state."""
        return state

    def callbacks(self) -> list[Checkpoint]:
        """None."""
        return []


class Sharing:
    """One run's part in the forks of a folder."""

    def __init__(
        self, options: ShareOptions, spec: RunSpec, run: RunFolder, leases: Leases, signals: SignalWatch, inputs: str
    ) -> None:
        self._states = SharedStates(options.folder, options.largest)
        self._leases = leases
        self._signals = signals
        self._run = run
        self.points = part_points(spec, options.part_at)
        self._keys = {epoch: _key(spec, epoch, inputs) for epoch in range(1, spec.last_epoch + 2)}
        self.segments: tuple[Segment, ...] = ()
        self._epochs = 0

    def continue_from(self, state: Path | None) -> Path | None:
        """Take over the deepest stored state and the lease of the next one; wait while another run makes it.

        Returns:
            The checkpoint to continue from.

        Raises:
            Interrupted: a signal came while waiting.
        """
        while True:
            self._signals.raise_if_received()
            with self._leases.locked():
                deepest = self._deepest()
                if deepest > self._epochs:
                    self._take(deepest)
                    state = self._run.checkpoints / "last.ckpt"
                if self._lease_next():
                    return state
            wait(POLL)

    def reached(self, epochs: int) -> None:
        """The run has trained so many epochs: store the state if this is a part point.

        Raises:
            StateTaken: somebody else is ahead, or on the way to the next part point.
        """
        if epochs not in self.points:
            return
        self._epochs = epochs
        self.segments = extended(self.segments, self._run.id, epochs)
        key = self._keys[epochs]
        weights = load_torch(self._run.checkpoints / "last.ckpt", mmap=True)["weights_digest"]
        with self._leases.locked():
            self._states.put(key, self._run, About(epochs=epochs, weights_digest=weights, segments=self.segments))
            self._leases.release(key)
            if self._deepest() > epochs or not self._lease_next():
                raise StateTaken

    def callbacks(self) -> list[Checkpoint]:
        """What tells `reached` of each epoch."""
        return [_AtPartPoints(self)]

    def _deepest(self) -> int:
        return next(
            (epochs for epochs in sorted(self._keys, reverse=True) if self._states.about(self._keys[epochs])), 0
        )

    def _take(self, epochs: int) -> None:
        key = self._keys[epochs]
        about = self._states.about(key)
        assert about is not None
        self._states.give(key, self._run)
        self.segments, self._epochs = about.segments, epochs

    def _lease_next(self) -> bool:
        """Whether this run may train on: nobody else is on the way to its next part point."""
        ahead = [point for point in self.points if point > self._epochs]
        return not ahead or self._leases.acquire(self._keys[ahead[0]])


class _AtPartPoints(Checkpoint):
    """Runs after the recorder, which has written the state by then."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch is on the disk."""
        self._sharing.reached(trainer.current_epoch + 1)


@contextmanager
def sharing(
    options: ShareOptions | None, spec: RunSpec, run: RunFolder, signals: SignalWatch, inputs: Sequence[Any]
) -> Iterator[Sharing | NoSharing]:
    """Take part in the forks of a folder, or in none. Leases are given back at the end, however it comes."""
    if options is None:
        yield NoSharing()
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    # States are no code: they must not make a run's tree look changed.
    (options.folder / ".gitignore").write_text("*\n", encoding="utf-8")
    leases = Leases(options.folder)
    try:
        with leases.locked():
            SharedStates(options.folder).sweep_up()
        yield Sharing(options, spec, run, leases, signals, json.dumps(inputs))
    finally:
        leases.close()


def inputs(spec: RunSpec, data_digest: str, start_digest: str | None) -> list[Any]:
    """What a training depends on beside its spec: data, mined samples, first weights, code, the machine's ways."""
    replay = spec.data.replay
    mined = mined_digest(Path(replay.indices)) if replay else None
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    code = code_digest("spec", "model", "data", "weights", "train")
    return [data_digest, mined, start_digest, code, torch.__version__, torch.get_num_threads(), device]


def inherited(segments: Sequence[Segment], run: str) -> tuple[Source, ...]:
    """The segments that other runs trained, as sources of a record."""
    return tuple(
        Source(
            run=segment.run,
            checkpoint=f"shared state after epoch {segment.first + segment.epochs - 1}",
            epochs=segment.epochs,
        )
        for segment in segments
        if segment.run != run
    )


def _key(spec: RunSpec, epoch: int, inputs: str) -> str:
    return hashlib.sha256(f"{prefix_digest(spec, epoch)} {inputs}".encode()).hexdigest()[:32]
