"""What origins share that are read from files as a whole."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kag.number import sound
from kag.transfer.facts import Piece, Reached, RunFacts, RunFile, Stream

LONGEST = 128
"""Characters of an id that servers take."""


class StoredOrigin(ABC):
    """Runs in files; see `Origin`. Their rows are in the order in which they were logged."""

    @abstractmethod
    def run_facts(self) -> Iterator[RunFacts]:
        """Every run; see `Origin.run_facts`."""

    @abstractmethod
    def rows(self, run: RunFacts) -> Sequence[Mapping[str, Any]]:
        """Every row of a history, each with `_step` and `_timestamp`.

        Raises:
            NotTaken: it cannot be read.
        """

    def lines(self, run: RunFacts, stream: Stream, reached: Reached) -> Piece:
        """The lines of a stream; see `Origin.lines`. The last row that was carried may have been a part of its step."""
        known = reached.lines.get(stream, 0)
        if stream is not Stream.HISTORY:
            return Piece(known, iter(()))
        rows = self.rows(run)
        if len(rows) == known and reached.is_current:
            return Piece(known, iter(()))
        first = max(min(known, len(rows)) - 1, 0)
        return Piece(first, (json.dumps(sound(row)) for row in rows[first:]))

    def files(self, run: RunFacts) -> Sequence[RunFile]:
        """No files; see `Origin.files`."""
        return ()

    def fetch(self, run: RunFacts, file: RunFile, folder: Path) -> Path:
        """A file that lies here; see `Origin.fetch`."""
        raise FileNotFoundError(file.name)

    def remarks(self) -> Sequence[str]:
        """What could be read in part only; see `Origin.remarks`."""
        return ()


def run_id_of(name: str) -> str:
    """An id that servers take, of a path or a name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:LONGEST] or "run"


def moment_text(seconds: float) -> str:
    """Seconds since the epoch as servers read a time.

    Raises:
        ValueError: no clock shows it.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} is no time") from error


def wrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as W&B keeps it."""
    return {key: {"value": value} for key, value in config.items()}


def last_values(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The summary of a history: what was logged last under each key."""
    found: dict[str, Any] = {}
    for row in rows:
        found |= row
    return dict(sound(found))
