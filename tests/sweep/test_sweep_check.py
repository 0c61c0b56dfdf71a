"""`violations`: what a sweep means for a run spec; and the sweeps that the project ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.spec import RunSpec, build_spec, load_spec
from kag.sweep import parse_sweep, read_sweep, violations
from kag.sweep.command import train_command
from kag.sweep.plan import plan

ROOT = Path(__file__).parents[2]
COMMAND = ["kag", "train", "spec.yaml", "${args_json}"]
BASE = build_spec({"name": "base", "data": {"file": "data.h5"}, "epochs": 20})


def found(parameters: dict[str, Any], base: RunSpec = BASE, **words: Any) -> list[str]:
    words = {"method": "random", "command": COMMAND, "metric": {"name": "val/auprc", "goal": "maximize"}, **words}
    return violations(parse_sweep({**words, "parameters": parameters}), base)


def test_a_sound_sweep_has_no_violation() -> None:
    parameters = {"model.gate.temperature": {"min": 0.5, "max": 3.0}, "loss.pos_weight": {"values": ["auto", 45.0]}}
    assert found(parameters) == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"model.gate.temprature": {"value": 1.0}}, "no such spec key; nearest known: model.gate.temperature"),
        ({"model.dropout": {"min": 0.0, "max": 1.0}}, "parameters.model.dropout: 1.0 builds no valid run"),
        ({"model.dropout": {"min": -0.1, "max": 0.5}}, "parameters.model.dropout: -0.1 builds no valid run"),
        ({"model.dropout": {"min": 0, "max": 0.5}}, "parameters.model.dropout: one bound is whole and one is not"),
        ({"model.norm": {"values": ["batch", "group"]}}, "parameters.model.norm: 'group' builds no valid run"),
        ({"epochs": {"values": [5, 2.5]}}, "parameters.epochs: 2.5 builds no valid run"),
        ({"model": {"parameters": {"dropout": {"value": 0.1}}}}, "write flat dotted keys"),
        ({"model.dropout": {"values": ["0.1"]}}, "parameters.model.dropout: '0.1' builds no valid run"),
        ({"optimizer.lr": {"distribution": "normal", "mu": 0.0, "sigma": 1.0}}, "builds no valid run"),
    ],
)
def test_each_bad_parameter_is_named(parameters: dict[str, Any], expected: str) -> None:
    assert any(expected in line for line in found(parameters)), found(parameters)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"name": "val/aupr", "goal": "maximize"}, "no run logs it; nearest known: val/auprc"),
        ({"name": "val/auprc"}, "write `goal: maximize`"),
        ({"name": "val/loss", "goal": "maximize"}, "write `goal: minimize`"),
        ({"name": "test/auprc", "goal": "maximize"}, "must not choose by the test split"),
    ],
)
def test_the_metric_must_be_logged_and_pull_the_right_way(metric: dict[str, Any], expected: str) -> None:
    assert any(expected in line for line in found({"seed": {"value": 1}}, metric=metric))


def test_a_command_without_arguments_would_run_the_same_thing_again() -> None:
    assert any("every trial would be the same run" in line for line in found({"seed": {"value": 1}}, command=["kag"]))
    assert any("would not know what to run" in line for line in found({"seed": {"value": 1}}, command=None))


def test_several_violations_come_together() -> None:
    lines = found({"a": {"value": 1}, "b": {"value": 2}}, metric={"name": "x"}, command=["kag"])
    assert len(lines) == 4


def test_keys_of_one_section_are_checked_together() -> None:
    parameters = {"swa.start": {"values": [10, 14]}, "swa.window": {"values": [2, 6]}}
    assert found(parameters) == []


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("${args_no_hyphens}", ["a", "b"], "['a', 'b'] would reach the run as \"['a', 'b']\"; write ${args_json}"),
        ("${args}", "1", "'1' would reach the run as 1; write ${args_json}"),
        ("${args_no_hyphens}", {"start": 1.0}, "write ${args_json}"),
        ("${args_no_equals}", 1, "kag train does not read ${args_no_equals}"),
        ("${args_no_boolean_flags}", 1, "kag train does not read ${args_no_boolean_flags}"),
    ],
)
def test_a_value_that_the_command_line_would_change_is_named(word: str, value: Any, expected: str) -> None:
    lines = found({"seed": {"values": [value]}}, command=["kag", "train", "spec.yaml", word])
    assert any(expected in line for line in lines), lines


def test_a_base_spec_that_tells_no_server_is_named() -> None:
    silent = BASE.model_copy(update={"track": BASE.track.model_copy(update={"mode": "offline"})})
    assert any("add track.mode=auto" in line for line in found({"seed": {"value": 1}}, silent))
    assert found({"seed": {"value": 1}, "track.mode": {"value": "auto"}}, silent) == []


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sweep_of_the_project_is_sound(path: Path) -> None:
    sweep = read_sweep(path)
    command = train_command(sweep)
    base = load_spec(ROOT / command.spec, command.overrides)
    assert violations(sweep, base) == []
    seen = plan(sweep, base, command)
    assert seen.trials is not None
    assert seen.errors == []
