"""The state of training that a run goes on from: where it lies, how far it is, and what it can still become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kag.errors import SpecError
from kag.spec.run import RunSpec, SwaSpec
from kag.track.folder import RunFolder
from kag.weights.checkpoint import StoredWeights
from kag.weights.storage import load_torch


class Position(NamedTuple):
    """Where a run goes on."""

    epoch: int = 0
    """So many epochs are trained to their end."""
    batches: int = 0
    """So many batches of the next one."""


def resume_state(folder: RunFolder) -> Path | None:
    """The latest state that was written: after a finished epoch, or where a signal ended the run inside one.

    Raises:
        CheckpointError: there are both, and one of them cannot be read.
    """
    paths = [path for path in (folder.last, folder.interrupted) if path.is_file()]
    if len(paths) < 2:
        return paths[0] if paths else None
    return max(paths, key=position_in)


def position_in(state: Path | None) -> Position:
    """How far a state is.

    Raises:
        CheckpointError: it cannot be read.
    """
    return Position() if state is None else position_of(load_torch(state, mmap=True))


def position_of(content: Mapping[str, Any]) -> Position:
    """The same of a loaded file."""
    inside = content.get("inside_epoch")
    return Position(int(content["epoch"]), int(inside["batches"])) if inside else Position(int(content["epoch"]) + 1)


def require_future(weights: StoredWeights, position: Position, spec: RunSpec, *, left: int = 0) -> None:
    """Refuse to go on from a state under a spec that it contradicts.

    Args:
        weights: of the state; their spec is the one that it was trained under.
        position: how far the state is.
        spec: under which the run is to go on.
        left: so many epochs must be left to train.

    Raises:
        SpecError: too few epochs, or a window of averaging that would have begun, or ended, before.
    """
    if (position.epoch + left, position.batches) > (end := spec.last_epoch + 1, 0):
        inside = f" and {position.batches} batches of the next" if position.batches else ""
        raise SpecError(
            f"{position.epoch} epochs{inside} are trained, the spec ends after {end}",
            where="swa" if spec.swa else "epochs",
            remedy="give more epochs, or begin a new run",
        )
    _require_window(weights.spec.swa, spec.swa, position.epoch)


def _require_window(former: SwaSpec | None, wanted: SwaSpec | None, epochs: int) -> None:
    held, needed = _averaged(former, epochs), _averaged(wanted, epochs)
    if not needed or held == needed:
        return
    averaged = f"its average holds epochs {held.start} to {held[-1]}" if held else "nothing has been averaged"
    raise SpecError(
        f"{epochs} epochs are trained and {averaged}; by now this window would hold {needed.start} to {needed[-1]}",
        where="swa",
        remedy=f"begin the window at epoch {epochs} or later, or begin a new run",
    )


def _averaged(swa: SwaSpec | None, epochs: int) -> range:
    """Epochs that an average holds when so many are trained."""
    return range(0) if swa is None else range(swa.start, max(swa.start, min(swa.end, epochs)))
