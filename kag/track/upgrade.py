"""Records of older layouts: one function for each version, from the JSON of that version to that of the next.

The rows of a history have no version: one of before tells itself by what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kag import names
from kag.spec.flat import Scalar
from kag.spec.retired import without_retired
from kag.track.stated import Stated

Json = dict[str, Any]

_BCE = names.evaluation("val", "bce")
_BEFORE_BCE: Mapping[str, str] = MappingProxyType(
    {names.VAL_LOSS: _BCE, names.averaged(names.VAL_LOSS): names.averaged(_BCE)}
)
"""Keys of a row without `val/bce`, under which that stood, and what it is called now."""


def upgraded(content: Json, to: int) -> Json:
    """The content in the layout of a version; one of that version or of an unknown one is returned as it is."""
    while (version := content.get("schema_version", 1)) in UPGRADES and version < to:
        content = UPGRADES[version](content)
    return content


def upgraded_row(row: dict[str, float]) -> dict[str, float]:
    """A row of a history that kag wrote, with the keys of today."""
    return row if _BCE in row else {_BEFORE_BCE.get(key, key): value for key, value in row.items()}


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


def from_2(content: Json) -> Json:
    """The cross-entropy in which every point weighs the same was called loss; val was measured as training went."""
    results, world = content.get("results"), content.get("world")
    changed: Json = {"schema_version": 3}
    if isinstance(results, list):
        changed["results"] = [_renamed(result) if isinstance(result, dict) else result for result in results]
    if isinstance(world, dict):
        changed["world"] = world | {"validation": world.get("precision")}
    return content | changed


def from_3(content: Json) -> Json:
    """A resume was the list of its changes, and nobody wrote when it was."""
    resumes = content.get("resumes")
    told = [{"changes": changes} for changes in resumes] if isinstance(resumes, list) else resumes
    return {**content, "schema_version": 4, **({} if resumes is None else {"resumes": told})}


def _renamed(result: Json) -> Json:
    """What names no weights was logged by another program, or stated; it means what that says."""
    own = result.get("weights") is not None and result.get("metric") == "loss"
    return result | {"metric": "bce"} if own else result


UPGRADES: dict[int, Callable[[Json], Json]] = {1: from_1, 2: from_2, 3: from_3}
"""Version -> what makes the next one of it."""
