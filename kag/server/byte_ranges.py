"""The range of a file that a request asks for (RFC 9110, section 14.2)."""

from __future__ import annotations

import re

_ONE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last; empty if there are none so far back; None if all is to be sent.

    What is no single range of bytes is ignored, as the standard asks for.
    """
    found = _ONE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(size - int(found[2]), 0), size
    first = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < first:
        return None
    return min(first, size), max(end, min(first, size))
