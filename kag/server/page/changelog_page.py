"""The change log of a project, as `kag changelog --source wandb:entity/project` would write it, with links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from kag.changelog.columns import legend
from kag.changelog.parts import FILES_SHOWN, best_of, parts_of
from kag.changelog.table import Row, table
from kag.compare.wording import seeds_listed
from kag.errors import UserError
from kag.server.faults import Fault
from kag.server.page.responses import moved
from kag.server.page.site import Shelf, Site
from kag.server.page.sweep_worth import HeldWorth
from kag.server.page.templates import path_of
from kag.server.page.visit import Visit
from kag.server.rights import Act, Thing, ask, refusal
from kag.server.store import updated
from kag.server.tables import projects
from kag.text import printable
from kag.track.record import RunRecord
from kag.view.alike import require_seeds
from kag.view.changes import varied
from kag.view.choice import Choice, archived_text
from kag.view.looks import looks_told
from kag.view.metrics import canonical, chosen

SHOWN = 250
"""Rows that are shown unless all are asked for."""

MOST_METRICS = 8
"""Metrics that a project keeps."""


def changelog(site: Site, visit: Visit) -> Response:
    """The table, as far as it was chosen, the newest row first.

    Raises:
        Fault: a day that is none, a seed that no run has.
    """
    choice = _choice(visit)
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        ledger = shelf.ledger()
        counted = shelf.counted(ledger)
        worth = HeldWorth(shelf.watched.selections, ledger, shelf.saved(site, connection, ledger))
        siblings = shelf.watched.diagnoses.siblings(
            connection, ledger, counted.metrics, shelf.drawn(site, connection, ledger), worth
        )
    seeds = _seeds(visit, list(ledger.records.values()))
    words, found = ledger.words(), table(replace(siblings, seed_keys=seeds), choice)
    first = 0 if visit.query.get("all") else max(0, len(found) - SHOWN)
    rows = [_shown(row, shelf, words, worth) for row in reversed(found[first:])]
    return site.page(
        "changelog.html",
        visit,
        shelf=shelf,
        section="changelog",
        rows=rows,
        total=len(found),
        headings=[printable(metric.heading) for metric in counted.metrics],
        legend=legend(counted.metrics),
        trouble=counted.trouble,
        asked=shelf.row["changelog_metrics"] or "",
        may_ask=refusal(visit.key, Act.MAKE, _thing(shelf.names)) is None,
        looks=looks_told(ledger.records.values()),
        archived=archived_text(sum(map(choice.hides, ledger.records.values())), have="row"),
        with_archived=f"?{urlencode({**visit.query, 'archived': 1})}",
        everything=f"?{urlencode({**visit.query, 'all': 1})}" if first else None,
        given={name: visit.query.get(name, "") for name in ("since", "until", "tag", "sweep", "archived", "seed-key")},
        seeds=_may_be_seeds(list(ledger.records.values()), seeds),
        tags=sorted({tag for record in ledger.records.values() for tag in record.tags}),
        sweeps=sorted({record.sweep for record in ledger.records.values() if record.sweep}),
    )


def set_metrics(site: Site, visit: Visit) -> Response:
    """Keep which metrics the change log shows, a line each; none where kag is to choose.

    Raises:
        Fault: there are too many, no run has one of them, or the key may not.
    """
    lines = [line.strip() for line in visit.form.get("metrics", "").splitlines()]
    words = list(dict.fromkeys(canonical(line) for line in lines if line))
    if len(words) > MOST_METRICS:
        raise Fault(f"a change log shows at most {MOST_METRICS} metrics")
    with site.store.write() as connection:
        shelf = Shelf.of(site, connection, visit)
        ask(visit.key, Act.MAKE, _thing(shelf.names))
        try:
            chosen(shelf.ledger().records.values(), words)
        except UserError as error:
            raise Fault(str(error)) from error
        updated(connection, projects, shelf.row["id"], {"changelog_metrics": "\n".join(words) or None})
    return moved(site.address(*shelf.names, "changelog"))


def _thing(project: tuple[str, str]) -> Thing:
    return Thing("the change log of this project", project)


def _choice(visit: Visit) -> Choice:
    given = visit.query
    tags = (given["tag"],) if given.get("tag") else ()
    days = _day(given.get("since")), _day(given.get("until"))
    return Choice(*days, tags, given.get("sweep") or None, bool(given.get("archived")))


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Fault(f"{text!r} is no day; write 2025-10-17") from error


def _seeds(visit: Visit, records: Sequence[RunRecord]) -> tuple[str, ...]:
    """The setting that a reader says is the seed of other programs: `--seed-key` of the commands."""
    asked = (visit.query["seed-key"],) if visit.query.get("seed-key") else ()
    try:
        require_seeds(asked, records)
    except UserError as error:
        raise Fault(str(error)) from error
    return asked


def _may_be_seeds(records: Sequence[RunRecord], asked: Sequence[str]) -> list[str]:
    """The settings on which runs of other programs differ; kag knows which one is its own seed."""
    foreign = [record.config for record in records if record.is_foreign]
    return sorted({*varied(foreign, partial=True), *asked})


def _shown(row: Row, shelf: Shelf, words: dict[str, str], worth: HeldWorth) -> dict[str, Any]:
    # The page of a sweep says it of all its trials together.
    whole = bool(row.trials) and not row.data and not row.entry.record.is_foreign
    parts = parts_of(row, files=FILES_SHOWN)
    return {
        "row": row,
        "record": row.entry.record,
        "parts": parts,
        "searched": row.searched.get(row.entry.id, ""),
        "best_of": best_of(row),
        "is_open": whole and worth.is_open([entry.record for entry in row.runs]),
        "replicates": seeds_listed(row.group.alike.by_seed) if row.group else "",
        "links": {one.id: shelf.root + path_of(*shelf.names, "runs", words[one.id]) for one in row.runs},
    }
