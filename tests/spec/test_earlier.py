"""Specs that kag wrote before a key was: they mean what they meant, whatever the defaults have become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kag.spec import RunSpec, build_spec, digest, load_spec
from kag.spec.earlier import BEFORE, with_earlier
from kag.spec.keys import known_keys
from kag.spec.run import default_spec
from kag.spec.text import yaml_text

ROOT = Path(__file__).parents[2]
OCT17 = ROOT / "runs" / "specs" / "oct17.yaml"
SINCE = (*BEFORE, "model.embedding_norm", "loss.label_smoothing", "optimizer.schedule.warmup_epochs", "ema", "evaluate")
"""Keys that the first version had not."""


def without(tree: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The tree without dotted keys."""
    tree = json.loads(json.dumps(tree))
    for key in keys:
        *above, name = key.split(".")
        section = tree
        for part in above:
            section = section[part]
        section.pop(name, None)
    return tree


@pytest.fixture
def written() -> dict[str, Any]:
    """The October 17 model as kag wrote it before it knew activations."""
    return without(load_spec(OCT17).model_dump(mode="json"), *SINCE)


def test_a_stored_spec_of_then_is_the_model_of_then(written: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(yaml_text(written))
    assert load_spec(file) == build_spec(written) == load_spec(OCT17)
    assert load_spec(file, ["model.activation=gelu"]).model.activation == "gelu"
    assert RunSpec.model_validate(with_earlier(written)) == load_spec(OCT17), "as a checkpoint is read"


@pytest.mark.parametrize("key", ["parent", "model.gate.clamp", "loss.margin", "track.tags", "model"])
def test_what_a_person_wrote_has_the_defaults_of_today(written: dict[str, Any], key: str) -> None:
    typed = without(written, key)
    assert with_earlier(typed) == typed
    spec, defaults = build_spec(typed), default_spec()
    assert (spec.model.activation, spec.optimizer.decay) == (defaults.model.activation, defaults.optimizer.decay)


@pytest.mark.parametrize("tree", [None, 3, {}, {"model": 3, "optimizer": None}])
def test_what_is_no_spec_is_left_as_it_is(tree: Any) -> None:
    assert with_earlier(tree) == tree


def test_a_spec_that_is_whole_is_left_as_it_is() -> None:
    whole = default_spec().model_dump(mode="json")
    assert with_earlier(whole) == whole
    assert with_earlier(without(whole, "optimizer")) == without(whole, "optimizer")
    assert set(BEFORE) <= set(known_keys())


def test_the_run_folders_that_are_kept_have_the_settings_that_they_were_trained_with() -> None:
    """They were written under other defaults; nothing in them rests on a default."""
    folders = {folder.name.split("_", 2)[2]: folder for folder in sorted((ROOT / "runs" / "sites").glob("*_*_*"))}
    kept = 0
    for folder in list(folders.values())[::4]:
        found = json.loads((folder / "record.json").read_text()).get("found") or {}
        if found.get("spec_digest") and (folder / "spec.yaml").is_file():
            assert digest(load_spec(folder / "spec.yaml")) == found["spec_digest"], folder.name
            kept += 1
    assert kept >= 5
