"""Sweeps of one server into another, under the names that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kag.errors import NotTaken
from kag.transfer.asking import Project
from kag.transfer.target import Target

_PAGE = "page: sweeps(first: 100, after: $after) PAGE"
_SWEEP = "node { name config state displayName description controller createdAt updatedAt }"
SAME = ("config", "state", "displayName", "description", "createdAt", "updatedAt")


def bring_sweeps(target: Target, origin: Project, refused: Callable[[str, NotTaken], None]) -> int:
    """Make the sweeps that the server has not, and bring the others up to date; how many are new.

    Call it before runs join their sweeps, and after that again: what joins a sweep is a change of it.

    Args:
        target: where they go.
        origin: where they are.
        refused: told of a sweep that cannot be taken.

    Raises:
        NotTaken: one of the servers does not list its sweeps.
    """
    held = _sweeps(target)
    new = 0
    for name, sweep in reversed(_sweeps(origin).items()):
        there = held.get(name)
        if there is not None and all(there[part] == sweep[part] for part in SAME):
            continue
        try:
            target.change("importSweep", {**sweep, **target.place}, "sweep { name }")
        except NotTaken as error:
            refused(f"sweep {name}", error)
            continue
        new += there is None
    return new


def _sweeps(project: Project) -> dict[str, Mapping[str, Any]]:
    """By name, the newest first."""
    return {edge["node"]["name"]: edge["node"] for edge in project.pages(_PAGE, _SWEEP)}
