"""Arguments of the client, taken for what they should be or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from kag.number import sound_json
from kag.server import bounded_json
from kag.server.context import Context
from kag.server.faults import Fault

Arguments = dict[str, Any]
T = TypeVar("T")

MAX_ITEMS = 30_000
"""Items of a list: each may become a parameter of one query, of which databases take some tens of thousands."""


def items(given: Mapping[str, Any], name: str, kind: type[T]) -> list[T]:
    """A list argument whose items are all of one kind; empty if it is absent or null, a Fault if it is no such list."""
    found = given.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise Fault(f"{name} must be a list of {'words' if kind is str else 'objects'}")
    if len(found) > MAX_ITEMS:
        raise Fault(f"{name} may have {MAX_ITEMS} items at most")
    return found


def text(given: Mapping[str, Any], name: str) -> str | None:
    """A text argument; None if it is absent or null, a Fault if it is something else."""
    found = given.get(name)
    if found is not None and not isinstance(found, str):
        raise Fault(f"{name} must be a text")
    return found


def json_object(what: str, text: Any) -> dict[str, Any]:
    """A JSON object from its text, made sound, or a Fault."""
    return kept_object(what, text)[0]


def kept_object(what: str, text: Any) -> tuple[dict[str, Any], str]:
    """A JSON object from its text, and the text to keep, both made sound (`kag.number.sound_json`), or a Fault."""
    if not isinstance(text, (str, bytes)):
        raise Fault(f"{what} is not JSON")
    bounded_json.check([text.encode(errors="surrogatepass") if isinstance(text, str) else text])
    try:
        value, kept = sound_json(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError) as error:
        raise Fault(f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise Fault(f"{what} is not a JSON object")
    return value, kept


def input_of(arguments: Arguments) -> Arguments:
    """The `input` of a mutation, or a Fault."""
    given = arguments.get("input")
    if not isinstance(given, dict):
        raise Fault("input is missing")
    return given


def entity_of(context: Context, arguments: Mapping[str, Any]) -> str:
    """The entity that a request means; a Fault if it is no text."""
    entity = arguments.get("entityName") or arguments.get("entity") or context.settings.entity
    if not isinstance(entity, str):
        raise Fault("an entity is a text")
    return entity
