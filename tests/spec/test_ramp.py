from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from kag.spec.ramp import Ramp, Shape, progress

numbers = st.floats(-1e6, 1e6)
shapes = st.sampled_from(get_args(Shape))


@st.composite
def changing(draw: st.DrawFn) -> Ramp:
    start, end = draw(numbers), draw(numbers)
    assume(start != end)
    return Ramp(start=start, end=end, epochs=draw(st.integers(1, 200)), shape=draw(shapes))


@given(changing())
def test_starts_at_start_and_stays_at_end(ramp: Ramp) -> None:
    assert ramp.at(0) == ramp.start
    for after in (0.0, 0.5, 1.0, 1000.0):
        assert ramp.at(ramp.epochs + after) == pytest.approx(ramp.end, rel=1e-12, abs=1e-6)


@given(changing(), st.lists(st.floats(0.0, 250.0), min_size=2))
def test_goes_one_way_and_stays_between_its_ends(ramp: Ramp, epochs: list[float]) -> None:
    sign = math.copysign(1.0, ramp.end - ramp.start)
    low, high = ramp.bounds()
    rounding = 1e-9 * max(abs(low), abs(high), 1.0)
    values = [ramp.at(epoch) for epoch in sorted(epochs)]
    for before, after in pairwise(values):
        assert sign * (after - before) >= -rounding
    assert all(low - rounding <= value <= high + rounding for value in values)


@pytest.mark.parametrize(
    ("shape", "quarter", "half", "almost"),
    [
        ("linear", 0.25, 0.5, 0.999),
        ("cosine", (1 - math.sqrt(0.5)) / 2, 0.5, (1 + math.cos(0.001 * math.pi)) / 2),
        ("step", 0.0, 0.0, 0.0),
    ],
)
def test_each_shape_goes_its_own_way(shape: Shape, quarter: float, half: float, almost: float) -> None:
    ramp = Ramp(start=1.0, end=3.0, epochs=8, shape=shape)
    assert ramp.at(2) == pytest.approx(1.0 + 2.0 * quarter)
    assert ramp.at(4) == pytest.approx(1.0 + 2.0 * half)
    assert ramp.at(7.992) == pytest.approx(1.0 + 2.0 * almost)
    assert ramp.at(8) == pytest.approx(3.0)


@given(st.floats(-2.0, 3.0), shapes)
def test_progress_stays_between_0_and_1_before_and_after(share: float, shape: Shape) -> None:
    done = progress(share, shape)
    assert 0.0 <= done <= 1.0
    assert share > 0.0 or done == 0.0
    assert share < 1.0 or done == 1.0


def test_the_october_ramp() -> None:
    ramp = Ramp(start=0.15, end=0.05, epochs=15)
    assert [round(ramp.at(epoch), 4) for epoch in (0, 3, 7.5, 15, 79)] == [0.15, 0.13, 0.1, 0.05, 0.05]


@given(changing())
def test_a_ramp_survives_the_round_trip(ramp: Ramp) -> None:
    assert Ramp.model_validate(ramp.model_dump(mode="json")) == ramp
    assert Ramp.model_validate_json(ramp.model_dump_json()) == ramp


@given(numbers, st.integers(0, 200), shapes)
def test_every_way_to_write_a_constant_is_one_ramp(value: float, epochs: int, shape: Shape) -> None:
    plain = Ramp.model_validate(value)
    assert Ramp.model_validate({"start": value, "end": value, "epochs": epochs, "shape": shape}) == plain
    assert plain.model_dump() == value
    assert plain.at(0) == plain.at(0.5) == plain.at(1000) == value
    assert plain.bounds() == (value, value)


def test_whole_numbers_are_numbers() -> None:
    assert Ramp.model_validate(1) == Ramp.model_validate(1.0)
    assert Ramp.model_validate({"start": 1, "end": 2, "epochs": 3.0}).epochs == 3


@pytest.mark.parametrize(
    "value",
    [
        True,
        "0.1",
        None,
        [0.1, 0.2],
        math.nan,
        math.inf,
        {},
        {"start": 0.1},
        {"end": 0.1, "epochs": 3},
        {"start": 0.1, "end": 0.2},
        {"start": 0.1, "end": 0.2, "epochs": 0},
        {"start": 0.1, "end": 0.2, "epochs": -1},
        {"start": 0.1, "end": 0.2, "epochs": 2.5},
        {"start": 0.1, "end": 0.2, "epochs": 3, "shape": "cubic"},
        {"start": 0.1, "end": 0.2, "epochs": 3, "begin": 1},
        {"start": True, "end": True},
        {"start": "0.1", "end": "0.1"},
        {"start": 0.1, "end": 0.1, "begin": 1},
        {"start": 0.1, "end": 0.1, "epochs": -1},
        {"start": 0.1, "end": 0.1, "epochs": 2.5},
        {"start": 0.1, "end": 0.1, "epochs": "many"},
        {"start": 0.1, "end": 0.1, "epochs": True},
        {"start": 0.1, "end": 0.1, "epochs": math.inf},
        {"start": 0.1, "end": 0.1, "shape": "cubic"},
    ],
    ids=str,
)
def test_what_is_no_ramp_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        Ramp.model_validate(value)


def test_a_missing_length_is_named() -> None:
    with pytest.raises(ValidationError, match=r"from 0.1 to 0.2 needs `epochs`"):
        Ramp(start=0.1, end=0.2)
