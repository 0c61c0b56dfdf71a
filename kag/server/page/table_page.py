"""A table of a run or of an artifact: what a reader sees of it, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from kag.server.page.site import Site
from kag.server.page.tabs import page_of
from kag.server.page.visit import Visit
from kag.server.wandb_table import Table, cell_text, is_number

ROWS = 100
"""Rows on one page."""
FIRST = 5
"""Rows of one that is shown beside others."""
WIDE = 12
"""Columns of the same."""

Picture = Callable[[str], str | None]
"""Path of a picture -> where a browser gets it."""


class Cell(NamedTuple):
    """One value as it is shown."""

    text: str
    number: bool
    picture: str | None = None


class Heading(NamedTuple):
    """A column, with the address that orders by it."""

    name: str
    address: str
    order: str
    """`ascending`, `descending`, or "" if the rows are ordered by another."""
    number: bool
    """Whether it stands above numbers."""


def _nowhere(path: str) -> None:
    """Of tables whose pictures are not kept."""


def shown_table(visit: Visit, table: Table, kept: Mapping[str, str], picture: Picture = _nowhere) -> dict[str, Any]:
    """What the template `table.html` needs.

    Args:
        visit: its words `q`, `sort` (a column's number, behind a minus the other way round) and `page`.
        table: all of it.
        kept: further words of its address.
        picture: finds pictures that cells name.
    """
    text, sort = visit.query.get("q", "").strip(), visit.query.get("sort", "")
    digits = sort.removeprefix("-")
    column = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else -1
    descending = sort.startswith("-")
    found = table.narrowed(text).ordered(column, descending=descending)
    page = page_of(visit, len(found.rows), ROWS)
    words = {**kept, **({"q": text} if text else {})}
    rows = [_cells(row, picture) for row in found.rows[page.offset : page.end]]
    headings = [
        _heading(words, name, i, column, descending=descending)._replace(number=any(row[i].number for row in rows))
        for i, name in enumerate(table.columns)
    ]
    return {
        "headings": headings,
        "rows": rows,
        "page": page,
        "total": len(table.rows),
        "kept": words | ({"sort": sort} if 0 <= column < len(table.columns) else {}),
        "fields": {**kept, **({"sort": sort} if 0 <= column < len(table.columns) else {})},
        "text": text,
    }


def _heading(words: Mapping[str, str], name: str, place: int, column: int, *, descending: bool) -> Heading:
    here = place == column
    sort = f"-{place}" if here and not descending else str(place)
    order = ("descending" if descending else "ascending") if here else ""
    return Heading(name, f"?{urlencode({**words, 'sort': sort})}", order, number=False)


def _cells(row: Sequence[Any], picture: Picture) -> list[Cell]:
    return [_cell(value, picture) for value in row]


def _cell(value: Any, picture: Picture) -> Cell:
    path = value.get("path") if isinstance(value, Mapping) and value.get("_type") == "image-file" else None
    return Cell(cell_text(value), is_number(value), picture(path) if isinstance(path, str) else None)


def preview(site: Site, table: Table, address: str) -> Markup:
    """The first rows of a table, and the way to all of them."""
    rows = [_cells(row[:WIDE], _nowhere) for row in table.rows[:FIRST]]
    names = [(name, any(row[i].number for row in rows)) for i, name in enumerate(table.columns[:WIDE])]
    size = {"rows": len(table.rows), "columns": len(table.columns)}
    return site.text("table_preview.html", names=names, cells=rows, size=size, address=address)
