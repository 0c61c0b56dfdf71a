"""`wandb.Table` as it lies in a file: read, narrowed, ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kag import number
from kag.server.arguments import json_object
from kag.server.blobs import Blobs
from kag.server.faults import Fault, NotFound
from kag.text import setting

MAX_BYTES = 32 * 2**20
"""A table that is larger is not opened, but can be downloaded."""
SUFFIX = ".table.json"
"""How the names of their files end."""


@dataclass(frozen=True)
class Table:
    """Columns, and rows with a value for each of them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def narrowed(self, text: str) -> Table:
        """The rows that have all the words of a text, in whatever case, in one of their cells each."""
        words = text.casefold().split()
        if not words:
            return self
        return replace(self, rows=[row for row in self.rows if _holds(row, words)])

    def ordered(self, column: int, *, descending: bool) -> Table:
        """The rows by a column: numbers, then words; what is missing comes last either way."""
        if not 0 <= column < len(self.columns):
            return self
        there = [row for row in self.rows if not _is_missing(row[column])]
        absent = [row for row in self.rows if _is_missing(row[column])]
        numbers = [row for row in there if number.number(row[column]) is not None]
        texts = [row for row in there if number.number(row[column]) is None]
        numbers.sort(key=lambda row: number.number(row[column]) or 0.0, reverse=descending)
        texts.sort(key=lambda row: cell_text(row[column]).casefold(), reverse=descending)
        return replace(self, rows=[*texts, *numbers, *absent] if descending else [*numbers, *texts, *absent])


def read_table(place: Blobs, path: str) -> Table:
    """The table of a blob.

    Raises:
        NotFound: the file is gone.
        Fault: it is too large, or no table.
    """
    size = place.size(path)
    if size is None:
        raise NotFound("the file of this table is gone")
    if size > MAX_BYTES:
        raise Fault(f"a table of more than {MAX_BYTES // 2**20} MiB is not opened here: download it", status=413)
    return parsed(place.read(path))


def parsed(content: bytes) -> Table:
    """The table of a file's content.

    Raises:
        Fault: it is none.
    """
    try:
        found = json_object("the table", content)
    except UnicodeDecodeError as error:
        raise Fault("the table is not UTF-8") from error
    columns, rows = found.get("columns"), found.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise Fault("this file holds no table of wandb")
    width = len(columns)
    return Table([str(name) for name in columns], [(row + [None] * width)[:width] for row in rows])


def cell_text(value: Any) -> str:
    """A cell as text; of media, which kind."""
    if isinstance(value, Mapping) and isinstance(value.get("_type"), str):
        return f"[{value['_type']}]"
    return "" if value is None else setting(value)


def is_number(value: Any) -> bool:
    """Whether a cell stands at the right of its column."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    return value is None or value == "NaN"


def _holds(row: Sequence[Any], words: Sequence[str]) -> bool:
    cells = [cell_text(value).casefold() for value in row]
    return all(any(word in cell for cell in cells) for word in words)
