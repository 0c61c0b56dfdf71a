"""Where things stand in the order that a client asks for, so that a list can be left and entered again anywhere."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from kag.number import number
from kag.server.arguments import Arguments, text
from kag.server.faults import Fault
from kag.server.keyset import LONGEST, Key, Place


def rank(value: Any, *, falling: bool = False, is_text: bool = False) -> Place:
    """Where a value stands: numbers come before texts (behind them where the order falls), what is missing last.

    Args:
        value: of JSON, or of a column.
        falling: whether the order is turned round.
        is_text: whether a text that says a number is a text all the same: of a column of texts each is.
    """
    found = None if is_text else float(value) if isinstance(value, bool) else number(value)
    if value is None or (found is not None and math.isnan(found)):
        return [2, 0.0, []]
    sign = -1 if falling else 1
    if found is not None:
        return [1 if falling else 0, sign * max(min(found, sys.float_info.max), -sys.float_info.max), []]
    letters = (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[:LONGEST]
    # The end of a text comes before any letter, and behind every letter where the order is turned round.
    return [0 if falling else 1, 0.0, [*(sign * ord(letter) for letter in letters), -sign]]


def words(order: Any) -> list[tuple[str, bool]]:
    """The keys of an order `+key, -key`, and whether each falls.

    Raises:
        Fault: it is no text.
    """
    if order is not None and not isinstance(order, str):
        raise Fault("an order must be a text")
    parts = [word.strip() for word in (order or "").split(",") if word.strip()]
    return [(part.lstrip("+-"), part.startswith("-")) for part in parts]


def order_of(arguments: Arguments, known: Mapping[str, ColumnElement[Any]], *, last: Key) -> list[Key]:
    """The order that the client asks for.

    Args:
        arguments: `order` names keys.
        known: key -> column.
        last: tells all rows apart.

    Raises:
        Fault: the order names none of the keys.
    """
    asked = words(text(arguments, "order"))
    for key, _ in asked:
        if key not in known:
            raise Fault(f"this list can be ordered by {', '.join(known)}, not by {key!r}")
    return [*(Key(known[key], falling) for key, falling in asked), last]
