"""Arguments of the client, taken for what they should be or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from kag.server.faults import Fault

T = TypeVar("T")


def items(given: Mapping[str, Any], name: str, kind: type[T]) -> list[T]:
    """A list argument whose items are all of one kind; empty if it is absent or null.

    Raises:
        Fault: it is something else.
    """
    found = given.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise Fault(f"{name} must be a list of {'words' if kind is str else 'objects'}")
    return found


def text(given: Mapping[str, Any], name: str) -> str | None:
    """A text argument; None if it is absent or null.

    Raises:
        Fault: it is something else.
    """
    found = given.get(name)
    if found is not None and not isinstance(found, str):
        raise Fault(f"{name} must be a text")
    return found
