"""The change log of a project, as `kag changelog --source wandb:entity/project` would write it, with links."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from kag.changelog.parts import FILES_SHOWN, parts_of
from kag.changelog.table import Choice, Row, table
from kag.server.faults import Fault
from kag.server.page.site import Shelf, Site
from kag.server.page.templates import path_of
from kag.server.page.visit import Visit

SHOWN = 250
"""Rows that are shown unless all are asked for."""


def changelog(site: Site, visit: Visit) -> Response:
    """The table, as far as it was chosen, the newest row first.

    Raises:
        Fault: a day that is none.
    """
    choice = _choice(visit)
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        ledger = shelf.ledger()
        siblings = shelf.watched.diagnoses.siblings(connection, ledger)
    words, found = ledger.words(), table(siblings, choice)
    first = 0 if visit.query.get("all") else max(0, len(found) - SHOWN)
    rows = [_shown(row, shelf, words) for row in reversed(found[first:])]
    return site.page(
        "changelog.html",
        visit,
        shelf=shelf,
        section="changelog",
        rows=rows,
        total=len(found),
        everything=f"?{urlencode({**visit.query, 'all': 1})}" if first else None,
        given={name: visit.query.get(name, "") for name in ("since", "until", "tag", "sweep")},
        tags=sorted({tag for record in ledger.records.values() for tag in record.tags}),
        sweeps=sorted({record.sweep for record in ledger.records.values() if record.sweep}),
    )


def _choice(visit: Visit) -> Choice:
    given = visit.query
    tags = (given["tag"],) if given.get("tag") else ()
    return Choice(_day(given.get("since")), _day(given.get("until")), tags, given.get("sweep") or None)


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Fault(f"{text!r} is no day; write 2025-10-17") from error


def _shown(row: Row, shelf: Shelf, words: dict[str, str]) -> dict[str, Any]:
    parts = parts_of(row, files=FILES_SHOWN)
    return {
        "row": row,
        "record": row.entry.record,
        "parts": parts,
        "searched": row.searched.get(row.entry.id, ""),
        "links": {
            one: shelf.root + path_of(*shelf.names, "runs", words[one])
            for one in (row.entry.id, *(t.run for t in parts.trials))
        },
    }
