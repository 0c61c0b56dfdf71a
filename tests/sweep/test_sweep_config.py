"""The W&B sweep schema as kag reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.errors import SweepError
from kag.sweep import parse_sweep, read_sweep

DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "constant": {"value": 3},
    "categorical": {"values": ["a", 1, 1.0, True, None]},
    "categorical_w_probabilities": {"values": [1, 2], "probabilities": [0.25, 0.75]},
    "int_uniform": {"min": 1, "max": 9},
    "uniform": {"min": 0.0, "max": 1.0},
    "q_uniform": {"min": 0.0, "max": 1.0, "q": 0.25},
    "log_uniform": {"min": -3.0, "max": 0.0},
    "log_uniform_values": {"min": 0.001, "max": 1.0},
    "q_log_uniform": {"min": 0.0, "max": 3.0, "q": 1},
    "q_log_uniform_values": {"min": 1, "max": 100, "q": 5},
    "inv_log_uniform": {"min": 0.0, "max": 3.0},
    "inv_log_uniform_values": {"min": 0.1, "max": 10.0},
    "normal": {"mu": 1.0, "sigma": 2.0},
    "q_normal": {"mu": 1.0, "sigma": 2.0, "q": 0.5},
    "log_normal": {"mu": 0.0, "sigma": 1.0},
    "q_log_normal": {"mu": 3.0, "sigma": 1.0, "q": 2},
    "beta": {"a": 2.0, "b": 3.0},
    "q_beta": {"a": 2, "b": 3, "q": 0.1},
}


def minimal(**changes: Any) -> dict[str, Any]:
    return {"method": "random", "parameters": {"x": {"values": [1, 2]}}, **changes}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_is_read_by_name(name: str) -> None:
    sweep = parse_sweep(minimal(parameters={"x": {"distribution": name, **DISTRIBUTIONS[name]}}))
    leaf: Any = sweep.leaves()["x"]
    assert leaf.distribution == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"value": 1}, "constant"),
        ({"values": [1]}, "categorical"),
        ({"values": [1], "probabilities": [1.0]}, "categorical_w_probabilities"),
        ({"min": 1, "max": 2}, "int_uniform"),
        ({"min": 0, "max": 0.1}, "uniform"),
        ({"min": 1.0, "max": 2.0}, "uniform"),
    ],
)
def test_a_distribution_without_a_name_is_the_one_that_the_client_takes(given: dict[str, Any], name: str) -> None:
    leaf: Any = parse_sweep(minimal(parameters={"x": given})).leaves()["x"]
    assert leaf.distribution == name


def test_all_violations_are_reported_at_once_with_key_and_nearest() -> None:
    tree = {
        "method": "bayes",
        "metrik": {"name": "x"},
        "run_cap": 0,
        "early_terminate": {"type": "hyperband", "eta": 1},
        "parameters": {
            "a": {"distribution": "unifrm", "min": 0.0, "max": 1.0},
            "c": {"vals": [1]},
            "d": {"min": 3.0, "max": 1.0},
            "e": {"distribution": "normal", "sigma": -1.0},
            "f": {"values": [1, 2], "probabilities": [0.5, 0.6]},
            "g": {"distribution": "uniform", "min": 0.0, "max": 1.0, "quantum": 2},
        },
    }
    with pytest.raises(SweepError) as caught:
        parse_sweep(tree)
    text = str(caught.value)
    for expected in (
        "metrik", "nearest known: metric", "run_cap = 0", "early_terminate.eta = 1",
        "parameters.a: no distribution 'unifrm'; nearest known: uniform",
        "parameters.c: needs `value`", "parameters.d: needs min < max, not 3 and 1", "parameters.e.sigma = -1.0",
        "parameters.f: the probabilities must sum to 1", "parameters.g.quantum = 2: unknown key",
    ):  # fmt: skip
        assert expected in text, text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": "bayes"}, "method bayes needs a metric"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate needs a metric"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 9}}, "max_iter needs s"),
        ({"early_terminate": {"type": "hyperband"}}, "needs min_iter"),
        ({"method": "grid", "parameters": {"x": {"min": 0.0, "max": 1.0}}}, "parameters.x: a grid needs `values`"),
        ({"method": "custom"}, "needs its own scheduler process"),
        (
            {"parameters": {"a.b": {"value": 1}, "a": {"parameters": {"b": {"value": 2}}}}},
            "parameters.a.b is given twice",
        ),
        ({"parameters": {}}, "parameters"),
        ({"parameters": {"9x": {"value": 1}}}, "parameters.9x"),
        ({"parameters": {"x": {"distribution": "q_uniform", "min": 0.1, "max": 0.2, "q": 1}}}, "no multiple of q"),
        ({"parameters": {"x": {"distribution": "uniform", "min": 0.1, "max": 0.2, "q": 1}}}, "q_uniform"),
        ({"parameters": {"x": {"distribution": "log_uniform_values", "min": 0.0, "max": 0.2}}}, "needs min > 0"),
    ],
)
def test_what_does_not_fit_together_is_said(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(SweepError, match=expected.replace("(", r"\(")):
        parse_sweep(minimal(**changes))


def test_nested_parameters_are_flat_inside_and_nested_for_the_agent() -> None:
    sweep = parse_sweep(
        minimal(parameters={"a": {"parameters": {"b": {"value": 1}, "c": {"parameters": {"d": {"value": 2}}}}}})
    )
    assert list(sweep.leaves()) == ["a.b", "a.c.d"]
    assert sweep.arguments({"a.b": 1, "a.c.d": 2}) == {"a": {"b": 1, "c": {"d": 2}}}


def test_a_number_that_the_client_reads_as_text_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("method: grid\nparameters:\n  lr:\n    values: [1e-4, 1.0e-3]\n  norm:\n    values: [on, batch]\n")
    with pytest.raises(SweepError) as caught:
        read_sweep(path)
    assert "line 4: parameters.lr.values.0: W&B reads '1e-4', where 0.0001 seems to be meant" in str(caught.value)
    assert "parameters.norm.values.0: W&B reads True" in str(caught.value)


def test_violations_in_a_file_carry_the_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("method: grid\nparameters:\n  lr:\n    valus: [1]\n")
    with pytest.raises(SweepError, match=r"line 3: parameters\.lr: needs `value`"):
        read_sweep(path)


@pytest.mark.parametrize("text", ["- 1\n", "a: [", "", "method: grid\nmethod: grid\n"])
def test_a_file_that_is_no_mapping_is_a_sweep_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(SweepError):
        read_sweep(path)
    with pytest.raises(SweepError):
        read_sweep(tmp_path / "absent.yaml")


def test_size_is_the_number_of_points_of_a_grid() -> None:
    parameters = {"x": {"values": [1, 2, 3]}, "y": {"min": 1, "max": 4}, "z": {"value": 1}}
    assert parse_sweep(minimal(method="grid", parameters=parameters)).size() == 12
    assert parse_sweep(minimal(parameters=parameters)).size() is None
