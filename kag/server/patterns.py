"""Regular expressions of strangers: matched in time linear in the text, whatever they are (RE2)."""

from __future__ import annotations

import re2

from kag.server.faults import Fault

LONGEST = 200
"""Letters of an expression."""
SEARCHED = 4096
"""Letters of a text that are searched, so that no run makes a list wait."""
MEMORY = 2**17
"""Bytes of a compiled expression: its steps for each letter are bounded by them."""


def search(pattern: object, text: str) -> bool:
    """Whether an expression matches somewhere in the first letters of a text.

    Raises:
        Fault: it is none, or uses what RE2 has not: looking around, and references to groups.
    """
    if not isinstance(pattern, str) or len(pattern) > LONGEST:
        raise Fault(f"$regex needs a text of at most {LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode(errors="replace")
        raise Fault(
            f"$regex takes the expressions of RE2, which have neither looking around nor references; "
            f"{pattern!r} is none: {why}"
        ) from error
    return compiled.search(text[:SEARCHED]) is not None
