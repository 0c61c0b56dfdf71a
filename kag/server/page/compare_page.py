"""Runs side by side: their curves over one another, and the settings and numbers on which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from kag.changelog.diagnose import values_of
from kag.changelog.logged import Logged
from kag.compare.comparison import in_doubt, not_comparable
from kag.compare.judge import sentences, verdicts
from kag.compare.replicates import Replicates
from kag.compare.spreads import Spreads, chosen_of, spreads_table
from kag.report.compare import compare_figures
from kag.report.curves import overlaid
from kag.report.differences import against_first, differences_of, seeds_overlaid
from kag.report.figure import Chart
from kag.report.score_figures import Pictured
from kag.server.faults import Fault
from kag.server.page.columns import catalogue
from kag.server.page.compare_keys import Compared, chosen_rows
from kag.server.page.compare_rows import side_by_side_rows, tested_rows
from kag.server.page.drawn import drawn, shown
from kag.server.page.held import Held
from kag.server.page.records import Ledger, epochs_of, history
from kag.server.page.responses import data
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.track.record import RunRecord
from kag.view.changes import differing_settings
from kag.view.colour import colours_of
from kag.view.words import labels

MOST = 200
"""Runs that are compared at once."""

DRAWN = 8_000
"""Points that the curves of a chart have together."""


def compare(site: Site, visit: Visit) -> Response:
    """The page.

    Raises:
        Fault: too many runs.
        NotFound: a run is not in the project.
    """
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        chosen = _chosen(shelf, visit)
        rows = [history(connection, run) for run in chosen]
        ledger = shelf.ledger()
        scored = shelf.drawn(site, connection, ledger)
    records = [ledger.record(run) for run in chosen]
    metrics = shelf.counted(ledger).metrics
    histories = map(epochs_of, chosen, rows)
    logged = [Logged(record, history, metrics) for record, history in zip(records, histories, strict=True)]
    called = labels(records, [run.short for run in chosen], settings_first=True)
    values = {one.record.id: values_of(one) for one in logged}
    standard = Compared(side_by_side_rows(records, metrics, values), dict(differing_settings(records)))
    compared = chosen_rows(visit.query.get("keys", ""), standard, chosen, records)
    spreads = Spreads(_groups(shelf, ledger, records, visit), tuple(metrics), values)
    figures = _figures(chosen, records, rows, spreads.found)
    return site.page(
        "compare.html",
        visit,
        shelf=shelf,
        section="runs",
        chosen=chosen,
        labels=called,
        colours=_colours(records, spreads.found),
        others=[run for run in reversed(shelf.runs) if run not in chosen],
        compared=compared,
        rows={"standard": standard.words, "shown": compared.words},
        keys="" if compared is standard else visit.query["keys"],
        not_comparable=not_comparable(records),
        verdicts=sentences(verdicts(records, spreads.found, metrics, values, scored)),
        doubt=in_doubt(records),
        groups=spreads_table(spreads) if spreads.several else None,
        apart=_apart(visit),
        averaged=any(line.dashed for figure in figures for line in figure.lines),
        figures=[drawn(figure, max(40, DRAWN // len(chosen))) for figure in figures],
    )


def differences(site: Site, visit: Visit) -> Response:
    """By how much the scores of the runs differ, of the replicates among them as groups.

    With `catalogue` it is told which last values and settings the runs have.
    """
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        chosen = _chosen(shelf, visit)
        if visit.query.get("catalogue"):
            return data(catalogue(chosen))
        ledger = shelf.ledger()
        scored = shelf.scored(site, connection, ledger)
    groups = _groups(shelf, ledger, [ledger.record(run) for run in chosen], visit)
    if len(groups) < 2:
        return data(shown(Pictured()))
    against = against_first(groups, scored.drawn)
    return data(shown(differences_of(groups, scored, against)) | {"tested": tested_rows(against, ledger.words())})


def _chosen(shelf: Shelf, visit: Visit) -> list[Held]:
    names = list(dict.fromkeys(name for name in visit.query.get("runs", "").split(",") if name))
    if len(names) > MOST:
        raise Fault(f"at most {MOST} runs can be compared at once")
    return [shelf.run(name) for name in names]


def _apart(visit: Visit) -> bool:
    """Whether each seed is to stand by itself."""
    return visit.query.get("seeds") == "apart"


def _groups(shelf: Shelf, ledger: Ledger, records: Sequence[RunRecord], visit: Visit) -> tuple[Replicates, ...]:
    """The runs, those together that differ in the seed alone, in the order in which they were chosen."""
    if _apart(visit):
        return tuple(Replicates((record,)) for record in records)
    return chosen_of(shelf.replicates(ledger), records, newest=False)


def _colours(records: Sequence[RunRecord], groups: Sequence[Replicates]) -> list[int]:
    """The place of each run's colour: that of its group."""
    found = zip(groups, colours_of(group.runs[0].id for group in groups), strict=True)
    places = {record.id: place for group, place in found for record in group.runs}
    return [places[record.id] for record in records]


def _figures(
    chosen: Sequence[Held],
    records: Sequence[RunRecord],
    rows: Sequence[list[dict[str, Any]]],
    groups: Sequence[Replicates],
) -> Sequence[Chart]:
    by_kag = all(run.mirrored.by_kag for run in chosen)
    logged = map(epochs_of, chosen, rows) if by_kag else rows
    known = {record.id: some for record, some in zip(records, logged, strict=True)}
    names = {record.id: run.short for record, run in zip(records, chosen, strict=True)}
    return seeds_overlaid(groups, known, compare_figures if by_kag else overlaid, names, most=MOST)
