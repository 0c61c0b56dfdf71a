"""October 17's settings for tests whose claims rest on them: a gate with an MLP and ramps, an auxiliary head.

What `runs/specs/oct17.yaml` writes out; the defaults of a spec were these once, and may become others again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kag.spec.model import ModelSpec
from kag.spec.text import read_yaml

OCT17 = Path(__file__).parents[1] / "runs" / "specs" / "oct17.yaml"


@functools.cache
def _oct17() -> dict[str, Any]:
    tree = read_yaml(OCT17).tree
    del tree["name"], tree["change"], tree["data"]["file"]
    return tree


def october(changes: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of a spec that is October's but for these changes, nested; a name and a file are none of October's."""
    tree: dict[str, Any] = merged(_oct17(), changes)
    return tree


def october_model(changes: Mapping[str, Any] | None = None) -> ModelSpec:
    """October's model but for these changes, nested."""
    return ModelSpec.model_validate(merged(_oct17()["model"], changes or {}))


def merged(tree: Any, changes: Any) -> Any:
    """Mappings key by key; anything else is replaced."""
    if not (isinstance(tree, Mapping) and isinstance(changes, Mapping)):
        return changes
    return {**tree, **{key: merged(tree.get(key), value) for key, value in changes.items()}}
