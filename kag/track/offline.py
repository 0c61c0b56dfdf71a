"""What W&B wrote to disk as a source: `offline:DIR`, read without a server."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kag.errors import RecordError
from kag.names import STEP, Part
from kag.number import count
from kag.track.attempts import Attempts, Message, row
from kag.track.mirror import known_runs
from kag.track.mirrored import Mirrored
from kag.track.processes import Mapped
from kag.track.reading import read_bytes
from kag.track.source import Found, PartedSource
from kag.track.wandb_log import pieces

if TYPE_CHECKING:  # numpy takes longer to load than a list of runs
    from kag.stats.scores import Scores

Row = dict[str, Any]

Files = Mapping[str, Sequence[str]]
"""W&B id -> its files; as text, which goes to another process in a tenth of the time of paths."""

WORTH = 8 * 2**20
"""Bytes of files that are worth a process: about a second and a half of reading and judging, where it takes one to
start."""

_HISTORY, _SUMMARY, _OTHER = b"\x12", b"\x1a", b"\x22\x3a\x6a"
"""What follows the number of a record that holds history, summary, or output and statistics: most of a file."""


@dataclass(frozen=True)
class OfflineSource(PartedSource):
    """Every `run-*.wandb` below a folder. A run that was resumed has several files and is one run."""

    folder: Path

    def __str__(self) -> str:
        return f"offline:{self.folder}"

    @property
    def worth(self) -> int:
        """How many processes it is worth, by the size of its files."""
        return sum(map(_size, chain.from_iterable(self._files.values()))) // WORTH

    @property
    def needs(self) -> tuple[str, ...]:
        """See `PartedSource.needs`."""
        return __name__, "kag.track.wandb_private"

    def read(self, mapped: Mapped) -> Found:
        """Every run; see `PartedSource.read`."""
        readers = [partial(_mirrored, files) for files in self._files.values()]
        return known_runs(readers, partial(_rows, self._files), partial(_scores, self._files), mapped)

    @cached_property
    def _files(self) -> Files:
        """Files of each W&B run, in the order of its resumes: their folders are `[offline-]run-<time>-<id>`."""
        if not self.folder.is_dir():
            raise RecordError("there is no such folder of W&B files", where=str(self))
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self.folder.rglob("run-*.wandb"):
            found[file.stem.removeprefix("run-")].append(file)
        return {run: [*map(str, sorted(files, key=_begun))] for run, files in sorted(found.items())}


def _mirrored(files: Sequence[str]) -> Mirrored | None:
    """The run of these files, or None if it was killed before the first of them says which run it is."""
    found = Attempts()
    for file in files:
        found.begin()
        for record in _records(file, skipped=_HISTORY + _OTHER):
            found.add(record)
    try:
        return found.run(Path(files[0]).stem.removeprefix("run-"))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"holds a start or a value that cannot be read: {error}", where=files[-1]) from None


def _rows(files: Files, wandb_id: str, asked: frozenset[str] = frozenset()) -> list[Row]:
    """The rows of a run, as a server would have them: a fork begins with those of the run that it was forked from, and
    a run that was taken back to a step has none from behind it.
    """
    rows: list[Row] = []
    for file in files.get(wandb_id, ()):
        for record in _records(file, skipped=_SUMMARY + _OTHER):
            kind = record.WhichOneof("record_type")
            if kind == "history":
                rows.append(_row(record, file))
            elif kind == "run" and (origin := record.run.branch_point.run) and origin not in asked:
                before = rows if origin == wandb_id else _rows(files, origin, asked | {wandb_id})
                rows = [one for one in before if (count(one.get(STEP)) or 0) <= record.run.branch_point.value]
    return rows


def _scores(files: Files, wandb_id: str, split: Part) -> Scores | None:
    """The scores that the last attempt that has any left beside its file."""
    from kag.track.scores_of_run import scores_in

    for file in reversed(files.get(wandb_id, ())):
        if (found := scores_in(Path(file).parent / "files", split)) is not None:
            return found
    return None


def _row(record: Message, file: str) -> Row:
    try:
        return row(record.history.item)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"holds a value that cannot be read: {error}", where=file) from None


def _records(file: str, *, skipped: bytes) -> Iterator[Message]:
    """Records of a file, but those whose first field behind the number is one of the skipped."""
    from kag.track.wandb_private import DecodeError, Record

    for piece in pieces(read_bytes(Path(file)), where=file):
        if _second_field(piece) in skipped:
            continue
        try:
            yield Record.FromString(piece)
        except DecodeError:
            raise RecordError("holds a record that this version of wandb cannot read", where=file) from None


def _second_field(piece: bytes) -> int:
    """The byte behind the record's number, a field of up to ten bytes that comes first."""
    position = 1
    while position < len(piece) - 1 and piece[position] & 0x80:
        position += 1
    return piece[position + 1] if position + 1 < len(piece) else 0


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size
    except OSError:  # whoever reads it says so
        return 0


def _begun(file: Path) -> tuple[str, str]:
    return file.parent.name.removeprefix("offline-"), str(file)
