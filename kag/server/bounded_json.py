"""JSON of strangers, held against what it would become in memory before it is parsed.

64 KiB of gzip can be 64 MiB of empty lists, and those gigabytes of objects. Brackets and commas tell beforehand how
many values there are and how deeply they are nested, at the speed of a search for strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from kag.server.faults import Fault
from kag.track.collector import resting

MAX_VALUES = 2_000_000
"""Values in one request, and in one text of JSON that it carries."""
DEEPEST = 950
"""Levels of lists and objects in each other; what is kept has fewer (`kag.number.DEEPEST`)."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_STEP = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""A bracket as a signed byte: one level deeper, or back."""
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))


def loads(data: bytes) -> Any:
    """The value of a text of JSON in UTF-8.

    Raises:
        Fault: it is none, holds half of a surrogate pair, or would become too much.
    """
    check([data])
    try:
        value = _parsed(data)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Fault("the body is not JSON in UTF-8") from error
    return value


def _parsed(data: bytes) -> Any:
    """Nobody else runs meanwhile."""
    with resting():
        return json.loads(data)


def check(texts: Iterable[bytes]) -> None:
    """Hold texts of JSON, all of which are to be in memory at once, against the bounds.

    Raises:
        Fault: they hold too many values, or one is nested too deeply.
    """
    values = 0
    for text in texts:
        marks = text.count(b",") + text.count(b"[") + text.count(b"{")
        if values + marks <= MAX_VALUES and text.count(b"[") + text.count(b"{") <= DEEPEST:
            values += marks
            continue
        bare = _STRING.sub(b"", text)
        values += bare.count(b",") + bare.count(b"[") + bare.count(b"{")
        if values > MAX_VALUES:
            raise Fault(f"a request may hold {MAX_VALUES} values at most", status=413)
        if _depth(bare) > DEEPEST:
            raise Fault(f"JSON may be nested {DEEPEST} levels deep at most")


def _depth(bare: bytes) -> int:
    """How deeply lists and objects lie in each other; the text holds no strings."""
    import numpy as np  # only strangers need it

    steps = np.frombuffer(bare.translate(_STEP, _OTHERS), dtype=np.int8)
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))
