"""Where things stand in the order that a client asks for, so that a list can be left and entered again anywhere."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping

from kag.number import number
from kag.server.arguments import Arguments, text
from kag.server.faults import Fault

LONGEST = 256
"""Letters of a text that count in an order."""

Place = list[Any]
"""What puts a thing where it is in its list: larger than that of the one before, and of the same types."""


def rank(value: Any, *, falling: bool = False) -> Place:
    """Where a value stands: numbers come before texts (behind them where the order falls), what is missing last."""
    found = float(value) if isinstance(value, bool) else number(value)
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


def placed(
    rows: Iterable[RowMapping], arguments: Arguments, known: Mapping[str, str], *, last: str, newest: bool = False
) -> list[tuple[Place, RowMapping]]:
    """Rows with their places, in the order that the client asks for.

    Args:
        rows: in any order.
        arguments: `order` names a key.
        known: key -> column.
        last: column of whole numbers that tells all rows apart.
        newest: whether the largest of that column comes first.

    Raises:
        Fault: the order names none of the keys.
    """
    asked = words(text(arguments, "order"))
    for key, _ in asked:
        if key not in known:
            raise Fault(f"this list can be ordered by {', '.join(known)}, not by {key!r}")
    sign = -1 if newest else 1
    pairs = [
        ([*(rank(row[known[key]], falling=falling) for key, falling in asked), sign * row[last]], row) for row in rows
    ]
    return sorted(pairs, key=itemgetter(0))
