"""What pictures need of scores: every number against its definition, worked out the long way."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.errors import Diverged
from kag.stats import metrics
from kag.stats.profile import BINS, SMALLEST_BIN, STRETCHES, outline, profile_of, reliability
from kag.stats.scores import Scores
from tests.track.made_scores import made_scores

EXAMPLES = st.lists(
    st.tuples(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0]) | st.floats(-9, 9, width=32), st.booleans()),
    min_size=1,
    max_size=60,
)


def arrays(examples: list[tuple[float, bool]]) -> tuple[Any, Any]:
    value_N, label_N = zip(*examples, strict=True)
    return np.array(value_N, dtype=np.float32), np.array(label_N)


def all_points(value_N: Any, label_N: Any) -> list[tuple[float, float]]:
    """Recall and precision at every threshold, by counting."""
    found = []
    for threshold in sorted(set(value_N.tolist()), reverse=True):
        predicted_N = value_N >= threshold
        true = int((predicted_N & label_N).sum())
        found.append((true / int(label_N.sum()), true / int(predicted_N.sum())))
    return found


def average_precision(value_N: Any, label_N: Any) -> float:
    """The sum over thresholds of the rise in recall times the precision."""
    points = [(0.0, 0.0), *all_points(value_N, label_N)]
    return sum((recall - before) * precision for (before, _), (recall, precision) in pairwise(points))


@given(EXAMPLES)
def test_an_outline_has_the_extremes_of_the_curve_and_nothing_beside_it(examples: list[tuple[float, bool]]) -> None:
    value_N, label_N = arrays([*examples, (0.0, True)])
    whole = all_points(value_N, label_N)
    recall_C, precision_C = outline(metrics.curve(value_N, label_N))
    drawn = list(zip(recall_C.tolist(), precision_C.tolist(), strict=True))
    assert drawn[0] == (0.0, whole[0][1])
    assert set(drawn[1:]) <= set(whole)
    assert (drawn[1], drawn[-1]) == (whole[0], whole[-1])
    assert extremes(drawn[1:]) == extremes(whole)


def extremes(points: list[tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Lowest and highest precision of each stretch of recall."""
    found: dict[int, list[float]] = {}
    for recall, precision in points:
        found.setdefault(min(int(recall * STRETCHES), STRETCHES - 1), []).append(precision)
    return {stretch: (min(some), max(some)) for stretch, some in found.items()}


def test_an_outline_of_many_scores_is_short() -> None:
    generator = np.random.default_rng(0)
    label_N = generator.random(50_000) < 0.03
    value_N = generator.normal(size=50_000) + 2 * label_N
    recall_C, precision_C = outline(metrics.curve(value_N, label_N))
    assert len(recall_C) == len(precision_C) <= 4 * STRETCHES + 1
    assert (np.diff(recall_C) >= 0).all()
    assert np.diff(recall_C).max() < 1.5 / STRETCHES


@given(EXAMPLES, st.randoms())
def test_bins_hold_every_example_once_and_equal_scores_together(
    examples: list[tuple[float, bool]], random: Any
) -> None:
    several = [(1 / (1 + math.exp(-value)), label) for value, label in examples * 5]
    value_N, label_N = arrays(several)
    found = reliability(value_N, label_N)
    assert sum(one.examples for one in found) == len(several)
    assert sum(one.positives for one in found) == int(label_N.sum())
    mean = sum(one.examples * one.predicted for one in found) / len(several)
    assert mean == pytest.approx(float(value_N.astype(float).mean()))
    assert all(one.observed == pytest.approx(one.positives / one.examples) for one in found)
    assert sorted({one.predicted for one in found}) == [one.predicted for one in found]
    random.shuffle(several)
    shuffled = reliability(*arrays(several))
    assert [one[2:] for one in shuffled] == [one[2:] for one in found]


def test_bins_are_of_equal_size_where_no_two_scores_are_equal() -> None:
    size = BINS * SMALLEST_BIN
    value_N = np.random.default_rng(1).permutation(np.arange(size) / size)
    label_N = np.random.default_rng(2).random(size) < value_N
    found = reliability(value_N, label_N)
    order_N = np.argsort(value_N)
    parts = [order_N[place * SMALLEST_BIN : (place + 1) * SMALLEST_BIN] for place in range(BINS)]
    assert [one.predicted for one in found] == pytest.approx([float(value_N[part].mean()) for part in parts])
    assert [one.observed for one in found] == pytest.approx([float(label_N[part].mean()) for part in parts])
    assert {one.examples for one in found} == {SMALLEST_BIN}
    assert reliability(np.zeros(0), np.zeros(0)) == ()
    assert [one.examples for one in reliability(value_N[:7], label_N[:7])] == [7]


@given(EXAMPLES)
def test_a_profile_has_the_numbers_of_its_scores(examples: list[tuple[float, bool]]) -> None:
    value_N, label_N = arrays([*examples, (0.5, True), (0.0, False)])
    group_N = np.arange(len(value_N)) % 3
    scores = Scores(
        "val", value_N, label_N, group_N, ("a", "b", "c")[: int(group_N.max()) + 1], 0.25, "w" * 64, "d" * 64
    )
    found = profile_of(scores)
    predicted_N = value_N >= 0.25
    true = int((predicted_N & label_N).sum())
    assert found.at_threshold == (true / int(label_N.sum()), true / int(predicted_N.sum()))
    assert found.auprc == pytest.approx(average_precision(value_N, label_N))
    with_positives = {name for place, name in enumerate(scores.groups or ()) if label_N[group_N == place].any()}
    assert found.auprc_of.keys() == with_positives
    for name in with_positives:
        own_N = group_N == (scores.groups or ()).index(name)
        assert found.auprc_of[name] == pytest.approx(average_precision(value_N[own_N], label_N[own_N]))
    probability_N = 1 / (1 + np.exp(-value_N.astype(float)))
    assert sum(one.examples * one.predicted for one in found.bins) == pytest.approx(float(probability_N.sum()))
    assert (found.examples, found.positives) == (len(value_N), int(label_N.sum()))
    assert (found.examples_digest, found.weights_digest) == (scores.examples_digest, "w" * 64)


def test_what_the_labels_leave_undefined_is_none() -> None:
    made = made_scores("val")
    none = profile_of(replace(made, label_N=np.zeros(40, dtype=bool)))
    assert (none.auprc, none.outline, none.at_threshold, dict(none.auprc_of), none.positives) == (
        None,
        None,
        None,
        {},
        0,
    )
    losses = profile_of(replace(made, label_N=None, weights_digest=None))
    assert (losses.positives, losses.outline, losses.bins) == (None, None, ())
    assert profile_of(replace(made, threshold=1e6)).at_threshold is None
    assert profile_of(replace(made, threshold=None)).at_threshold is None
    assert profile_of(replace(made, groups=None)).auprc_of == {}


def test_another_programs_scores_are_probabilities_only_where_they_can_be() -> None:
    made = replace(made_scores("val"), weights_digest=None)
    assert profile_of(made).bins == ()
    probable = replace(made, value_N=np.linspace(0, 1, 40))
    assert profile_of(probable).bins[0].predicted == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_diverged_score_is_refused(wrong: float) -> None:
    value_N = made_scores("val").value_N.copy()
    value_N[3] = wrong
    with pytest.raises(Diverged, match="1 of 40 logits"):
        profile_of(replace(made_scores("val"), value_N=value_N))
