"""From a sweep file over the server's JSON and W&B's own agent to the overrides of `kag train`: no value changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from kag.spec import build_spec
from kag.spec.overrides import parse_overrides
from kag.sweep import parse_sweep, suggest, violations
from kag.sweep.distribution import Listed
from kag.sweep.importance import importance
from kag.sweep.trial import Trial, TrialState

KEYS = st.from_regex(r"[a-z]{1,4}\.[a-z]{1,4}", fullmatch=True)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
BASE = build_spec({"name": "base", "data": {"file": "data.h5"}})


def typed(value: Any) -> Any:
    """A value that equals another only if both have the same types."""
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), repr(value))


def sent(point: dict[str, Any], form: str) -> dict[str, Any]:
    """The overrides that `kag train` reads, from a point that a server gives out and W&B's agent writes."""
    file = {"method": "grid", "parameters": {key: {"values": [value]} for key, value in point.items()}}
    kept = yaml.safe_load(yaml.dump(file))  # what `wandb sweep` sends, and what the server keeps
    sweep = parse_sweep(kept)
    params = suggest(sweep, [], 0)
    assert params is not None
    arguments = {key: {"value": value} for key, value in sweep.arguments(params).items()}
    answer = json.loads(json.dumps([{"type": "run", "run_id": "r", "args": arguments}]))
    return parse_overrides(create_sweep_command_args(answer[0])[form])


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_json_keeps_every_value(point: dict[str, Any]) -> None:
    assert {key: typed(value) for key, value in sent(point, "args_json").items()} == {
        key: typed(value) for key, value in point.items()
    }


@given(VALUES)
def test_words_keep_a_value_or_the_check_names_it(value: Any) -> None:
    arrived = sent({"a.b": value}, "args_no_hyphens")["a.b"]
    command = ["kag", "train", "spec.yaml", "${args_no_hyphens}"]
    sweep = parse_sweep({"method": "grid", "parameters": {"a.b": {"values": [value]}}, "command": command})
    named = any("would reach the run as" in line for line in violations(sweep, BASE))
    assert named == (typed(arrived) != typed(value))


def test_values_of_every_kind_reach_the_spec() -> None:
    point = {
        "epochs": 7,
        "optimizer.lr": 1.0e-5,
        "model.hidden": [64, 32],
        "model.gate.clamp": None,
        "model.norm": "layer",
        "swa": {"start": 3, "window": 2, "keep_sums": True},
        "loss.pos_weight": {"start": 10.0, "end": 45.0, "epochs": 3},
    }
    spec = build_spec(BASE.model_dump(mode="json"), sent(point, "args_json"))
    assert (spec.epochs, spec.optimizer.lr, spec.model.hidden, spec.model.gate.clamp) == (7, 1.0e-5, (64, 32), None)
    assert spec.swa is not None
    assert spec.swa.keep_sums is True
    assert spec.model_dump(mode="json")["loss"]["pos_weight"]["end"] == 45.0
    plain = {key: value for key, value in point.items() if not isinstance(value, dict)}
    assert sent({**plain, "swa.keep_sums": True}, "args_no_hyphens") == {**plain, "swa.keep_sums": True}


def test_a_float_that_came_back_as_a_whole_number_is_the_listed_one() -> None:
    """W&B's client sends 0.0 as 0: the importance of parameters, and what continues a grid, read it back so."""
    words = {"method": "grid", "parameters": {"x": {"values": [0.0, 0.5, 2.0]}, "y": {"values": [True, 1, 1.5]}}}
    sweep = parse_sweep(words)
    leaf = sweep.leaves()["x"]
    assert isinstance(leaf, Listed)
    assert [leaf.index(value) for value in (0, 0.0, 0.5, 2, 2.0)] == [0, 0, 1, 2, 2]
    with pytest.raises(ValueError, match="none of"):
        leaf.index(False)
    assert sweep.place({"x": 2, "y": 1.5}) == sweep.place({"x": 2.0, "y": 1.5}) == 8
    other = sweep.leaves()["y"]
    assert isinstance(other, Listed)
    assert [other.index(value) for value in (True, 1, 1.0, 1.5)] == [0, 1, 1, 2]


def test_the_importance_of_parameters_takes_them_so() -> None:
    words = {
        "method": "random",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"values": [0.0, 1.0]}, "lr": {"min": 0.0, "max": 1.0}},
    }
    sweep = parse_sweep(words)
    trials = [
        Trial(id=place, params={"x": place % 2, "lr": place / 12}, state=TrialState.FINISHED, value=float(place % 2))
        for place in range(12)
    ]
    assert next(iter(importance(sweep, trials))) == "x"
