"""Specs that kag wrote before it had all of today's keys: what they leave out means what kag did then.

A run folder and a checkpoint hold every key that a spec had when they were written. So only a key that came later can
be missing there, and a network with another activation would load the same weights and say something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kag.spec.flat import flatten

BEFORE = {"model.activation": "relu", "model.embedding_norm": "none", "optimizer.decay": "everything"}
"""Dotted key that came later -> what kag did without it, where the default is something else."""

_WRITTEN = frozenset(
    {
        "parent",
        "start_from",
        "swa",
        "data.replay",
        "model.periodic",
        "model.gate.clamp",
        "model.gate.context_norm",
        "loss.gamma",
        "loss.margin",
        "loss.warmup",
        "track.entity",
        "track.tags",
    }
)
"""Keys that are as old as specs: kag has always written all of them, whatever is in them, and nobody types them all."""


def with_earlier(tree: Any) -> Any:
    """The same nested mapping; one that kag wrote has those of `BEFORE` that it was written without."""
    if not isinstance(tree, Mapping):
        return tree
    said = {key for leaf in flatten(tree) for key in _and_above(leaf)}
    if not said >= _WRITTEN:
        return tree
    for key in BEFORE.keys() - said:
        section, _, name = key.partition(".")
        if isinstance(tree.get(section), Mapping):
            tree = {**tree, section: {**tree[section], name: BEFORE[key]}}
    return tree


def _and_above(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
