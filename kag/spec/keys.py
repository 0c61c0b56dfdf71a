"""The vocabulary: every dotted key that a spec can have, read off the types."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from kag.spec.part import Part
from kag.spec.run import RunSpec


def _parts(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _walk(part: type[Part], prefix: str) -> Iterator[tuple[str, Any]]:
    """Key and type of every field."""
    for name, field in part.model_fields.items():
        yield f"{prefix}{name}", field.annotation
        for inner in _parts(field.annotation):
            yield from _walk(inner, f"{prefix}{name}.")


@cache
def nullable_keys() -> frozenset[str]:
    """Keys that take null."""
    return frozenset(key for key, annotation in _walk(RunSpec, "") if type(None) in get_args(annotation))


@cache
def text_keys() -> frozenset[str]:
    """Keys that take a text of any words."""
    return frozenset(key for key, annotation in _walk(RunSpec, "") if annotation in (str, str | None))


@cache
def text_lists() -> frozenset[str]:
    """Keys that take a list of such texts."""
    return frozenset(key for key, annotation in _walk(RunSpec, "") if annotation == tuple[str, ...])


@cache
def known_keys() -> tuple[str, ...]:
    """Every dotted key, sections included: `model`, `model.gate`, `model.gate.penalty.weight.start`, ..."""
    return tuple(key for key, _ in _walk(RunSpec, ""))


def nearest_key(key: str) -> str | None:
    """The known key that was probably meant: alike as a whole, or a key elsewhere with the same last word."""
    same_word = [known for known in known_keys() if known.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    if same_word:
        return max(same_word, key=lambda known: difflib.SequenceMatcher(None, known, key).ratio())
    return next(iter(difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.5)), None)
