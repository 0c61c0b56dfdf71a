"""What the best of many trials is worth: less than the value that it was chosen by."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kag.compare.selection import selection, worth_told
from kag.errors import RecordError
from kag.names import Part
from kag.stats.bootstrap import metric_draws
from kag.stats.scores import Scores
from kag.track.record import RunRecord
from kag.track.result import Selection
from tests.changelog.run_logs import run_record, run_result

PROTEINS, POINTS = 12, 30
GROUPS = tuple(f"p{number:02}" for number in range(PROTEINS))


def scored(trial: int, *, noise: float = 1.0, examples: int = 0) -> Scores:
    """Equal trials: the same signal, and luck of each one's own."""
    known = np.random.default_rng(examples)
    group_N = np.repeat(np.arange(PROTEINS), POINTS)
    label_N = known.random(PROTEINS * POINTS) < 0.2
    luck_N = np.random.default_rng(100 + trial).normal(size=len(label_N)) * noise
    logit_N = (label_N + luck_N).astype(np.float32)
    found = Scores("val", logit_N, label_N, group_N, GROUPS, 0.0, weights(trial), "d" * 64)
    return found.keeping(metric_draws(logit_N, label_N, group_N, 0.0, samples=50))


def weights(trial: int) -> str:
    return f"{trial:064x}"


def trial_of(number: int, scores: Scores) -> RunRecord:
    result = run_result("val", scores.draws["auprc"].value, weights_digest=weights(number))
    return run_record(number, f"t{number}", results=(result,), data_digest="d" * 64, sweep="s")


def found_of(scores: list[Scores], kept: dict[int, Scores | str | None] | None = None) -> Selection | None:
    trials = [trial_of(number, one) for number, one in enumerate(scores)]
    known = {trial.id: (kept or {}).get(number, scores[number]) for number, trial in enumerate(trials)}

    def scores_of(run: str, split: Part) -> Scores | None:
        one = known[run]
        if isinstance(one, str):
            raise RecordError(one, where=run)
        return one

    return selection(trials, scores_of)


def test_the_best_of_equal_trials_is_corrected_downwards_and_all_tie_with_it() -> None:
    scores = [scored(number) for number in range(8)]
    values = [one.draws["auprc"].value for one in scores]
    found = found_of(scores)
    assert found is not None
    assert (found.candidates, found.value) == (8, max(values))
    assert found.corrected is not None
    assert np.mean(values) - 0.05 < found.corrected < max(values)
    assert found.tied == 8
    assert found.expected[-1] == pytest.approx(max(values))
    assert found.expected[3] == pytest.approx(np.mean([max(some) for some in combinations(values, 4)]))
    said = list(worth_told(found))
    assert said[0].endswith("corrected for having been chosen (BBC-CV)")
    assert said[1] == "8 of 8 trials cannot be told from the best: which of them is best is luck"
    assert said[2].startswith("the best of 4 would be 0.")


def test_a_trial_that_is_far_better_ties_with_none() -> None:
    found = found_of([scored(0, noise=0.1), *(scored(number, noise=3.0) for number in range(1, 5))])
    assert found is not None
    assert found.tied == 1
    assert found.corrected == pytest.approx(found.value, abs=0.02)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "kept no scores of val"),
        ("is damaged", "cannot be read: "),
        (scored(0), "are of other weights than its number"),
    ],
)
def test_what_is_not_known_of_a_trial_is_said_and_nothing_is_corrected(kept: Scores | str | None, why: str) -> None:
    found = found_of([scored(number) for number in range(3)], {1: kept})
    assert found is not None
    assert (found.corrected, found.tied) == (None, None)
    assert why in str(found.untested)
    assert len(found.expected) == 3, "the values alone tell it"


def test_other_examples_are_no_common_ground() -> None:
    found = found_of([scored(0), scored(1, examples=7)])
    assert found is not None
    assert found.untested == "they scored other examples"


def test_one_trial_was_not_chosen_and_other_data_are_not_compared() -> None:
    assert found_of([scored(0)]) is None
    trials = [trial_of(number, scored(number)) for number in range(2)]
    other = trials[1].model_copy(update={"data_digest": "e" * 64})
    assert selection([trials[0], other], lambda run, split: None) is None
