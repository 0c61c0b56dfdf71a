"""`violations`: what a sweep means for a run spec; and the sweeps that the project ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.spec import RunSpec, build_spec, load_spec
from kag.sweep import parse_sweep, read_sweep, violations
from kag.sweep.check import epoch_count, trial_count

ROOT = Path(__file__).parents[2]
COMMAND = ["kag", "train", "spec.yaml", "${args_no_hyphens}"]
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


def test_trials_and_epochs_are_counted() -> None:
    parameters = {"swa.start": {"values": [10, 14]}, "swa.window": {"values": [2, 6]}, "seed": {"values": [1, 2, 3]}}
    sweep = parse_sweep({"method": "grid", "parameters": parameters})
    assert trial_count(sweep) == 12
    assert epoch_count(sweep, BASE) == 3 * (12 + 16 + 16 + 20)
    endless = parse_sweep({"method": "random", "parameters": {"seed": {"min": 1, "max": 9}}})
    assert (trial_count(endless), epoch_count(endless, BASE)) == (None, None)
    capped = parse_sweep({"method": "random", "run_cap": 5, "parameters": {"epochs": {"min": 1, "max": 9}}})
    assert epoch_count(capped, BASE) == 45


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sweep_of_the_project_is_sound(path: Path) -> None:
    sweep = read_sweep(path)
    specs = [str(word) for word in sweep.command or () if str(word).startswith("runs/specs/")]
    assert len(specs) == 1
    assert violations(sweep, load_spec(ROOT / specs[0])) == []
    assert trial_count(sweep) is not None
