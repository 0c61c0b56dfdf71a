"""Where a value stands among those that are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def position(values: Sequence[Any], value: Any) -> int | None:
    """Where a value stands among some: 1, 1.0 and True are three, but where 1.0 is not among them, 1 stands for it.

    W&B's client sends 0.0 as 0. None where it is none of them.
    """
    equal = [at for at, known in enumerate(values) if known == value and (type(known) is bool) is (type(value) is bool)]
    return next((at for at in equal if type(values[at]) is type(value)), next(iter(equal), None))


def required_position(values: Sequence[Any], value: Any) -> int:
    """The same of a value that is among them.

    Raises:
        ValueError: it is none of them.
    """
    found = position(values, value)
    if found is None:
        raise ValueError(f"{value!r} is none of {tuple(values)}")
    return found
