"""Overrides of spec keys, in the forms that people and `wandb agent` write them.

`a.b=c`, `--a.b=c`, and one JSON object `{"a.b": c}` (what `${args_json}` gives; nested objects are walked too).
A value is read as JSON first (`null`, `true`, `[64, 32]`, `1e-4`), else it is text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kag.errors import SpecError


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """Dotted key -> value, in the order given; a later one wins.

    Raises:
        SpecError: a word has none of the three forms.
    """
    overrides: dict[str, Any] = {}
    for word in words:
        for key, value in _pairs(word):
            overrides.pop(key, None)
            overrides[key] = value
    return overrides


def _pairs(word: str) -> Iterator[tuple[str, Any]]:
    if word.lstrip().startswith("{"):
        yield from _object(word)
        return
    key, sign, text = word.removeprefix("--").partition("=")
    key = key.strip()
    if not sign or not key or any(not part for part in key.split(".")):
        raise SpecError(
            f"cannot read the override {word!r}",
            remedy="write key=value, --key=value, or one JSON object of dotted keys",
        )
    yield key, json_or_text(text)


def _object(word: str) -> Iterator[tuple[str, Any]]:
    try:
        tree = json.loads(word)
    except json.JSONDecodeError as error:
        raise SpecError(f"the override {word!r} is not a JSON object: {error.msg}", where=f"column {error.colno}") from error
    yield from _leaves(tree, "")


def _leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def json_or_text(text: str) -> Any:
    """The value that a command line means: JSON if it is JSON (but NaN and Infinity stay text), else the text."""
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError:
        return text
