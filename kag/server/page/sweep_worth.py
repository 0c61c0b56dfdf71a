"""What the best trial of a sweep is worth; a script of its page asks, since it takes seconds for hundreds of trials.

It is worked out by one request at a time and kept; whoever asks meanwhile is told to ask again, so that no more than
one thread of the server is at it for a project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from kag.changelog.selections import is_told
from kag.compare.selection import selection, worth_told
from kag.names import OBJECTIVE
from kag.server.page.records import Ledger
from kag.server.page.responses import data
from kag.server.page.saved_scores import SavedScores
from kag.server.page.scores import Busy, KeptSelections, MadeOf
from kag.server.page.searched import sweep_row
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.sweeps import sweep_of
from kag.server.trials import trials_of
from kag.track.record import RunRecord
from kag.track.result import Selection


@dataclass(frozen=True)
class HeldWorth:
    """What the best trials of sweeps are worth, as far as somebody has asked before: nothing is worked out here."""

    kept: KeptSelections
    ledger: Ledger
    saved: SavedScores

    def __call__(self, trials: Sequence[RunRecord]) -> Selection | None:
        """What the best of them is worth; None too where nobody has asked."""
        found = self._known(trials) if self._is_told(trials) else None
        return None if isinstance(found, Busy) else found

    def is_open(self, trials: Sequence[RunRecord]) -> bool:
        """Whether the page of their sweep has something to say that nobody has asked for."""
        objective = self.ledger.runs[trials[0].id].objective
        asked = objective is not None and (objective.metric, objective.goal) == (OBJECTIVE, "max")
        return asked and self._is_told(trials) and isinstance(self._known(trials), Busy)

    def _is_told(self, trials: Sequence[RunRecord]) -> bool:
        return is_told(trials, lambda run: bool(self.saved.contents(run, "val")))

    def _known(self, trials: Sequence[RunRecord]) -> Selection | Busy | None:
        return self.kept.known(_made_of(_counted(trials), self.ledger, self.saved))


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
    trials = _counted([record for _, record in runs])
    made_of = _made_of(trials, ledger, saved)
    found = shelf.watched.selections.of(made_of, lambda: selection(trials, saved.scores))
    return data({"worth": None if isinstance(found, Busy) else list(worth_told(found)) if found else []})


def _counted(trials: Sequence[RunRecord]) -> list[RunRecord]:
    """Those that have results and are not archived."""
    return [record for record in trials if record.results and not record.archived]


def _made_of(trials: Sequence[RunRecord], ledger: Ledger, saved: SavedScores) -> MadeOf:
    runs = sorted((ledger.runs[record.id].number, record.id) for record in trials)
    return tuple((number, ledger.runs[run].changed, *saved.contents(run, "val")) for number, run in runs)
