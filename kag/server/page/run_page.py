"""The page of a run: what it is, what came out, how it went, what the rules say, and what a person writes about it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from kag.changelog.diagnose import diagnose, values_of
from kag.changelog.logged import Logged
from kag.changelog.one_of_seeds import one_of_seeds
from kag.compare.comparison import against_parent
from kag.report.curves import curves
from kag.report.differences import pictures_beside
from kag.report.figure import Figure, as_json
from kag.report.lineage import lineage_figure
from kag.report.run_figures import run_figures
from kag.report.score_figures import Pictured, run_pictures
from kag.server.console import read_line
from kag.server.faults import Fault, NotFound
from kag.server.page.compare_page import MOST
from kag.server.page.drawn import drawn, shown
from kag.server.page.held import Held
from kag.server.page.records import epochs_of, history
from kag.server.page.responses import data, moved, nothing_new
from kag.server.page.site import Shelf, Site
from kag.server.page.tabs import tabs_of
from kag.server.page.visit import Visit
from kag.server.rights import Act, ask, refusal
from kag.server.runs import edit_run, find_run, tail
from kag.server.tables import OUTPUT
from kag.server.things import run_thing
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.view.changes import change_texts
from kag.view.results import Measured, by_file, by_weights, metrics_of

LOG_LINES = 200
"""Lines of the console that are shown."""


def run(site: Site, visit: Visit) -> Response:
    """The page without its curves, which a script fetches."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = shelf.run(visit.word)
        ledger = shelf.ledger()
        record = ledger.record(found)
        parent = ledger.parent(record)
        tabs = tabs_of(connection, found)
        may_edit = refusal(visit.key, Act.CHANGE, run_thing(connection, found.row)) is None
    return site.page(
        "run.html",
        visit,
        shelf=shelf,
        section="runs",
        run=found,
        record=record,
        parent=parent,
        parent_run=ledger.runs[parent.id] if parent else None,
        changes={one.key: change_texts(one) for one in against_parent(parent, record).settings} if parent else {},
        tabs=tabs,
        tab="",
        may_edit=may_edit,
        notes_digest=_digest(found.row["notes"] or ""),
        facts=site.text("facts.html", run=found, record=record, values={}),
        results=_results(site, found, record),
    )


def course(site: Site, visit: Visit) -> Response:
    """Curves, results and the end of the console, unless nothing is new."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = shelf.run(visit.word)
        version = f"{found.changed}-{found.state}"
        if visit.query.get("seen") == version:
            return nothing_new()
        rows = history(connection, found)
        log = tail(connection, found.number, OUTPUT, LOG_LINES)
    ledger = shelf.ledger()
    record = ledger.record(found)
    values = values_of(Logged(record, epochs_of(found, rows), shelf.counted(ledger).metrics))
    return data(
        {
            "seen": version,
            "state": found.state,
            "facts": site.text("facts.html", run=found, record=record, values=values),
            "results": _results(site, found, record),
            "log": "".join(f"{read_line(0, line).text}\n" for line in log),
            "rows": len(rows),
            "figures": [drawn(figure) for figure in _figures(found, record, rows)],
        }
    )


def findings(site: Site, visit: Visit) -> Response:
    """What the rules say of the run among the others, what its replicates come to, and where its weights came from."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = shelf.run(visit.word)
        ledger = shelf.ledger()
        metrics = shelf.counted(ledger).metrics
        siblings = shelf.watched.diagnoses.siblings(connection, ledger, metrics, shelf.drawn(site, connection, ledger))
    record = ledger.record(found)
    entry = siblings.by_id[record.id]
    said, among = diagnose(entry, siblings), one_of_seeds(entry, siblings)
    seeds = [ledger.runs[one].name for one in among.runs[:MOST]] if among else []
    graph = lineage_figure(ledger.records.values(), record.id, lambda one: shelf.address(ledger.runs[one]))
    return data(
        {
            "findings": site.text(
                "findings.html", findings=said, trouble=found.trouble, among=among, seeds=seeds, path=shelf.path
            ),
            "lineage": None if graph is None else as_json(graph),
        }
    )


def scores(site: Site, visit: Visit) -> Response:
    """What its scores look like, and by how much they differ from those of the run that it is compared with."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = shelf.run(visit.word)
        ledger = shelf.ledger()
        scored = shelf.scored(site, connection, ledger)
    record = ledger.record(found)
    parent = ledger.parent(record)
    beside = pictures_beside(parent, record, scored) if parent else Pictured()
    return data({"own": shown(run_pictures(record, scored.profiled)), "beside": shown(beside)})


def write_notes(site: Site, visit: Visit) -> Response:
    """Keep what a person wrote, where W&B's client and the change log read it.

    Raises:
        Fault: somebody else has changed the notes meanwhile, or the key may not.
        NotFound: no such run.
    """
    text = visit.form.get("notes", "").replace("\r\n", "\n").strip()
    with site.store.write() as connection:
        found = find_run(connection, visit.project(connection)["id"], visit.word, lock=True)
        if found is None:
            raise NotFound(f"no run {visit.word!r} in {visit.entity}/{visit.name}")
        ask(visit.key, Act.CHANGE, run_thing(connection, found))
        kept = found["notes"] or ""
        if visit.form.get("before") != _digest(kept) and text != kept:
            both = f"There is now:\n{kept}\n\nYou wrote:\n{text}"
            raise Fault(f"these notes were changed meanwhile; nothing was written.\n\n{both}", status=409)
        edit_run(connection, found["id"], {"notes": text})
    return moved(f"{site.address(visit.entity, visit.name, 'runs', visit.word)}#notes")


def _results(site: Site, found: Held, record: RunRecord) -> str:
    (columns, metrics), external = _matrix(record.results), by_file(record)
    return site.text(
        "results.html",
        run=found,
        record=record,
        columns=columns,
        metrics=metrics,
        external={file: _matrix(results) for file, results in external.items()},
    )


def _matrix(results: Sequence[Result]) -> tuple[list[Measured], list[str]]:
    """Columns and rows of a table of results."""
    columns = by_weights(results)
    return columns, metrics_of(columns)


def _figures(found: Held, record: RunRecord, rows: Sequence[dict[str, Any]]) -> Sequence[Figure]:
    return run_figures(record, epochs_of(found, rows)) if found.mirrored.by_kag else curves(rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
