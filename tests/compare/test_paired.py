"""Pairs: what two runs scored on the same examples. Nothing is guessed where they are no pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.compare.comparison import compare
from kag.compare.judge import verdict
from kag.compare.paired import DrawnOf, Unpaired, of_scores, read_once
from kag.errors import RecordError
from kag.names import Part
from kag.stats.bootstrap import Resampled
from kag.stats.interval import Interval
from kag.stats.scores import Drawn, Scores
from kag.track.record import RunRecord
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import MemorySource, run_record, run_result
from tests.compare.drawn_runs import EXAMPLES, drawn_as
from tests.track.made_scores import made_scores

WEIGHTS = ("a" * 64, "b" * 64)
NUMBERS = st.floats(0.0, 1.0)


def own(number: int, value: float = 0.3, **fields: Any) -> RunRecord:
    results = tuple(run_result(split, value, weights_digest=WEIGHTS[number % 2]) for split in ("val", "test"))
    return run_record(number, f"r{number}", results=results, **{"data_digest": "d" * 64, **fields})


@st.composite
def pairs(draw: st.DrawFn) -> DrawnOf:
    """Draws of two runs: any numbers, of five units and four resamples."""

    def one() -> Resampled:
        numbers = [draw(st.lists(NUMBERS, min_size=size, max_size=size)) for size in (4, 5)]
        return Resampled(draw(NUMBERS), *map(np.array, numbers))

    drawn = {own(number).id: Drawn(WEIGHTS[number], EXAMPLES, {"auprc": one()}) for number in (0, 1)}
    return lambda record, split: drawn[record.id]


@given(pairs())
def test_the_other_way_round_it_is_the_same_difference(drawn: DrawnOf) -> None:
    one, other = compare(own(0), own(1), drawn).test("val"), compare(own(1), own(0), drawn).test("val")
    assert not isinstance(one, Unpaired)
    assert not isinstance(other, Unpaired)
    assert one == -other
    assert one.told_apart == other.told_apart


@given(pairs())
def test_a_run_beside_itself_differs_by_nothing_and_has_the_same_weights(drawn: DrawnOf) -> None:
    compared = compare(own(0), own(0), drawn)
    found = compared.test("test")
    assert not isinstance(found, Unpaired)
    assert (found.value, found.interval, found.told_apart) == (0.0, Interval(0.0, 0.0), False)
    assert compared.same_weights
    assert not compare(own(0), own(1), drawn).same_weights


A, B = own(0, 0.30), own(1, 0.35)
KNOWN: dict[str, dict[Part, float]] = {A.id: {"val": 0.30, "test": 0.30}, B.id: {"val": 0.35, "test": 0.35}}


def test_only_what_a_test_tells_apart_is_called_better() -> None:
    sure, unsure = (verdict(A, B, drawn=drawn_as(KNOWN, error=error)) for error in (0.01, 0.04))
    assert sure.sentence.startswith(
        f"{B.id} is better: higher val AUPRC, 0.350 against 0.300; paired difference +0.050 [+0.030, +0.070], P"
    )
    assert unsure.sentence.startswith(f"{B.id} is not distinguishable from the other: it has higher val AUPRC")
    for found in (sure, unsure):
        assert found.higher == B.id
        assert "not tested" not in found.sentence
        assert found.as_json()["paired"]["val/auprc"]["told_apart"] is (found is sure)
        assert found.as_json()["unpaired"] == {}
    turned = verdict(B, A, drawn=drawn_as(KNOWN, error=0.01))
    assert "paired difference +0.050 [+0.030, +0.070]" in turned.sentence, "said of the better one"
    assert turned.as_json()["paired"]["val/auprc"]["difference"] == pytest.approx(-0.05), "the second less the first"


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (drawn_as({A.id: KNOWN[A.id]}), f"unpaired, {B.id} kept no scores of val: "),
        (drawn_as(KNOWN, examples={A.id: "f" * 64}), f"unpaired, {A.id} and {B.id} scored other examples of val"),
    ],
)
def test_what_is_no_pair_is_not_tested_and_the_reason_is_said(drawn: DrawnOf, reason: str) -> None:
    found = verdict(A, B, drawn=drawn)
    assert reason in found.sentence
    assert found.sentence.startswith(f"{B.id} has the higher val AUPRC")
    assert "the difference itself is not tested" in found.sentence
    assert "better" not in found.sentence
    assert (found.as_json()["paired"], set(found.as_json()["unpaired"])) == ({}, {"val", "test"})


def test_scores_of_other_weights_than_the_number_are_of_no_use() -> None:
    """A run that was resumed, or whose weights were replaced: its scores are of what it had delivered before."""
    later = own(0).model_copy(update={"results": (run_result("val", 0.4, weights_digest="c" * 64),)})
    drawn = drawn_as(KNOWN)
    found = compare(later, B, lambda record, split: drawn(A if record is later else record, split)).test("val")
    assert isinstance(found, Unpaired)
    assert (
        found.reason == f"the scores that {later.id} kept of val are of the weights aaaaaaaaaaaa, not of cccccccccccc"
    )


def test_the_same_weights_are_said_and_not_tested() -> None:
    twin = own(2, 0.30)
    found = verdict(A, twin, drawn=drawn_as(KNOWN))
    assert found.sentence.startswith(f"{A.id} and {twin.id} hand on the same weights: val AUPRC 0.300")
    assert found.as_json()["same_weights"] is True


class ScoredSource(MemorySource):
    """Runs in memory with their scores; a text stands for what cannot be read."""

    def __init__(self, found: dict[str, Scores | str]) -> None:
        super().__init__([])
        self.found, self.reads = found, 0

    def scores(self, run_id: str, split: Part) -> Scores | None:  # type: ignore[override]
        self.reads += 1
        one = self.found.get(run_id)
        if isinstance(one, str):
            raise RecordError(one, where=run_id)
        return one


def test_scores_are_read_once_and_what_cannot_be_read_is_that_runs_own_trouble() -> None:
    broken = own(4)
    known = {number: made_scores("val", other_logits=bool(number), weights_digest=WEIGHTS[number]) for number in (0, 1)}
    source = ScoredSource({A.id: known[0], B.id: known[1], broken.id: "is damaged"})
    drawn = read_once(of_scores(source.scores))
    for _ in range(3):
        assert not isinstance(compare(A, B, drawn).test("val", "auroc"), Unpaired)
    assert source.reads == 2
    found = compare(A, broken, drawn).test("val")
    assert isinstance(found, Unpaired)
    assert found.reason.startswith(f"the scores of {broken.id} on val cannot be read: ")


def test_another_programs_runs_are_pairs_by_their_examples_alone() -> None:
    a, b = foreign(0, "a"), foreign(1, "b")
    drawn = read_once(of_scores(ScoredSource({one.id: foreign_scores(n) for n, one in enumerate((a, b))}).scores))
    found = verdict(a, b, [], drawn=drawn).as_json()["paired"]
    assert set(found) >= {"val/auprc", "val/auroc", "val/accuracy", "val/f1"}
    assert found["val/auprc"]["difference"] == pytest.approx(-verdict(b, a, [], drawn=drawn).paired["val/auprc"].value)


def foreign_scores(seed: int) -> Scores:
    made = made_scores("val", other_logits=bool(seed))
    return Scores("val", made.value_N, made.label_N, made.group_N, made.groups, 0.0)
