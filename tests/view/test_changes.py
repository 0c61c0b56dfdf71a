from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.spec import build_spec, flat
from kag.view.changes import changed_settings, diff, phrase
from tests.changelog.run_logs import run_record
from tests.october import october

BASE = october({"name": "a", "data": {"file": "/data/a.h5"}})


def spec(**overrides: Any) -> dict[str, Any]:
    return dict(flat(build_spec(BASE, {key.replace("__", "."): value for key, value in overrides.items()})))


def said(before: dict[str, Any], after: dict[str, Any]) -> str:
    return phrase(changed_settings(before, after))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            {"model__gate__penalty__weight": 0.02, "model__gate__temperature": 1.0},
            {"model__gate__penalty__weight": 0.15, "model__gate__temperature": 1.5},
            "gate.temperature 1 -> 1.5; gate.penalty.weight 0.02 -> 0.15",
        ),
        (
            {"model__gate__penalty__weight": 0.15},
            {"model__gate__penalty__weight": {"start": 0.15, "end": 0.05, "epochs": 15}},
            "gate.penalty.weight 0.15 -> 0.15 to 0.05 in 15",
        ),
        (
            {},
            {"model__gate__penalty__weight": {"start": 0.3, "end": 0.05, "epochs": 15, "shape": "cosine"}},
            "gate.penalty.weight 0.15 to 0.05 in 15 -> 0.3 to 0.05 in 15 cosine",
        ),
        (
            {},
            {"swa": {"start": 26, "window": 6}},
            "swa none -> start 26, window 6, lr 5e-05, anneal_epochs 1, shape cosine",
        ),
        (
            {"swa": {"start": 26, "window": 6, "shape": "linear"}},
            {"swa": {"start": 20, "window": 6, "shape": "linear"}},
            "swa.start 26 -> 20",
        ),
        ({}, {"model__auxiliary": None}, "auxiliary weight 0.1 to 0.02 in 12, distance_temperature 6 -> none"),
        ({}, {"loss__pos_weight": 45}, "loss.pos_weight auto -> 45"),
        ({"seed": 20251017}, {"seed": 20251018}, "seed 20251017 -> 20251018"),
        (
            {"model__gate__temperature": 1.23456789},
            {"model__gate__temperature": 1.23456780},
            "gate.temperature 1.23456789 -> 1.2345678",
        ),
        (
            {"model__gate__penalty__weight": {"start": 0.123456789, "end": 0.05, "epochs": 15}},
            {"model__gate__penalty__weight": {"start": 0.123456780, "end": 0.05, "epochs": 15}},
            "gate.penalty.weight 0.123456789 to 0.05 in 15 -> 0.12345678 to 0.05 in 15",
        ),
        ({}, {"model__gate__context_norm": False}, "gate.context_norm true -> false"),
        ({}, {"name": "b", "data__file": "/elsewhere/b.h5", "track__project": "p", "data__workers": 4}, ""),
    ],
)
def test_the_words_of_a_change(before: dict[str, Any], after: dict[str, Any], words: str) -> None:
    assert said(spec(**before), spec(**after)) == words


def test_where_a_file_lies_is_no_change() -> None:
    replay = {"data__replay": {"indices": "/one/hard.json", "repeat": 3}}
    elsewhere = {"data__replay": {"indices": "/two/hard.json", "repeat": 4}}
    assert said(spec(**replay), spec(**elsewhere)) == "data.replay.repeat 3 -> 4"


def test_what_a_hand_kept_log_does_not_know_is_no_change() -> None:
    imported = run_record(0, kind="imported", config={"loss.pos_weight": 45.0, "swa": None})
    later = run_record(1, config=spec(loss__pos_weight=50, swa={"start": 3, "window": 2, "lr": 1e-4}))
    assert [change.key for change in diff(imported, later)] == ["loss.pos_weight", "swa"]


def test_other_data_is_a_change() -> None:
    before, after = run_record(0, data_digest="a" * 64), run_record(1, data_digest="b" * 64)
    assert phrase(diff(before, after)) == f"data {'a' * 12} -> {'b' * 12}"
    assert diff(before, run_record(1)) == ()


def test_a_long_list_is_cut_and_counted() -> None:
    changes = changed_settings({f"k{n}": 0 for n in range(20)}, {f"k{n}": 1 for n in range(20)})
    assert phrase(changes, shown=3) == "k0 0 -> 1; k1 0 -> 1; k2 0 -> 1; and 17 more"


values = st.sampled_from([0.02, 0.15, {"start": 0.1, "end": 0.2, "epochs": 3}, {"start": 0.1, "end": 0.2, "epochs": 4}])
overrides = st.fixed_dictionaries(
    {},
    optional={
        "model__gate__penalty__weight": values,
        "loss__pos_weight": values | st.just("auto"),
        "swa": st.sampled_from([None, {"start": 3, "window": 2}, {"start": 4, "window": 2}]),
        "model__auxiliary": st.sampled_from([None, {"weight": 0.1}, {"weight": 0.2}]),
        "epochs": st.integers(1, 3),
    },
)


@given(overrides, overrides)
def test_a_diff_names_what_differs_and_nothing_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = spec(**one), spec(**other)
    there, back = changed_settings(before, after), changed_settings(after, before)
    assert (there == ()) == (before == after)
    assert {change.key: change.before for change in there} == {change.key: change.after for change in back}
    for change in there:
        assert change.before != change.after
