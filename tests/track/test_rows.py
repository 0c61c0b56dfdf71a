"""The rows of a history: one an epoch of kag's own runs, one a step of others."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.track.rows import condensed, epochs, history_of, numbers, steps


def test_a_run_that_went_back_takes_its_later_rows_back() -> None:
    rows = [{"epoch": e, "train/loss": e} for e in (0, 1, 2, 3)] + [{"epoch": e, "train/loss": -e} for e in (2, 3)]
    assert epochs(rows) == [{"epoch": e, "train/loss": v} for e, v in ((0, 0), (1, 1), (2, -2), (3, -3))]


def test_the_closing_row_of_kag_belongs_to_no_epoch() -> None:
    rows = [{"epoch": 0, "train/loss": 1.0, "val/auprc": 0.2}, {"epoch": 0, "val/auprc": 0.3, "test/auprc": 0.4}]
    assert epochs(rows) == history_of(rows, by_kag=True) == rows[:1]


def test_a_step_may_be_logged_in_parts_and_an_epoch_is_a_number_like_any_other() -> None:
    rows = [
        {"lr": 0.1, "_step": 0, "_runtime": 3.5, "_timestamp": 1e9},
        {"epoch": 0, "train/loss": 1.0, "_step": 1, "trainer/global_step": 9},
        {"epoch": 0, "val/auprc": "NaN", "image": {"_type": "image-file"}, "flag": True, "_step": 1},
        {"epoch": 1, "train/loss": "Infinity", "_step": 4},
    ]
    first, second, third = history_of(rows, by_kag=False)
    assert first == {"_step": 0, "lr": 0.1}
    assert math.isnan(second.pop("val/auprc"))
    assert second == {"_step": 1, "epoch": 0, "train/loss": 1.0}
    assert third == {"_step": 4, "epoch": 1, "train/loss": math.inf}


def test_a_rewound_run_takes_its_later_steps_back() -> None:
    rows = [{"_step": step, "loss": step} for step in (0, 1, 2, 5, 1, 2)]
    assert [row["_step"] for row in steps(rows)] == [0, 1, 2]


def test_rows_without_steps_follow_one_another() -> None:
    assert [row["_step"] for row in steps([{"a": 1}, {"a": 2, "_step": "many"}, {"_step": 7, "a": 3}, {"a": 4}])] == [
        0,
        1,
        7,
        8,
    ]


def test_nested_numbers_have_dotted_names_and_pictures_have_none() -> None:
    row = {
        "val": {"accuracy": 0.5, "by class": {"a": 1}, "_private": 2, "curve": {"_type": "table-file", "nrows": 3}},
        "val/loss": 1,
        "_wandb": {"runtime": 4},
        "losses": [1, 2],
    }
    expected = {"val.accuracy": 0.5, "val.by class.a": 1, "val._private": 2, "val/loss": 1}
    assert dict(numbers(row)) == expected


NUMBERS = st.sampled_from([math.nan, math.inf, 0.0, 1.0, -1.0, 2.5, 1e300])
HISTORIES = st.lists(st.dictionaries(st.sampled_from("abc"), NUMBERS), max_size=60)


@given(rows=HISTORIES, most=st.integers(1, 8))
def test_a_condensed_history_keeps_what_decides(rows: list[dict[str, float]], most: int) -> None:
    logged: list[dict[str, Any]] = [{"_step": float(step), **row} for step, row in enumerate(rows)]
    kept = steps(logged, most=most)
    assert len(kept) <= 2 * most + 5 * 4 + 1
    assert [row for row in logged if row in kept] == kept or any(math.isnan(v) for row in kept for v in row.values())
    for key in "abc":
        for finite in (True, False):
            there, here = (
                [(row["_step"], row[key]) for row in some if key in row and math.isfinite(row[key]) is finite]
                for some in (logged, kept)
            )
            assert bool(there) == bool(here)
            if there:
                assert there[0 if not finite else -1][0] in {step for step, _ in here}
                value = max(there, key=lambda pair: pair[1]), min(there, key=lambda pair: pair[1])
                assert not finite or all(one in here for one in value)


@pytest.mark.parametrize("most", [1, 2, 100])
def test_a_short_history_is_kept_whole(most: int) -> None:
    rows = [{"_step": float(step), "loss": float(-step)} for step in range(most)]
    assert steps(rows, most=most) == rows
    assert condensed(rows, most)[-1] == rows[-1]
