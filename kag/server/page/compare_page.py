"""Runs side by side: their curves over one another, and the settings and numbers on which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from kag.changelog.diagnose import values_of, values_side_by_side
from kag.changelog.logged import Logged
from kag.compare.comparison import in_doubt, not_comparable
from kag.compare.verdict import sentences, verdicts
from kag.report.compare import compare_figures
from kag.report.curves import overlaid
from kag.report.figure import Figure
from kag.server.faults import Fault
from kag.server.page.drawn import drawn
from kag.server.page.held import Held
from kag.server.page.records import epochs_of, history
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.view.changes import differing_settings
from kag.view.metrics import Metric
from kag.view.results import absent, measured_column, side_by_side
from kag.view.words import labels

MOST = 20
"""Runs that are compared at once."""


def compare(site: Site, visit: Visit) -> Response:
    """The page.

    Raises:
        Fault: too many runs.
        NotFound: a run is not in the project.
    """
    names = list(dict.fromkeys(name for name in visit.query.get("runs", "").split(",") if name))
    if len(names) > MOST:
        raise Fault(f"at most {MOST} runs can be compared at once")
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        chosen = [shelf.run(name) for name in names]
        rows = [history(connection, run) for run in chosen]
        ledger = shelf.ledger()
        scored = shelf.drawn(site, connection, ledger)
    records = [ledger.record(run) for run in chosen]
    metrics = shelf.counted(ledger).metrics
    histories = map(epochs_of, chosen, rows)
    logged = [Logged(record, history, metrics) for record, history in zip(records, histories, strict=True)]
    called = labels(records, [run.short for run in chosen])
    return site.page(
        "compare.html",
        visit,
        shelf=shelf,
        section="runs",
        chosen=chosen,
        labels=called,
        others=[run for run in reversed(shelf.runs) if run not in chosen],
        results=_typed(records, metrics) | values_side_by_side(logged),
        settings=dict(differing_settings(records)),
        not_comparable=not_comparable(records),
        verdicts=sentences(verdicts(records, metrics, {one.record.id: values_of(one) for one in logged}, scored)),
        doubt=in_doubt(records),
        figures=[drawn(figure) for figure in _figures(chosen, dict(zip(called, rows, strict=True)))],
    )


def _typed(records: Sequence[RunRecord], metrics: Sequence[Metric]) -> dict[str, tuple[str, ...]]:
    """Results of the delivered weights, those left out that count as metrics of other programs."""
    told = {metric.name for metric in metrics if metric.value != "delivered"}
    return {key: _shown(key, records, found) for key, found in side_by_side(records).items() if key not in told}


def _shown(key: str, records: Sequence[RunRecord], found: Sequence[Result | None]) -> tuple[str, ...]:
    texts = measured_column(key, [one.value if one else None for one in found])
    split = key.partition("/")[0]
    told = zip(texts, records, found, strict=True)
    return tuple(text if one else absent(record, split) for text, record, one in told)


def _figures(chosen: Sequence[Held], logged: Mapping[str, Sequence[dict[str, Any]]]) -> Sequence[Figure]:
    if all(run.mirrored.by_kag for run in chosen):
        return compare_figures(
            {label: epochs_of(run, logged[label]) for label, run in zip(logged, chosen, strict=True)}
        )
    return overlaid(logged)
