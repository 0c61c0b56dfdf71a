"""What a search is best judged by, given the settings that it varies."""

from __future__ import annotations

from collections.abc import Collection

from kag import names


def objective(keys: Collection[str]) -> str:
    """The logged metric that tells trials apart which differ in these settings of the run spec.

    A run delivers its best single epoch where that beats the average of its weights. Runs that differ in their
    averaging alone then all deliver the same epoch, and only the averages themselves say which window is better.
    """
    only_averaging = bool(keys) and all(key.split(".")[0] == "swa" for key in keys)
    return names.averaged(names.OBJECTIVE) if only_averaging else names.OBJECTIVE
