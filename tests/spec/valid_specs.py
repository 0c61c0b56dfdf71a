"""Hypothesis strategies that build any valid run spec, read off the types."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from kag.spec.part import Part
from kag.spec.ramp import Ramp, Shape
from kag.spec.run import RunSpec

Strategy = st.SearchStrategy[Any]

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
paths = words.map(lambda word: f"/data/{word.replace('/', '')}x")
shares = st.floats(0.0, 0.99)


@st.composite
def ramps(draw: st.DrawFn) -> Any:
    """A number, or a ramp within [0, 1)."""
    start, end = draw(shares), draw(shares)
    if start == end or draw(st.booleans()):
        return start
    return {
        "start": start,
        "end": end,
        "epochs": draw(st.integers(1, 40)),
        "shape": draw(st.sampled_from(get_args(Shape))),
    }


SPECIAL: dict[str, Strategy] = {
    "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    "file": paths,
    "clusters": st.none() | paths,
    "indices": paths,
    "hidden": st.lists(st.integers(1, 4096), min_size=1, max_size=4),
    "clamp": st.none() | st.tuples(st.floats(0.0, 0.4), st.floats(0.5, 1.0)).map(list),
    "tags": st.lists(words, max_size=3),
}
"""Fields whose validators say more than their types."""


def part(kind: type[Part]) -> Strategy:
    """A tree of a section with every field set."""
    if kind is Ramp:
        return ramps()
    return st.fixed_dictionaries(
        {name: SPECIAL[name] if name in SPECIAL else of_field(info) for name, info in kind.model_fields.items()}
    )


def of_field(info: FieldInfo) -> Strategy:
    return of_type(info.annotation, info.metadata)


def of_type(annotation: Any, metadata: Iterable[Any] = ()) -> Strategy:
    """Values of a type within the bounds of its metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return of_type(inner, [*metadata, *more])
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(inner, metadata) for inner in get_args(annotation)])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return part(annotation)
    low, high, open_low, open_high = bounds(metadata)
    plain: dict[Any, Strategy] = {
        type(None): st.none(),
        bool: st.booleans(),
        str: words,
        int: st.integers(int(low), int(min(high, 5000))),
        float: st.floats(low, min(high, 1e9), exclude_min=open_low, exclude_max=open_high),
    }
    return plain[annotation]


def bounds(metadata: Iterable[Any]) -> tuple[float, float, bool, bool]:
    """Smallest and largest value, and whether each is excluded."""
    low, high, open_low, open_high = 0.0, 1e9, False, False
    for item in flat_metadata(metadata):
        if isinstance(item, (Ge, Gt)):
            low, open_low = float(item.ge if isinstance(item, Ge) else item.gt), isinstance(item, Gt)  # type: ignore[arg-type]
        if isinstance(item, (Le, Lt)):
            high, open_high = float(item.le if isinstance(item, Le) else item.lt), isinstance(item, Lt)  # type: ignore[arg-type]
    return low, high, open_low, open_high


def flat_metadata(metadata: Iterable[Any]) -> Iterable[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else [item]


trees = part(RunSpec)
"""Complete trees, as a YAML file holds them."""
specs = trees.map(RunSpec.model_validate)
