"""What W&B wrote to disk as a source: `offline:DIR`, read without a server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

from kag.errors import RecordError
from kag.track import mirror
from kag.track.mirror import Mirrored
from kag.track.record import Status
from kag.track.source import Found, WholeSource
from kag.track.wandb_log import pieces

Message = Any
"""A protobuf message; its classes are made at run time and have no static types."""

Values = dict[tuple[str, ...], str]
"""Nested keys and their values, which stay JSON until they are needed."""

_HISTORY, _SUMMARY, _OTHER = b"\x12", b"\x1a", b"\x22\x3a\x6a"
"""What follows the number of a record that holds history, summary, or output and statistics: most of a file."""


@dataclass(frozen=True)
class OfflineSource(WholeSource):
    """Every `run-*.wandb` below a folder. A run that was resumed has several files and is one run."""

    folder: Path

    def __str__(self) -> str:
        return f"offline:{self.folder}"

    @cached_property
    def found(self) -> Found:
        """Every run; see `WholeSource.found`."""
        files = self._files()
        readers = [partial(_mirrored, parts) for parts in files.values()]
        return mirror.known_runs(readers, lambda wandb_id: chain.from_iterable(map(_rows, files[wandb_id])))

    def _files(self) -> dict[str, list[Path]]:
        """Files of each W&B run, in the order of its resumes: their folders are `[offline-]run-<time>-<id>`."""
        if not self.folder.is_dir():
            raise RecordError("there is no such folder of W&B files", where=str(self))
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self.folder.rglob("run-*.wandb"):
            found[file.stem.removeprefix("run-")].append(file)
        return {run: sorted(files, key=_begun) for run, files in sorted(found.items())}


def _mirrored(files: Iterable[Path]) -> Mirrored | None:
    """The run of these files, or None if it was killed before the first of them says which run it is."""
    begun: list[Message] = []
    config: Values = {}
    summary: Values = {}
    for file in files:
        # The run starts or is resumed: how it ended before is no longer how it ends.
        status = Status.RUNNING
        summary.pop((mirror.END_KEY,), None)
        for record in _records(file, skipped=_HISTORY + _OTHER):
            match record.WhichOneof("record_type"):
                case "run":
                    begun.append(record.run)
                    _update(config, record.run.config)
                case "config":
                    _update(config, record.config)
                case "summary":
                    _update(summary, record.summary)
                case "exit":
                    status = Status.ABORTED if record.exit.exit_code else Status.FINISHED
    if not begun:
        return None
    last = begun[-1]
    try:
        return Mirrored(
            wandb_id=file.stem.removeprefix("run-"),
            display_name=last.display_name,
            start=begun[0].start_time.ToDatetime(UTC),
            status=status,
            config=_tree(config),
            summary=_tree(summary),
            tags=tuple(last.tags),
            notes=last.notes,
            sweep=last.sweep_id or None,
        )
    except ValueError as error:
        raise RecordError(f"holds a start or a value that cannot be read: {error}", where=str(file)) from None


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for record in _records(file, skipped=_SUMMARY + _OTHER):
        if record.WhichOneof("record_type") == "history":
            yield {
                path[0]: json.loads(item.value_json) for item in record.history.item if len(path := _path(item)) == 1
            }


def _records(file: Path, *, skipped: bytes) -> Iterator[Message]:
    """Records of a file, but those whose first field behind the number is one of the skipped."""
    from kag.track.wandb_private import DecodeError, Record

    for piece in pieces(file.read_bytes(), where=str(file)):
        if _second_field(piece) in skipped:
            continue
        try:
            yield Record.FromString(piece)
        except DecodeError:
            raise RecordError("holds a record that this version of wandb cannot read", where=str(file)) from None


def _second_field(piece: bytes) -> int:
    """The byte behind the record's number, a field of up to ten bytes that comes first."""
    position = 1
    while position < len(piece) - 1 and piece[position] & 0x80:
        position += 1
    return piece[position + 1] if position + 1 < len(piece) else 0


def _update(values: Values, change: Message) -> None:
    for item in change.remove:
        gone = _path(item)
        for path in [path for path in values if path[: len(gone)] == gone]:
            del values[path]
    for item in change.update:
        values[_path(item)] = item.value_json


def _path(item: Message) -> tuple[str, ...]:
    return tuple(item.nested_key) or (item.key,)


def _tree(values: Values) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        part = tree
        for key in path[:-1]:
            inner = part.get(key)
            part[key] = part = inner if isinstance(inner, dict) else {}
        part[path[-1]] = json.loads(value)
    return tree


def _begun(file: Path) -> tuple[str, str]:
    return file.parent.name.removeprefix("offline-"), str(file)
