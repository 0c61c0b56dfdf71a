"""What the best of many trials is worth: it was chosen by the value that it is shown at, so that lies too high.

A corrected value (BBC-CV), how many trials cannot be told from the best, and what the best of fewer trials would have
been: whether a longer search would find more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kag.compare.comparison import not_comparable
from kag.errors import RecordError
from kag.names import OBJECTIVE
from kag.track.record import RunRecord
from kag.track.source import ScoresOf
from kag.view.results import headline, measured

if TYPE_CHECKING:
    from kag.stats.scores import Scores

LOOKED_AT = 100
"""Best trials that are drawn anew; one below them is hardly ever the best of a resample."""


@dataclass(frozen=True)
class Selection:
    """The best of several trials by val AUPRC."""

    trials: int
    """That have a value."""
    value: float
    """Of the best."""
    expected: tuple[float, ...]
    """What the best of n of them is on average, for n = 1 ... trials."""
    corrected: float | None = None
    """What a best chosen so would score on proteins that had no part in the choice."""
    tied: int | None = None
    """Trials that a paired test cannot tell from the best, itself among them."""
    untested: str | None = None
    """Why the last two are not known."""

    @property
    def sentences(self) -> Iterator[str]:
        """The same in words, one after another."""
        if self.corrected is not None:
            yield f"{measured(OBJECTIVE, self.corrected)} corrected for having been chosen (BBC-CV)"
        if self.tied is not None:
            yield f"{self.tied} of {self.trials} trials cannot be told from the best"
        if self.untested is not None:
            yield f"not corrected: {self.untested}"
        if (half := self.trials // 2) > 0:
            yield f"the best of {half} would be {measured(OBJECTIVE, self.expected[half - 1])} on average"


def selection(trials: Sequence[RunRecord], scores_of: ScoresOf) -> Selection | None:
    """What the best of these trials is worth, by val AUPRC of what they deliver.

    None if fewer than two have it, or they must not be compared.
    """
    from kag.stats.selection import expected_best

    results = {trial.id: found for trial in trials if (found := headline(trial, "val")) is not None}
    if len(results) < 2 or not_comparable([one for one in trials if one.id in results]):
        return None
    best_first = sorted((one for one in trials if one.id in results), key=lambda one: -results[one.id].value)
    values = [results[one.id].value for one in best_first]
    expected = tuple(map(float, expected_best(values)))
    known = _scores(best_first[:LOOKED_AT], scores_of)
    if isinstance(known, str):
        return Selection(len(values), values[0], expected, untested=known)
    corrected, tied = _tested(known)
    return Selection(len(values), values[0], expected, corrected, tied)


def _scores(trials: Iterable[RunRecord], scores_of: ScoresOf) -> list[Scores] | str:
    """What each of them scored on val; or why that is not known of all, or not of the same examples."""
    found: list[Scores] = []
    for trial in trials:
        try:
            scores = scores_of(trial.id, "val")
        except RecordError as error:
            return f"the scores of {trial.id} cannot be read: {error}"
        result = headline(trial, "val")
        if scores is None or scores.label_N is None or result is None:
            return f"{trial.id} kept no scores of val"
        if scores.weights_digest != result.weights_digest:
            return f"the scores that {trial.id} kept are of other weights than its number"
        found.append(scores)
    if len({one.examples_digest for one in found}) > 1:
        return "they scored other examples"
    if len({one.clusters_digest for one in found}) > 1:
        return "they scored the same examples in other clusters"
    return found


def _tested(known: Sequence[Scores]) -> tuple[float | None, int]:
    from kag.stats.selection import bbc_cv, tied_with_best

    first = known[0]
    assert first.label_N is not None
    chosen = bbc_cv((one.value_N for one in known), first.label_N, first.unit_N, "auprc")
    tied = tied_with_best([one.draws["auprc"] for one in known])
    return None if math.isnan(chosen.corrected) else chosen.corrected, tied
