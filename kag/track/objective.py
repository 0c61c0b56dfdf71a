"""What the config of a sweep of W&B says: what it is after, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from kag.track.record import Declared


def objective_of(config: str) -> Declared | None:
    """The metric of a sweep's config, a YAML text; None where it names none. W&B minimises unless it is told."""
    return objective_in(said_in(config))


def said_in(config: str) -> Mapping[str, Any]:
    """What a config says; nothing, where it is no YAML mapping."""
    try:
        said: Any = yaml.safe_load(config)
    except yaml.YAMLError:
        return {}
    return said if isinstance(said, dict) else {}


def objective_in(said: Mapping[str, Any]) -> Declared | None:
    """The metric that a config names, if any."""
    metric = said.get("metric")
    if not isinstance(metric, dict) or not isinstance(name := metric.get("name"), str) or not name:
        return None
    return Declared(metric=name, goal="max" if metric.get("goal") == "maximize" else "min", by="sweep")


def sweep_title(identity: str, display_name: str | None, named: Any) -> str:
    """What a sweep is called: as a person has named it, else as its file does, else its id.

    Args:
        identity: its id.
        display_name: what a person calls it, if any does.
        named: `name` of its config.
    """
    return display_name or (named if isinstance(named, str) else "") or identity
