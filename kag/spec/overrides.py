"""Overrides of spec keys, in the forms that people and `wandb agent` write them.

`a.b=c`, `--a.b=c`, and one JSON object `{"a.b": c}` (what `${args_json}` gives; nested objects are walked too).
A value is read as JSON first (`null`, `true`, `[64, 32]`, `1e-4`), then as one of Python's words `None`, `True` and
`False`, which is how `wandb agent` writes them; else it is text. A setting that is a text takes it as it was typed:
`name=2026`, `change=1e3`; only `null` switches one off that can be off, and quotes around the whole are no part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kag.errors import SpecError
from kag.spec.keys import nullable_keys, text_keys, text_lists
from kag.text import joined

_DEEPEST = 16
_WORDS = {"None": None, "True": True, "False": False}
_KEY = re.compile(rf"[^.\s]+(\.[^.\s]+){{0,{_DEEPEST - 1}}}")


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """Dotted key -> value, in the order given; a later one wins.

    Raises:
        SpecError: a word has none of the three forms.
    """
    overrides: dict[str, Any] = {}
    for word in words:
        for key, value in _whole(word):
            if not _KEY.fullmatch(key):
                raise _unreadable(word)
            overrides.pop(key, None)
            overrides[key] = value
    return overrides


def _whole(word: str) -> list[tuple[str, Any]]:
    try:
        return [(joined(key), joined(value)) for key, value in _pairs(word)]
    except UnicodeError as error:
        what = f"the override {_shortened(word)} holds half of a surrogate pair, or what is not UTF-8"
        raise SpecError(what, remedy="write the characters themselves, in UTF-8") from error
    except RecursionError as error:  # some releases of Python read what is nested more deeply than they can walk
        raise _unreadable(word) from error


def _pairs(word: str) -> Iterator[tuple[str, Any]]:
    if word.lstrip().startswith("{"):
        return _leaves(_object(word), "")
    key, sign, text = word.removeprefix("--").partition("=")
    if not sign:
        raise _unreadable(word)
    return _leaves({key.strip(): typed(key.strip(), text)}, "")


def _object(word: str) -> dict[str, Any]:
    try:
        return dict(json.loads(word))
    except json.JSONDecodeError as error:
        what = f"the override {_shortened(word)} is not a JSON object: {error.msg}"
        raise SpecError(what, where=f"column {error.colno}") from error


def _unreadable(word: str) -> SpecError:
    remedy = "write key=value, --key=value, or one JSON object of dotted keys"
    return SpecError(f"cannot read the override {_shortened(word)}", remedy=remedy)


def _shortened(word: str) -> str:
    return repr(word if len(word) <= 80 else word[:77] + "...")


def _leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and prefix.count(".") < _DEEPEST:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def typed(key: str, text: str) -> Any:
    """The value of a key that a command line means by a text."""
    value = json_or_text(text)
    if key in text_lists() and isinstance(value, list):
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    off = value is None and key in nullable_keys()
    return value if key not in text_keys() or isinstance(value, str) or off else text


def as_text(key: str, value: Any) -> Any:
    """The value of a key that a sweep or a JSON object means: of a whole number it is sure how it was typed."""
    if key in text_lists() and isinstance(value, list):
        return [_digits(one) for one in value]
    return _digits(value) if key in text_keys() else value


def _digits(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def json_or_text(text: str) -> Any:
    """The value that a command line means: JSON (but NaN and Infinity stay text), a word of Python's, else the text."""
    try:
        return json.loads(text, parse_constant=str)
    except (json.JSONDecodeError, RecursionError):
        return _WORDS.get(text, text)
