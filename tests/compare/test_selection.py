"""What the best of many trials is worth: less than the value that it was chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from kag.compare.selection import chosen_among, selection, worth_told
from kag.errors import RecordError
from kag.names import Part
from kag.stats.scores import Scores
from kag.track.result import Selection
from tests.compare.scored_trials import scored, seeded, trial_of


def found_of(
    scores: list[Scores], kept: dict[int, Scores | str | None] | None = None, fields: Sequence[dict[str, Any]] = ()
) -> Selection | None:
    told = fields or [{}] * len(scores)
    trials = [trial_of(number, one, **told[number]) for number, one in enumerate(scores)]
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


def test_a_sweep_over_seeds_chooses_among_settings_by_their_means() -> None:
    """The best trial has a lucky seed of settings that are not the best; all of two settings times three seeds."""
    scores = [scored(number, noise=noise) for number, noise in enumerate((0.8, 1.0, 1.0, 0.7, 1.6, 1.6))]
    settings = [(seed, lr) for lr in (0.1, 0.2) for seed in range(3)]
    values = np.array([one.draws["auprc"].value for one in scores])
    means = values.reshape(2, 3).mean(axis=1)
    assert (values.argmax(), means.argmax()) == (3, 0), "the case that it is about"
    found = found_of(scores, fields=[seeded(*one) for one in settings])
    assert found is not None
    assert (found.kind, found.candidates, found.seeds) == ("settings", 2, 3)
    assert found.value == pytest.approx(means[0])
    assert found.expected == pytest.approx([means.mean(), means[0]])
    assert found.corrected is not None
    assert means[1] < found.corrected < means[0]
    assert next(worth_told(found)).startswith("the best of 2 settings by mean val AUPRC 0.")
    best_first, by_seed = chosen_among([trial_of(n, one, **seeded(*settings[n])) for n, one in enumerate(scores)])
    assert by_seed
    assert [one.runs[0].config["optimizer.lr"] for one in best_first] == [0.1, 0.2]


def test_trials_that_differ_in_the_seed_alone_were_not_chosen() -> None:
    scores = [scored(number) for number in range(3)]
    found = found_of(scores, fields=[seeded(seed, 0.1) for seed in range(3)])
    assert found is not None
    assert (found.candidates, found.corrected, found.tied) == (1, None, None)
    mean = np.mean([one.draws["auprc"].value for one in scores])
    assert list(worth_told(found)) == [
        f"mean val AUPRC {mean:.3f} over 3 seeds; nothing else differs, and a seed is no choice"
    ]


@pytest.mark.parametrize(
    ("tied", "foremost", "said"),
    [
        (1, 40, "a paired test tells the best of 40 trials from all others"),
        (37, 40, "37 of 40 trials cannot be told from the best: which of them is best is luck"),
        (12, 12, "12 or more of 40 trials cannot be told from the best: which of them is best is luck"),
    ],
)
def test_a_choice_among_equals_is_called_luck(tied: int, foremost: int, said: str) -> None:
    found = Selection(candidates=40, value=0.4, expected=(0.3,) * 40, corrected=0.35, tied=tied, foremost=foremost)
    assert said in list(worth_told(found))
    assert Selection.model_validate_json(found.model_dump_json()) == found
