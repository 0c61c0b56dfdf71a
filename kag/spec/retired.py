"""Keys that a spec once had and that do nothing any more: files that still say them are read without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RETIRED = {
    "data.workers": "loaders hand out row numbers alone, in the process of the run",
    "trainer.strategy": "several processes always train as plain ddp",
}
"""Dotted key -> why it does nothing."""


def retired_in(tree: Mapping[str, Any], prefix: str = "") -> tuple[str, ...]:
    """Retired keys of a mapping, nested or with dotted keys."""
    found: list[str] = []
    for name, value in tree.items():
        key = f"{prefix}{name}"
        found += [key] if key in RETIRED else retired_in(value, f"{key}.") if isinstance(value, Mapping) else ()
    return tuple(found)


def without_retired(value: Any, prefix: str = "") -> Any:
    """The same mapping without its retired keys; what is no mapping stays as it is."""
    if not isinstance(value, Mapping):
        return value
    kept = {name: inner for name, inner in value.items() if f"{prefix}{name}" not in RETIRED}
    return {name: without_retired(inner, f"{prefix}{name}.") for name, inner in kept.items()}


def retired_sentence(keys: Sequence[str]) -> str:
    """`data.workers and trainer.strategy do nothing any more: ...`, with the reason of each."""
    verb = "does" if len(keys) == 1 else "do"
    return f"{' and '.join(keys)} {verb} nothing any more: {'; '.join(RETIRED[key] for key in keys)}"
