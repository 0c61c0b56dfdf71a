"""What the rules about a spec know beside it: of other runs, the data and the devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict

from kag.finding import Finding
from kag.spec.run import RunSpec


class Facts(BaseModel):
    """What preflight knows beside the spec; all of it optional."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sibling_best_epochs: tuple[int, ...] = ()
    """Best epochs of earlier runs on the same data."""
    batches_per_epoch: int | None = None
    """Training batches of a process in an epoch that replays nothing; None before the data is read."""
    points_of_residue: int | None = None
    """Most points that an epoch shows of one residue; None before the data is read."""
    device: str | None = None
    """Kind of the device that trains: `cpu`, or the name of the GPU; None before anybody has looked."""
    formats: frozenset[str] | None = None
    """Of `bf16` and `tf32` those for which it has units; None where nobody knows."""
    processes: int | None = None
    """That train together."""
    retired: tuple[str, ...] = ()
    """Retired keys that the files and words say from which the spec was read."""


Rule = Callable[[RunSpec, Facts], Iterator[Finding]]
