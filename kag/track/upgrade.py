"""Records of older layouts: one function for each version, from the JSON of that version to that of the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kag.spec.flat import Scalar
from kag.spec.retired import without_retired
from kag.track.record import Stated

Json = dict[str, Any]


def upgraded(content: Json, to: int) -> Json:
    """The content in the layout of a version; one of that version or of an unknown one is returned as it is."""
    while (version := content.get("schema_version", 1)) in UPGRADES and version < to:
        content = UPGRADES[version](content)
    return content


def from_1(content: Json) -> Json:
    """Facts were one mapping of anything, settings were called spec, and an unknown number of epochs was 0."""
    left = {key: value for key, value in content.items() if key not in ("facts", "spec", "spec_digest", "environment")}
    facts, spec = dict(content.get("facts", {})), dict(content.get("spec", {}))
    environment = dict(content.get("environment", {}))
    if content.get("kind") == "imported":
        parts: Json = {"stated": _stated(facts), "config": spec}
    else:
        # What did nothing to a run of kag's own is gone; a hand-kept log states what another program was told.
        config = without_retired(spec)
        parts = {"found": _found(facts, content.get("spec_digest")), "config": config}
        if world := _world(config, environment):
            parts["world"] = world
    begun = content.get("kind", "train") == "train" and content.get("status") != "planned"
    if not content.get("epochs_trained") and not begun:
        left["epochs_trained"] = None
    return {**left, **parts, "environment": environment, "schema_version": 2}


def _stated(facts: Json) -> Json:
    return {key: value for key, value in facts.items() if key in Stated.model_fields}


def _found(facts: Json, spec_digest: str | None) -> Json | None:
    """The rest is told by other fields: inherited epochs by the sources, averaging that never began by no epochs."""
    kept = {key: value for key, value in facts.items() if key not in ("inherited_epochs", "swa")}
    return {"spec_digest": spec_digest, **kept} if kept or spec_digest else None


def _world(spec: dict[str, Scalar], environment: Json) -> Json:
    """What was kept of the world; processes are known where their number was asked for, or where there was no GPU."""
    threads, device = environment.pop("threads", None), environment.pop("device", None)
    if threads is None and device is None:
        return {}
    wanted = spec.get("trainer.devices")
    processes = wanted if isinstance(wanted, int) else 1 if device == "cpu" else None
    batch, accumulate = spec.get("data.batch_size"), spec.get("trainer.accumulate")
    known = isinstance(batch, int) and isinstance(accumulate, int) and processes is not None
    return {
        "processes": processes,
        "device": device,
        "precision": spec.get("trainer.precision"),
        "threads": threads,
        "accumulate": accumulate,
        "effective_batch": batch * processes * accumulate if known else None,  # type: ignore[operator]
    }


UPGRADES: dict[int, Callable[[Json], Json]] = {1: from_1}
"""Version -> what makes the next one of it."""
