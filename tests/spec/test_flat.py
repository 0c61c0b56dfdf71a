from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from valid_specs import specs

from kag.errors import SpecError
from kag.spec import RunSpec, build_spec, differences, digest, flat
from kag.spec.flat import DESCRIPTIVE, Scalar, flatten, keys_of
from kag.spec.keys import known_keys

RAMP = {"start": 0.5, "end": 0.1, "epochs": 15}
RAMPS = {"penalty": {"weight": RAMP}, "dropout": {"rate": RAMP}, "context_scale": RAMP}
FULL: dict[str, Any] = {
    "name": "full",
    "change": "everything is switched on",
    "parent": "2025-10-17_16-31-52_oct17",
    "data": {"file": "/data/a.h5", "points_per_residue": 5, "replay": {"indices": "/data/hard.json", "until": 26}},
    "model": {"gate": {"clamp": [0.3, 0.7], **RAMPS}, "auxiliary": {}},
    "loss": {"pos_weight": {"start": 10.0, "end": 45.0, "epochs": 5}, "warmup": {}},
    "swa": {"start": 26, "window": 6},
    "ema": {"decay": 0.99},
    "start_from": {"run": "oct17"},
    "trainer": {"devices": 1},
    "track": {"entity": "lab", "tags": ["a"]},
}
SPEC = build_spec(FULL)
LEAVES = flat(SPEC)
WORDS = {
    "grouping": ["protein", "residue"],
    "norm": ["layer"],
    "activation": ["relu"],
    "embedding_norm": ["train"],
    "decay": ["everything"],
    "distance_bias": ["none"],
    "pooling": ["centre"],
    "kind": ["mlp", "fixed", "asymmetric", "cosine", "constant"],
    "over": ["batch"],
    "shape": ["step", "linear"],
    "checkpoint": ["last"],
    "keep": ["everything"],
    "precision": ["bf16-mixed"],
    "mode": ["offline"],
    "threads": [3],
    "test": ["never"],
}


def other_values(key: str) -> Iterator[Any]:
    """Candidates for another value of a key."""
    value = LEAVES[key]
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value / 2 or 0.5)
    elif key in ("model.hidden", "model.gate.clamp", "track.tags"):
        *front, _ = json.loads(str(value))
        yield from ([*front, 0.9], [*front, 7], [*front, "b"])
    else:
        yield from (*WORDS.get(key.rsplit(".", 1)[-1], ()), "/data/another", "another")


def changed(key: str) -> RunSpec:
    """The full spec with another value of one key."""
    for value in other_values(key):
        try:
            return build_spec(SPEC.model_dump(mode="json"), {key: value})
        except SpecError:
            continue
    raise AssertionError(f"no other value of {key} is known")


def test_the_full_spec_has_every_known_key() -> None:
    sections = {key for key in known_keys() if any(other.startswith(f"{key}.") for other in known_keys())}
    assert set(LEAVES) == set(known_keys()) - sections


def test_the_digest_knows_every_key_but_those_that_only_describe() -> None:
    for key in LEAVES:
        spec = changed(key)
        assert set(differences(LEAVES, flat(spec))) == {key}
        assert (digest(spec) == digest(SPEC)) == (key in DESCRIPTIVE), key


def test_what_describes_is_a_key() -> None:
    assert set(DESCRIPTIVE) <= set(LEAVES)


@pytest.mark.parametrize("section", ["swa", "early_stopping", "model.auxiliary", "loss.warmup", "data.replay"])
def test_a_section_that_is_switched_off_changes_the_digest(section: str) -> None:
    without = build_spec(SPEC.model_dump(mode="json"), {section: None})
    assert flat(without)[section] is None
    assert digest(without) != digest(SPEC)


def test_the_digest_does_not_depend_on_how_a_spec_is_written() -> None:
    tree = SPEC.model_dump(mode="json")
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in tree.items()
    }
    assert digest(build_spec(dict(reversed(backwards.items())))) == digest(SPEC)
    assert digest(build_spec(FULL, {"epochs": 80.0})) == digest(build_spec(FULL, {"epochs": 80}))
    ramp = {"start": 0.2, "end": 0.2, "epochs": 9}
    key = "model.gate.penalty.weight"
    assert digest(build_spec(FULL, {key: ramp})) == digest(build_spec(FULL, {key: 0.2}))
    assert digest(build_spec(FULL, {"optimizer.lr": 1})) == digest(build_spec(FULL, {"optimizer.lr": 1.0}))


@given(specs, specs)
def test_equal_digests_mean_equal_settings(first: RunSpec, second: RunSpec) -> None:
    changes = set(differences(flat(first), flat(second))) - set(DESCRIPTIVE)
    assert (digest(first) == digest(second)) == (not changes)


scalars: st.SearchStrategy[Scalar] = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, "1", "a"])
)
flats = st.dictionaries(st.sampled_from("abcdef"), scalars)


@given(flats, flats)
def test_differences_are_symmetric_and_complete(before: dict[str, Scalar], after: dict[str, Scalar]) -> None:
    found = differences(before, after)
    assert {key: (new, old) for key, (old, new) in found.items()} == differences(after, before)
    assert differences(before, before) == {}
    for key in before.keys() & after.keys() - found.keys():
        assert before[key] == after[key]
        assert type(before[key]) is type(after[key])
    for key in before.keys() ^ after.keys():
        assert key in found or {**before, **after}[key] is None


def test_a_number_that_became_a_ramp_shows_both_sides() -> None:
    before = build_spec(FULL, {"model.gate.context_scale": 1.0})
    after = build_spec(FULL, {"model.gate.context_scale": {"start": 0.5, "end": 1.0, "epochs": 15}})
    assert differences(flat(before), flat(after)) == {
        "model.gate.context_scale": (1.0, None),
        "model.gate.context_scale.start": (None, 0.5),
        "model.gate.context_scale.end": (None, 1.0),
        "model.gate.context_scale.epochs": (None, 15),
        "model.gate.context_scale.shape": (None, "linear"),
    }


leaves = st.none() | st.integers(0, 1) | st.lists(st.integers(0, 1), max_size=1)
keys = st.sampled_from(["a", "b", "a.b", ""])
trees = st.dictionaries(keys, st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3)), max_size=4)


@given(st.lists(trees, max_size=6))
def test_the_keys_of_many_trees_are_those_of_each_where_they_come_first(some: list[dict[str, Any]]) -> None:
    assert keys_of(iter(some)) == list(dict.fromkeys(chain.from_iterable(flatten(tree) for tree in some)))
