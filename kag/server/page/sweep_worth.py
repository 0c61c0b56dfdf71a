"""What the best trial of a sweep is worth; a script of its page asks, since it takes seconds for hundreds of trials.

It is worked out by one request at a time and kept; whoever asks meanwhile is told to ask again, so that no more than
one thread of the server is at it for a project.
"""

from __future__ import annotations

from starlette.responses import Response

from kag.compare.selection import selection, worth_told
from kag.names import OBJECTIVE
from kag.server.page.responses import data
from kag.server.page.scores import Busy
from kag.server.page.site import Shelf, Site
from kag.server.page.sweep_pages import sweep_row
from kag.server.page.visit import Visit
from kag.server.sweeps import sweep_of, trials_of


def worth(site: Site, visit: Visit) -> Response:
    """The sentences beside the pictures; null while they are worked out."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        row = sweep_row(connection, shelf, visit.word)
        tried = trials_of(connection, row["id"])
        ledger = shelf.ledger()
        saved = shelf.saved(site, connection, ledger)
    metric = sweep_of(row["config"]).metric
    if metric is None or (metric.name, metric.goal) != (OBJECTIVE, "maximize"):
        return data({"worth": []})
    judged = {trial.run for trial in tried if trial.result is not None}
    runs = [(run, ledger.record(run)) for run in shelf.runs if run.name in judged]
    trials = {record.id: run for run, record in runs if record.results and not record.archived}
    made_of = tuple((run.number, run.changed, *saved.contents(one, "val")) for one, run in trials.items())
    judged_records = [ledger.records[one] for one in trials]
    found = shelf.watched.selections.of(made_of, lambda: selection(judged_records, saved.scores))
    return data({"worth": None if isinstance(found, Busy) else list(worth_told(found)) if found else []})
