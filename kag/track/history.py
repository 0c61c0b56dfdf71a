"""`history.jsonl`: one JSON object a line, one line an epoch.

A row is finished by its line end. Finite numbers keep every bit; NaN is `null`, the infinities are the strings
"Infinity" and "-Infinity", since JSON has neither.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from kag import names
from kag.errors import RecordError
from kag.number import number, word
from kag.track.atomic import storing, sync_folder, write_atomically
from kag.track.reading import read_bytes
from kag.track.upgrade import upgraded_row

_LARGE = 1e300
"""Where a whole number may be beyond every float."""


def read(path: Path) -> list[dict[str, float]]:
    """Every finished row, with the keys of today; see `RunFolder.history`."""
    return [upgraded_row(row) for _, row in _rows(path)]


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add a row and wait until it is on the disk; see `RunFolder.append_history`."""
    line = line_of(row)
    with storing(path):
        new = not path.exists()
        with open(path, "ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(path.parent)


def line_of(row: Mapping[str, float]) -> str:
    """A row as its line."""
    return json.dumps({key: _to_json(value) for key, value in row.items()}, allow_nan=False) + "\n"


def truncate(path: Path, first_epoch_to_drop: int) -> None:
    """Keep the rows of earlier epochs only; see `RunFolder.truncate_history`."""
    if not path.exists():
        return
    kept = [line for line, row in _rows(path) if row.get(names.EPOCH, math.inf) < first_epoch_to_drop]
    write_atomically(path, b"".join(line + b"\n" for line in kept))


def _rows(path: Path) -> Iterator[tuple[bytes, dict[str, float]]]:
    *lines, _unfinished = (read_bytes(path) if path.exists() else b"").split(b"\n")
    for place, line in enumerate(lines, start=1):
        try:
            row = _parse(line)
        except ValueError as error:
            raise RecordError(str(error), where=f"{path}:{place}") from None
        yield line, row


def _parse(line: bytes) -> dict[str, float]:
    """A row. Raises `ValueError`: what is wrong with it."""
    try:
        content: Any = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"this line of the history is broken: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("this line of the history is not a JSON object")
    if names.EPOCH not in content and names.STEP not in content:
        raise ValueError(f"this line of the history has no {names.EPOCH!r}")
    values = content.values()
    if {*map(type, values)} == {float} and math.isfinite(sum(values)):  # what kag writes needs no second look
        return content
    return {key: _from_json(value, key) for key, value in content.items()}


def _to_json(value: float) -> float | str | None:
    return None if math.isnan(value) else word(value)


def _from_json(value: Any, key: str) -> float:
    if isinstance(value, (int, float)) and abs(value) < _LARGE:
        return value
    found = math.nan if value is None else number(value)
    if found is not None:
        return found
    raise ValueError(f"{key} is {value!r}, which is not a number")
