"""What a sweep of W&B is after: the metric of its config."""

from __future__ import annotations

from typing import Any

import yaml

from kag.track.record import Declared


def objective_of(config: str) -> Declared | None:
    """The metric of a sweep's config, a YAML text; None where it names none. W&B minimises unless it is told."""
    try:
        said: Any = yaml.safe_load(config)
    except yaml.YAMLError:
        return None
    metric = said.get("metric") if isinstance(said, dict) else None
    if not isinstance(metric, dict) or not isinstance(name := metric.get("name"), str) or not name:
        return None
    return Declared(metric=name, goal="max" if metric.get("goal") == "maximize" else "min", by="sweep")
