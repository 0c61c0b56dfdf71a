"""Tables on a terminal of any width: the least needed columns go first, and no id is broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from kag.view.terminal import Terminal

WIDE = 10_000
"""Columns where no terminal limits them: a line in a pipe is one row."""

BETWEEN = 2
"""Blanks between two columns."""


class Fitted(NamedTuple):
    """A table that fits, and the headers of what it leaves out."""

    table: Table
    left_out: tuple[str, ...] = ()

    def told(self, width: int) -> str:
        """What is left out, and where it is to be seen; empty if nothing is."""
        if not self.left_out:
            return ""
        return f"not in {width} columns: {', '.join(self.left_out)}; a wider terminal, a pipe or --json has them"

    def group(self, width: int, below: Iterable[str] = ()) -> RenderableType:
        """The table, and below it what it leaves out, and other lines."""
        told = self.told(width)
        lines = [*map(Text, below), *([Text(told, style="dim")] if told else [])]
        return Group(self.table, *lines) if lines else self.table


def terminal(*, stderr: bool = False) -> Terminal:
    """The console for tables: as wide as the terminal, or without an end where there is none."""
    plain = Terminal(stderr=stderr, highlight=False)
    return plain if plain.is_terminal else Terminal(stderr=stderr, highlight=False, width=WIDE)


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table in the house's look."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, BETWEEN, 0, 0))
    for column in columns:
        table.add_column(escape(column), justify="right" if column in right else "left", overflow="fold")
    return table


def fitted(table: Table, width: int, spared: Sequence[str], *, lines: bool = True) -> Fitted:
    """A table without the columns for which there is no room.

    Args:
        table: every cell is markup, on one line.
        width: columns of the terminal.
        spared: headers of columns that can be spared, the least needed first.
        lines: a row is to stand on one line; else cells may be broken between words.
    """
    if width >= WIDE:
        return Fitted(table)
    columns = {_plain(column.header): column for column in table.columns}
    widths = {name: _width(column, lines) for name, column in columns.items()}
    left_out: list[str] = []
    for name in (one for one in spared if one in widths):
        if sum(widths.values()) + BETWEEN * (len(widths) - 1) <= width:
            break
        del widths[name]
        left_out.append(name)
    if not left_out:
        return Fitted(table)
    made = plain_table(*widths, right=[name for name in widths if columns[name].justify == "right"])
    for cells in zip(*(columns[name].cells for name in widths), strict=True):
        made.add_row(*cells)
    return Fitted(made, tuple(left_out))


def fits(table: Table, width: int) -> bool:
    """Whether every row stands on one line."""
    return sum(_width(column, lines=True) + BETWEEN for column in table.columns) - BETWEEN <= width


def print_whole(console: Terminal, item: RenderableType) -> None:
    """Print a table, or several, in which no word is broken, such as an id.

    Where not even its words fit, a row is left to the terminal to break, from which it can be copied whole.
    """
    width = console.width
    for part in item.renderables if isinstance(item, Group) else [item]:
        if isinstance(part, Table) and width < WIDE:
            console.width = max(width, _keep_words(part))
        console.print(part)
        console.width = width


def _keep_words(table: Table) -> int:
    """Let only cells of several words be broken, and no name of a row; the width that this needs."""
    for place, column in enumerate(table.columns):
        column.no_wrap = place == 0 or _width(column, lines=True) == _width(column, lines=False)
    widths = [_width(column, lines=bool(column.no_wrap)) for column in table.columns]
    return sum(widths) + BETWEEN * (len(widths) - 1)


def _width(column: Column, lines: bool) -> int:
    """Of its widest cell, or of its longest word."""
    texts = [_plain(cell) for cell in (column.header, *column.cells)]
    pieces = texts if lines else [word for text in texts for word in text.split()]
    return max(map(cell_len, pieces), default=0)


def _plain(cell: RenderableType) -> str:
    return Text.from_markup(str(cell)).plain
