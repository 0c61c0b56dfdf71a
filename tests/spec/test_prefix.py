"""Prefix digests: equal exactly as long as two specs mean the same training."""

from __future__ import annotations

from typing import Any

import pytest

from kag.spec import RunSpec, build_spec, flat
from kag.spec.flat import DESCRIPTIVE
from kag.spec.prefix import prefix_digest

BASE: dict[str, Any] = {"name": "base", "epochs": 30, "data": {"file": "/x.h5"}}
SWA = {"swa.start": 10, "swa.window": 4}


def spec(**overrides: Any) -> RunSpec:
    return build_spec(BASE, overrides)


def part(one: RunSpec, other: RunSpec) -> int:
    """The deepest epoch up to which two specs agree."""
    return max(epoch for epoch in range(31) if prefix_digest(one, epoch) == prefix_digest(other, epoch))


@pytest.mark.parametrize(
    ("one", "other", "epoch"),
    [
        ({}, SWA, 10),
        (SWA, {**SWA, "swa.start": 12}, 10),
        (SWA, {**SWA, "swa.lr": 1e-5}, 10),
        (SWA, {**SWA, "swa.window": 8}, 30),
        ({}, {"data.replay": {"indices": "/m.json", "period": 5}}, 4),
        ({"data.replay": {"indices": "/m.json", "until": 7}}, {"data.replay": {"indices": "/m.json", "until": 9}}, 7),
        ({"loss.pos_weight": 45.0}, {"loss.pos_weight": 50.0}, 0),
        (
            {"loss.pos_weight": {"start": 45.0, "end": 50.0, "epochs": 20, "shape": "step"}},
            {"loss.pos_weight": {"start": 45.0, "end": 60.0, "epochs": 20, "shape": "step"}},
            20,
        ),
        ({"loss.pos_weight": 45.0}, {"loss.pos_weight": {"start": 45.0, "end": 50.0, "epochs": 9, "shape": "step"}}, 9),
        ({"loss.warmup": {"kind": "focal", "epochs": 5}}, {"loss.warmup": {"kind": "focal", "epochs": 8}}, 5),
        ({}, {"loss.warmup": {"kind": "focal", "epochs": 5}}, 0),
        ({"optimizer.schedule.kind": "constant"}, {"optimizer.schedule.kind": "constant", "epochs": 40}, 30),
        ({}, {"epochs": 40}, -1),
        ({}, {"name": "other", "track.tags": ["x"], "data.file": "/y.h5"}, 30),
        (SWA, {**SWA, "swa.keep_sums": True}, -1),
    ],
)
def test_where_two_specs_part(one: dict[str, Any], other: dict[str, Any], epoch: int) -> None:
    agree = [prefix_digest(spec(**one), e) == prefix_digest(spec(**other), e) for e in range(31)]
    assert agree == [e <= epoch for e in range(31)]


def test_no_other_field_is_left_out() -> None:
    """Every field but those that are reduced on purpose matters from the first epoch on."""
    reduced = ("swa", "data.replay", "loss.warmup", "loss.kind", "loss.pos_weight")
    weights = ("penalty.weight", "dropout.rate", "context_scale", "auxiliary.weight")
    base = spec(**{"data.replay": None})
    for key, value in flat(base).items():
        if key in DESCRIPTIVE or key.startswith(reduced) or any(word in key for word in weights):
            continue
        other = _changed(key, value)
        if other is not None:
            assert prefix_digest(base, 1) != prefix_digest(spec(**{key: other}), 1), key


def _changed(key: str, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.9 if value else 0.1
    return None
