"""Tables of runs as HTML, for a notebook: small, without a style sheet, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from kag.text import printable
from kag.view.tables import Cell, Table


def table_html(table: Table) -> Markup:
    """A table; empty for one without rows."""
    if not table.rows:
        return Markup()
    head = Markup().join(Markup("<th>{}</th>").format(_shown(column)) for column in table.columns)
    rows = Markup().join(Markup("<tr>{}</tr>").format(_cells(row)) for row in table.rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, rows)


def paragraphs(texts: Iterable[str]) -> Markup:
    """A paragraph for each text that is not empty."""
    return Markup().join(Markup("<p>{}</p>").format(_shown(text)) for text in texts if text)


def heading(text: str) -> Markup:
    """What stands above tables."""
    return Markup("<h4>{}</h4>").format(_shown(text))


def _cells(row: Iterable[Cell]) -> Markup:
    return Markup().join(
        Markup('<td title="{}">{}{}</td>').format(cell.full, _shown(cell.text), _under(cell.under)) for cell in row
    )


def _under(text: str) -> Markup:
    return Markup("<br><small>{}</small>").format(_shown(text)) if text else Markup()


def _shown(text: str) -> Markup:
    return escape(printable(text))
