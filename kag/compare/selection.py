"""What the best of many candidates is worth: it was chosen by the value that it is shown at, so that lies too high.

A corrected value (BBC-CV), how many candidates cannot be told from the best, and what the best of fewer would have
been: whether a longer search would find more. A sweep over seeds chooses among settings, by their means over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kag.compare.comparison import not_comparable
from kag.compare.replicates import over_seeds
from kag.errors import RecordError
from kag.names import OBJECTIVE
from kag.track.record import RunRecord
from kag.track.result import Selection
from kag.track.source import ScoresOf
from kag.view.results import headline, measured

if TYPE_CHECKING:
    from kag.stats.scores import Scores
    from kag.stats.selection import Bagged

LOOKED_AT = 100
"""Best candidates that are drawn anew; one below them is hardly ever the best of a resample."""

Step = Callable[[int, int], None]
"""Told how many of how many candidates were drawn anew."""


class Settings(NamedTuple):
    """What a choice falls on: a trial, or all that differ in the seed alone."""

    runs: tuple[RunRecord, ...]
    """One of each seed."""
    value: float
    """Mean over the seeds."""


def selection(trials: Sequence[RunRecord], scores_of: ScoresOf) -> Selection | None:
    """What the best of these trials is worth, by val AUPRC of what they deliver.

    None if there was nothing to choose from, or they must not be compared.
    """
    best_first, by_seed = chosen_among(trials)
    if not best_first or (len(best_first) < 2 and not by_seed):
        return None
    if not_comparable([run for one in best_first for run in one.runs]):
        return None
    found = Selection(
        kind="settings" if by_seed else "trials",
        candidates=len(best_first),
        value=best_first[0].value,
        expected=_expected([one.value for one in best_first]),
        seeds=len(best_first[0].runs),
    )
    if found.candidates < 2:
        return found
    drawn = drawn_of(most_promising(best_first), scores_of)
    return found.model_copy(update={"untested": drawn} if isinstance(drawn, str) else _tested(found, drawn))


def chosen_among(trials: Sequence[RunRecord]) -> tuple[list[Settings], bool]:
    """What the choice among trials falls on, best first; and whether these are settings with several seeds."""
    groups = over_seeds(trials)
    if groups:
        told = [one.counted(_value) for one in groups]
        found = [Settings(tuple(run for run, _ in one), math.fsum(v for _, v in one) / len(one)) for one in told if one]
    else:
        values = ((trial, _value(trial)) for trial in trials)
        found = [Settings((trial,), value) for trial, value in values if value is not None]
    return sorted(found, key=lambda one: -one.value), bool(groups)


def of_weights(
    values: Sequence[float],
    best: float,
    foremost: Iterable[Bagged],
    *,
    total: int,
    step: Step = lambda done, total: None,
) -> Selection | None:
    """What the best of many weights that no training made is worth; None where there was no choice.

    Args:
        values: of all candidates.
        best: the value of the one that is kept, which is corrected by what the choice adds to the best of `foremost`.
        foremost: what the best of them score, `LOOKED_AT` at most.
        total: how many that are.
        step: told after each of them.
    """
    if len(values) < 2:
        return None
    drawn = []
    for done, one in enumerate(foremost, start=1):
        drawn.append((one,))
        step(done, total)
    found = Selection(kind="candidates", candidates=len(values), value=best, expected=_expected(values))
    return found.model_copy(update=_tested(found, drawn))


def worth_told(found: Selection) -> Iterator[str]:
    """What a best is worth in words, one after another."""
    if found.seeds > 1 or found.kind == "settings":
        yield _over_seeds(found)
    if found.corrected is not None:
        yield f"{measured(OBJECTIVE, found.corrected)} corrected for having been chosen (BBC-CV)"
    if found.tied is not None:
        yield _ties(found)
    if found.untested is not None:
        yield f"not corrected: {found.untested}"
    if (half := found.candidates // 2) > 1:
        yield f"the best of {half} would be {measured(OBJECTIVE, found.expected[half - 1])} on average"


def _over_seeds(found: Selection) -> str:
    mean = f"mean val AUPRC {measured(OBJECTIVE, found.value)} over {found.seeds} seed{'s' if found.seeds > 1 else ''}"
    if found.candidates == 1:
        return f"{mean}; nothing else differs, and a seed is no choice"
    return f"the best of {found.candidates} settings by {mean}"


def _ties(found: Selection) -> str:
    if found.tied == 1:
        return f"a paired test tells the best of {found.candidates} {found.kind} from all others"
    cut = found.tied == found.foremost and found.foremost != found.candidates
    tied = f"{found.tied} or more" if cut else str(found.tied)
    luck = "which of them is best is luck"
    return f"{tied} of {found.candidates} {found.kind} cannot be told from the best: {luck}"


def _value(trial: RunRecord) -> float | None:
    result = headline(trial, "val")
    return None if result is None else result.value


def _expected(values: Sequence[float]) -> tuple[float, ...]:
    from kag.stats.selection import expected_best

    return tuple(map(float, expected_best(values)))


def most_promising(best_first: Sequence[Settings]) -> list[Settings]:
    """The best ones, as many as are worth reading the scores of; two at least."""
    found: list[Settings] = []
    for one in best_first:
        if len(found) >= 2 and sum(len(each.runs) for each in found) + len(one.runs) > LOOKED_AT:
            break
        found.append(one)
    return found


def drawn_of(best_first: Sequence[Settings], scores_of: ScoresOf) -> list[list[Bagged]] | str:
    """What each run scored on val, in the bags; or why that is not known of all, or not of the same examples.

    Scores are read one after another: those of a hundred runs on a large split would fill the memory.
    """
    from kag.stats.selection import bagged

    found: list[list[Bagged]] = []
    examples: set[str] = set()
    for one in best_first:
        found.append([])
        for trial in one.runs:
            scores = _scores_of(trial, scores_of)
            if isinstance(scores, str):
                return scores
            examples.add(scores.examples_digest)
            if len(examples) > 1:
                return "they scored other examples"
            assert scores.label_N is not None
            found[-1].append(bagged(scores.value_N, scores.label_N, scores.unit_N, "auprc"))
    return found


def _scores_of(trial: RunRecord, scores_of: ScoresOf) -> Scores | str:
    """What a run scored on val, where these are the scores of its number."""
    try:
        scores = scores_of(trial.id, "val")
    except RecordError as error:
        return f"the scores of {trial.id} cannot be read: {error}"
    result = headline(trial, "val")
    if scores is None or scores.label_N is None or result is None:
        return f"{trial.id} kept no scores of val"
    if scores.weights_digest != result.weights_digest:
        return f"the scores that {trial.id} kept are of other weights than its number"
    return scores


def _tested(found: Selection, drawn: Sequence[Sequence[Bagged]]) -> dict[str, float | int | str | None]:
    from kag.stats.selection import bbc_cv, mean_of, tied_with_best

    means = [mean_of(group) for group in drawn]
    if any(math.isnan(one.resampled.value) for one in means):
        return {"untested": "val has no positive"}
    chosen = bbc_cv(means)
    inside = [[one.resampled for one in group] for group in drawn]
    corrected = None if math.isnan(chosen.corrected) else found.value - (chosen.value - chosen.corrected)
    tied = tied_with_best(inside, candidates=found.candidates)
    return {"corrected": corrected, "tied": tied, "foremost": len(drawn)}
