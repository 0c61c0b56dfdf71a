"""One run's part in the forks of a folder: what it takes over, what it makes for the others, what it waits for.

A run looks for the deepest stored state that its own spec would have reached, continues from it, and stores its state
at its part points. While it trains towards a part point it holds that state; where another run holds it, it waits for
the state instead of training the same epochs again. Who dies lets go of it: on one machine at once, elsewhere when it
has given no sign of life for some time (`kag.track.owner`). `fork_inputs` lists what beside the spec must be equal for
the result to be the same bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kag.forks.states import About, Segment, SharedStates, extended
from kag.spec.prefix import part_points, prefix_digest
from kag.spec.run import RunSpec
from kag.track.atomic import storing
from kag.track.claim import Taken
from kag.track.folder import RunFolder
from kag.track.git import keep_out_of_git
from kag.track.hold import alone
from kag.track.record import Source
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
    points: tuple[int, ...] = ()

    def continue_from(self, state: Path | None) -> Path | None:
        """The run's own state."""
        return state

    def reached(self, epochs: int) -> None:
        """Nothing."""


class Sharing:
    """One run's part in the forks of a folder.

    Args:
        options: of the command line.
        spec: the run's.
        run: its folder.
        inputs: what its training depends on beside the spec, as text.
        check: called before each wait; raises if the run is to end.
    """

    def __init__(
        self, options: ShareOptions, spec: RunSpec, run: RunFolder, inputs: str, check: Callable[[], None]
    ) -> None:
        self._folder = options.folder
        self._states = SharedStates(options.folder, options.largest)
        self._run = run
        self._check = check
        self.points = tuple(part_points(spec, options.part_at))
        self._keys = {epoch: fork_key(spec, epoch, inputs) for epoch in range(1, spec.last_epoch + 2)}
        self.segments: tuple[Segment, ...] = ()
        self._epochs = 0
        self._making = ExitStack()

    def continue_from(self, state: Path | None) -> Path | None:
        """Take over the deepest stored state and begin to make the next one; wait while another run makes it.

        Returns:
            The checkpoint to continue from.

        Raises:
            Interrupted: a signal came while waiting.
        """
        while True:
            self._check()
            with self.locked():
                deepest = self._deepest()
                if deepest > self._epochs:
                    self._take(deepest)
                    state = self._run.last
                if self._make_next():
                    return state
            time.sleep(POLL)

    def reached(self, epochs: int) -> None:
        """The run has trained so many epochs: store the state if this is a part point.

        Raises:
            StateTaken: somebody else is ahead, or on the way to the next part point.
        """
        if epochs not in self.points:
            return
        self._epochs = epochs
        self.segments = extended(self.segments, self._run.id, epochs)
        weights = load_torch(self._run.last, mmap=True)["weights_digest"]
        about = About(epochs=epochs, weights_digest=weights, segments=self.segments)
        with self.locked():
            self._states.put(self._keys[epochs], self._run, about)
            if self._deepest() > epochs or not self._make_next():
                raise StateTaken

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes from changing anything in the folder; held for milliseconds."""
        with storing(self._folder), alone(self._folder / ".lock", self._folder / ".owner", patience=None):
            yield

    def close(self) -> None:
        """Let others make what this run has not finished."""
        self._making.close()

    def sweep_up(self) -> None:
        """Remove what processes left that died while they stored a state."""
        with self.locked():
            self._states.sweep_up()

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

    def _make_next(self) -> bool:
        """Whether this run may train on: nobody else is on the way to its next part point."""
        self.close()
        ahead = next((point for point in self.points if point > self._epochs), None)
        if ahead is None:
            return True
        lock_file, owner_file = (self._folder / f"{self._keys[ahead]}.{what}" for what in ("lock", "owner"))
        try:
            self._making.enter_context(alone(lock_file, owner_file, patience=0))
        except Taken:
            return False
        return True


@contextmanager
def sharing(
    options: ShareOptions | None,
    spec: RunSpec,
    run: RunFolder | None,
    inputs: Sequence[object],
    check: Callable[[], None],
) -> Iterator[Sharing | NoSharing]:
    """Take part in the forks of a folder, or in none. What is being made is given up at the end, however it comes."""
    if options is None or run is None:
        yield NoSharing()
        return
    with storing(options.folder):
        options.folder.mkdir(parents=True, exist_ok=True)
        keep_out_of_git(options.folder)
    forks = Sharing(options, spec, run, json.dumps(inputs), check)
    try:
        forks.sweep_up()
        yield forks
    finally:
        forks.close()


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


def fork_key(spec: RunSpec, epoch: int, inputs: str) -> str:
    """Name of the state after `epoch` epochs: 32 digits."""
    return hashlib.sha256(f"{prefix_digest(spec, epoch)} {inputs}".encode()).hexdigest()[:32]
