"""A spec as dotted keys, its digest, and where two specs differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from kag.spec.run import RunSpec

Scalar = str | int | float | bool | None

EVALUATE_TEST = "evaluate.test"
"""Key that says whether a run looks at test."""

CLUSTERS = "data.clusters"
"""Key of a file that says which proteins are drawn as one: it changes intervals, no number that they are of."""

DESCRIPTIVE = (
    *("name", "change", "parent", "data.file", CLUSTERS, "trainer.threads", "trainer.checkpoint_every", EVALUATE_TEST),
    *("track.project", "track.entity", "track.mode", "track.tags"),
)
"""Keys that describe a run and cannot change a number in it; the data is known by its own digest, and how many threads
there really were by the world."""


def flat(spec: RunSpec) -> dict[str, Scalar]:
    """Dotted key -> value. A list is its JSON text, an absent section is one None, a constant ramp is one number."""
    return flatten(spec.model_dump(mode="json"))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """The leaves of a nested mapping by dotted key."""
    leaves: dict[str, Scalar] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, (list, tuple)) else value
    return leaves


def keys_of(trees: Iterable[Mapping[str, Any]]) -> list[str]:
    """The dotted keys of nested mappings, each where it comes first.

    Of a thousand runs of one program most have the same keys, so no value is looked at twice for them.
    """
    shapes: dict[_Shape, Mapping[str, Any]] = {}
    for tree in trees:
        shapes.setdefault(_shape(tree), tree)
    return list(dict.fromkeys(key for tree in shapes.values() for key in flatten(tree)))


_Shape = tuple[Hashable, ...]


_LEAVES = frozenset({str, int, float, bool, type(None), list})


def _shape(tree: Mapping[str, Any]) -> _Shape:
    """The keys at every level; that a value is a leaf is seen by its type for nearly all of a million."""
    return tuple(
        key if type(value) in _LEAVES or not isinstance(value, Mapping) else (key, _shape(value))
        for key, value in tree.items()
    )


def digest(spec: RunSpec) -> str:
    """SHA-256 of everything in the spec that can change a number of the run."""
    leaves = {key: value for key, value in flat(spec).items() if key not in DESCRIPTIVE}
    return hashlib.sha256(json.dumps(leaves, sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> dict[str, tuple[Scalar, Scalar]]:
    """Key -> (before, after) for every key on which two flat specs differ, in the order of `after`, then `before`.

    Where one side has a number and the other a ramp (`weight` against `weight.start`, ...), the keys of both appear.
    """
    keys = [*after, *(key for key in before if key not in after)]
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1] or type(pair[0]) is not type(pair[1])}
