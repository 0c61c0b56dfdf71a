"""Logged numbers as JSON spells them, and JSON of strangers made sound.

JSON has neither NaN nor infinities: W&B's clients and server spell them as words, and so does everything here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

WORDS: Mapping[str, float] = MappingProxyType({"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf})
"""Word -> number that JSON cannot spell."""

DEEPEST = 60
"""Levels that a tree of JSON may have; what lies deeper is kept as its text."""

MOST_EPOCHS = 2**53
"""A counted number beyond this is none: a float cannot tell it from its neighbours."""

_ESCAPED = re.compile(r"\\u[dD][89abAB]|\\u0000")
_KINDS = bytes.maketrans(b"123456789E", b"000000000e")
"""Every digit is as good as another where a number is looked for that is too large for a float."""
_EXPONENT = re.compile(rb"e\+?00")
_LONG = b"0" * 200
_BEFORE_A_NUMBER = b"-,:[ \t\r\n"


def number(value: Any) -> float | None:
    """The number that a value of JSON is, NaN and infinities by their words; None for what is none."""
    if type(value) is float:  # nearly all of them are, and a project has millions
        return value
    if isinstance(value, str):
        return WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def count(value: Any) -> int | None:
    """The whole number that a value of JSON counts (an epoch, a step); None for what counts nothing."""
    found = number(value)
    return int(found) if found is not None and abs(found) < MOST_EPOCHS else None


def word(value: float) -> float | str:
    """A number as JSON can spell it."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def sound(value: Any, *, levels: int = DEEPEST) -> Any:
    """A value that any reader of JSON can take: see `sound_json`."""
    if isinstance(value, float):
        return word(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**1023 else word(number(value) or 0.0)
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, (Mapping, list, tuple)) and not levels:
        return json.dumps(value, default=str)
    if isinstance(value, Mapping):
        return {sound(str(key)): sound(one, levels=levels - 1) for key, one in value.items()}
    return [sound(one, levels=levels - 1) for one in value] if isinstance(value, (list, tuple)) else value


def is_sound(text: str) -> bool:
    """Whether a text of JSON surely holds nothing that `sound` would change; most need no look at any value."""
    return text.count("{") + text.count("[") <= DEEPEST and is_spelt(text)


def is_spelt(text: str) -> bool:
    """Whether a text of JSON surely holds nothing that `sound` would change but depth."""
    if "NaN" in text or "Infinity" in text:
        return False
    if "\\u" in text and _ESCAPED.search(text):
        return False
    # Plain searches in bytes: every row of a history comes by here, and every setting of a table of runs.
    kinds = text.encode(errors="surrogatepass").translate(_KINDS)
    return _LONG not in kinds and not any(_in_number(kinds[: at.start()]) for at in _EXPONENT.finditer(kinds))


def _in_number(before: bytes) -> bool:
    """Whether what stands before an exponent makes it that of a number: most stand amid the letters of a digest."""
    head = before.rstrip(b"0.")
    return len(head) < len(before) and (not head or head[-1] in _BEFORE_A_NUMBER)


def is_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether a value as `json` reads it has more levels than a tree may have; of a wide one no leaf is looked at."""
    inner: Iterable[Any] = [value]
    for _ in range(levels + 1):
        layer = [one for one in inner if type(one) is dict or type(one) is list]
        if not layer:
            return False
        inner = chain.from_iterable(one.values() if type(one) is dict else one for one in layer)
    return True


def read_json(text: str) -> Any:
    """What a text of JSON holds, made sound as by `sound_json`, several times as fast.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested beyond measure.
    """
    if is_spelt(text):
        with suppress(ValueError):  # what is nested deeper than this reader goes is cut by the other one
            value = from_json(text)
            if text.count("{") + text.count("[") <= DEEPEST or not is_deep(value):
                return value
    return sound_json(text)[0]


def sound_text(text: str) -> str:
    """A text of JSON with words for what JSON cannot spell; see `sound_json`."""
    return text if is_sound(text) else sound_json(text)[1]


def sound_json(text: str) -> tuple[Any, str]:
    """What a text of JSON holds, and the text: both with words for what JSON cannot spell.

    NaN, the infinities and numbers beyond every float become words, half of a surrogate pair `?`, NUL the sign for what
    cannot be shown, and what is nested deeper than `DEEPEST` its own text.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested beyond measure.
    """
    value = json.loads(text)
    if is_sound(text) or (is_spelt(text) and not is_deep(value)):
        return value, text
    value = sound(value)
    return value, json.dumps(value)
