"""What strangers log, made sound: strict JSON, no number beyond a float, no depth beyond measure."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.number import DEEPEST, count, is_deep, is_sound, is_spelt, number, read_json, sound, sound_json, word

HUGE = int("9" * 400)


def strict(text: str) -> Any:
    """JSON as every other language reads it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": NaN, "b": [-Infinity, 1e999]}', {"a": "NaN", "b": ["-Infinity", "Infinity"]}),
        (f"[1.5e308, -1E+999, {'9' * 250}e99, 9e9]", [1.5e308, "-Infinity", "Infinity", 9e9]),
        (f'{{"a": -{HUGE}, "b": 12345678901234567890}}', {"a": "-Infinity", "b": 12345678901234567890}),
        ('{"a\\ud800": "x\\u0000\\udfff", "b": "\\ud83d\\ude00"}', {"a?": "x\ufffd?", "b": "\U0001f600"}),
        ('{"name": "NaN and Infinity", "exp": 1e100}', {"name": "NaN and Infinity", "exp": 1e100}),
    ],
)
def test_what_json_cannot_spell_becomes_a_word(text: str, value: Any) -> None:
    found, kept = sound_json(text)
    assert found == value == strict(kept)
    assert read_json(text) == value
    assert sound_json(kept) == (found, kept), "made sound once and for all"


def test_what_is_nested_too_deeply_is_kept_as_its_text() -> None:
    depth = 5 * DEEPEST
    found, kept = sound_json('{"a":' * depth + "1" + "}" * depth)
    levels = 0
    while isinstance(found, dict):
        found, levels = found["a"], levels + 1
    assert levels == DEEPEST
    assert json.loads(found) == json.loads('{"a":' * (depth - levels) + "1" + "}" * (depth - levels))
    assert strict(kept)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, DEEPEST + 3), st.integers(0, 2 * DEEPEST), st.booleans())
def test_what_is_wide_is_looked_at_only_for_its_depth(depth: int, width: int, lists: bool) -> None:
    """Settings of a program of a hundred keys are as sound as those of ten."""
    tree: Any = 1
    for _ in range(depth):
        tree = [tree] if lists else {"a": tree}
    text = json.dumps({"deep": tree, **{f"key{i}": {"value": i} for i in range(width)}})
    found, kept = sound_json(text)
    assert found == sound(json.loads(text))
    assert read_json(text) == found
    assert (kept == text) == (depth + 1 <= DEEPEST)
    assert is_deep(json.loads(text)) == (depth + 1 > DEEPEST)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@settings(max_examples=150, deadline=None)
@given(trees)
def test_any_tree_becomes_strict_json(tree: Any) -> None:
    found, kept = sound_json(json.dumps(tree))
    assert strict(kept) == found == read_json(json.dumps(tree)) == read_json(json.dumps(tree, ensure_ascii=False))
    kept.encode()
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    if is_sound(json.dumps(tree)):
        assert found == tree


@pytest.mark.parametrize(
    ("value", "found"),
    [(1, 1.0), ("Infinity", math.inf), (HUGE, math.inf), (-HUGE, -math.inf), (True, None), ("1", None), (None, None)],
)
def test_the_number_that_a_value_is(value: Any, found: float | None) -> None:
    assert number(value) == found


@pytest.mark.parametrize(("value", "found"), [(3.0, 3), ("NaN", None), (1e300, None), (HUGE, None), ("x", None)])
def test_what_counts(value: Any, found: int | None) -> None:
    assert count(value) == found


@given(st.floats())
def test_a_word_is_read_as_the_number_that_it_stands_for(value: float) -> None:
    back = number(word(value))
    assert back is not None
    assert back == value or (math.isnan(back) and math.isnan(value))


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_digest_holds_no_number_that_is_looked_at_twice(digest: str) -> None:
    assert is_spelt(json.dumps({"weights": digest, "record": json.dumps({"data": digest})}))
