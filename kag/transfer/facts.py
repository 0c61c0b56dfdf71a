"""What is carried from one tracker to another: facts of a run, its streams, its files; and where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Stream(Enum):
    """What a run logs line by line; the value is its file in a `file_stream` request."""

    HISTORY = "wandb-history.jsonl"
    EVENTS = "wandb-events.jsonl"
    OUTPUT = "output.log"


@dataclass(frozen=True)
class RunFacts:
    """A run but for its streams and files."""

    id: str
    name: str
    """By which people know it; need not be unique."""
    config: Mapping[str, Any]
    """Key -> `{"value": ...}`, as W&B keeps it."""
    summary: Mapping[str, Any]
    created: str
    """ISO 8601, in UTC."""
    heard: str
    """When it was last heard of; ISO 8601, in UTC."""
    state: str
    """W&B's word: finished, failed, crashed, killed, running, ..."""
    exit_code: int | None = None
    notes: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""
    host: str = ""
    commit: str = ""
    repo: str = ""
    program: str = ""
    sweep: str | None = None
    lines: Mapping[Stream, int] = field(default_factory=dict)
    """Lines of a stream, where the origin says so without being asked for all of them."""
    last_step: int | None = None
    """Of the history, where the origin says so."""

    @property
    def has_ended(self) -> bool:
        """Whether it logs no more."""
        return self.state not in ("pending", "running", "preempting")


@dataclass(frozen=True)
class Reached:
    """How far a run has been carried already."""

    lines: Mapping[Stream, int] = field(default_factory=dict)
    last_step: int = -1
    at_last_step: int = 0
    """Rows of the history that have the last step: the next call begins behind them."""
    is_current: bool = False
    """Whether the summary is what the origin says."""


@dataclass(frozen=True)
class RunFile:
    """A file of a run."""

    name: str
    size: int
    md5: bytes | None = None
    """Digest of its content, where the origin knows it."""


class Piece(NamedTuple):
    """Lines of a stream, from one of them on."""

    first: int
    """Number of the first line. Lines that are there already under their numbers are replaced."""
    lines: Iterator[str]


class Origin(Protocol):
    """Runs of another tracker. Reading changes nothing there.

    Every method may raise `NotTaken`: of one run, that this run cannot be had; of all, that nothing can.
    """

    def run_facts(self) -> Iterator[RunFacts]:
        """Every run, the oldest first."""

    def lines(self, run: RunFacts, stream: Stream, reached: Reached) -> Piece:
        """The lines of a stream behind those that have been carried: JSON objects, of the output plain texts."""

    def files(self, run: RunFacts) -> Sequence[RunFile]:
        """The files of a run."""

    def fetch(self, run: RunFacts, file: RunFile, folder: Path) -> Path:
        """A file of a run on this disk: put into the folder, or where it lies anyway."""

    def remarks(self) -> Sequence[str]:
        """What could be read in part only, so far."""
