from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from valid_specs import trees

from kag.spec import RunSpec

SPECS = sorted((Path(__file__).parents[2] / "runs" / "specs").rglob("*.yaml"))
VALIDATOR = Draft202012Validator(RunSpec.model_json_schema())


def tree_of(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return tree


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(RunSpec.model_json_schema())


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_valid(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tree_of(path))] == []


@given(trees)
@settings(max_examples=30)
def test_what_kag_takes_the_schema_takes(tree: dict[str, Any]) -> None:
    RunSpec.model_validate(copy.deepcopy(tree))
    assert [error.message for error in VALIDATOR.iter_errors(tree)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": 3},
        {"model": {"pos_weight": 45}},
        {"model": {"gate": {"penalty": {"weight": {"start": 0.1, "end": 0.2, "begin": 1}}}}},
        {"epochs": 0},
        {"optimizer": {"lr": 0}},
        {"model": {"norm": "group"}},
        {"model": {"hidden": []}},
        {"loss": {"pos_weight": "automatic"}},
        {"data": {}},
    ],
    ids=str,
)
def test_what_kag_refuses_the_schema_refuses(wrong: dict[str, Any]) -> None:
    tree = {"name": "x", "data": {"file": "a.h5"}} | wrong
    assert not VALIDATOR.is_valid(tree)


def test_every_key_is_explained() -> None:
    schema = RunSpec.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    properties = [section.get("properties") or section["anyOf"][-1]["properties"] for section in sections]
    silent = [
        key
        for group in properties
        for key, entry in group.items()
        if not entry.get("description") and "$ref" not in entry
    ]
    assert silent == []
