"""What changed against the parent: `gate.penalty.weight 0.02 -> 0.15; gate.temperature 1 -> 1.5`; and what differs
among several runs, or from the defaults.

The words are the keys of the spec, `model.` left out. A ramp is one value, and against a parent so is a section that
comes or goes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple, TypeVar

from kag.spec.flat import DESCRIPTIVE, Scalar, flat
from kag.spec.load import PATHS
from kag.spec.run import default_spec
from kag.text import MISSING, RampValue, column, digest, setting
from kag.track.record import Change, RunRecord
from kag.track.world import World

Flat = Mapping[str, Scalar]
Value = Scalar | RampValue
Grouped = Mapping[str, Value]
V = TypeVar("V")

SHOWN = 12
"""Changes that a cell lists."""

_STEPS = ("world.optimizer_steps", "world.effective_batch")
_FOLLOWS = {
    "trainer.precision": ("world.precision",),
    "trainer.accumulate": ("world.accumulate", *_STEPS),
    "data.batch_size": _STEPS,
    "trainer.devices": (),
}
"""Setting -> what of the world follows from it alone; any other one may change the number of steps."""

_RAMP = RampValue._fields

_SEED = re.compile(r"(?:.*[./]|parameters_|params_|hparams_|config_)?(?:seed|random_seed|random_state|rng_seed)")
"""Keys that choose random numbers alone; a migration may have written `parameters/seed` with another sign."""

_OWN = ("name", "change", "parent", "data.file")
"""Keys without a default, or told elsewhere."""


class Setting(NamedTuple):
    """A key on which runs differ."""

    key: str
    values: tuple[str, ...]
    """In the words of the spec, one a run; `-` where a run has no such key."""


def diff(before: RunRecord, after: RunRecord) -> tuple[Change, ...]:
    """Keys on which two runs differ, in the order of the spec, ramps and sections as one value each.

    Keys that describe a run are left aside. A record of a hand-kept log knows some settings only: what one side does
    not know is no change.
    """
    changes = changed_settings(before.config, after.config, partial="imported" in (before.kind, after.kind))
    changes = (*changes, *world_changes(before.world, after.world, changes))
    if before.data_digest and after.data_digest and before.data_digest != after.data_digest:
        data = Change(key="data", before=digest(before.data_digest), after=digest(after.data_digest))
        changes = (*changes, data)
    return changes


def seed_alone(changes: Sequence[Change], named: Collection[str] = ()) -> bool:
    """Whether runs differ in nothing but the random numbers that they draw."""
    return bool(changes) and all(is_seed(change.key, named) for change in changes)


def is_seed(key: str, named: Collection[str] = ()) -> bool:
    """Whether a setting chooses random numbers alone: it is one of those named, or is called so where none are."""
    return key in named if named else _SEED.fullmatch(key) is not None


def but_seeds(changes: Iterable[Change], named: Collection[str] = ()) -> tuple[Change, ...]:
    """The changes that are more than another draw of random numbers."""
    return tuple(change for change in changes if not is_seed(change.key, named))


def settings_of(
    record: RunRecord, *, but: Collection[str] = (), describing: Collection[str] = DESCRIPTIVE
) -> frozenset[tuple[str, str]]:
    """What two runs of the same settings have in common.

    Args:
        record: the run.
        but: settings that are left aside.
        describing: those that are left aside since they only describe a run.
    """
    aside = {*describing, *but}
    return frozenset((key, repr(value)) for key, value in record.config.items() if key not in aside)


def world_changes(before: World | None, after: World | None, settings: Iterable[Change]) -> tuple[Change, ...]:
    """Where two worlds differ, as far as both are known, and the differing settings do not say it already."""
    if before is None or after is None:
        return ()
    told = _follows(change.key for change in settings)
    changes = changed_settings(before.flat(), after.flat(), partial=True)
    return tuple(change for change in changes if change.key not in told)


def changed_settings(before: Flat, after: Flat, *, partial: bool = False) -> tuple[Change, ...]:
    """Keys on which two flat specs differ; see `diff`. Texts hold numbers in few digits where these tell them apart.

    Args:
        partial: what one side does not have is unknown, and no change.
    """
    old, new = map(_grouped, _near(before, after))
    pairs = {key: (_value(key, old), _value(key, new)) for key in _keys(old, new)}
    unknown = [key for key in pairs if any(key not in side and not _inside(key, side) for side in (old, new))]
    return tuple(
        _change(key, before, after)
        for key, (before, after) in pairs.items()
        if before != after and not (partial and key in unknown)
    )


def phrase(changes: Iterable[Change], shown: int = SHOWN, *, whole: bool = False) -> str:
    """The changes in one line; the last words count those that are not listed.

    Args:
        changes: what differs.
        shown: how many are listed.
        whole: keys as they are; those of kag's own spec lose their `model.`.
    """
    named = [(change.key if whole else _short(change.key), " -> ".join(change_texts(change))) for change in changes]
    return _listed([f"{key} {texts}" for key, texts in named], "; ", shown)


def change_texts(change: Change) -> tuple[str, str]:
    """Both sides of a change, in few digits where these tell them apart."""
    before, after = column((change.before, change.after))
    return before, after


def varied(sides: Sequence[Mapping[str, V]], *, partial: Sequence[bool] | bool = False) -> dict[str, list[V | None]]:
    """Key -> value on each side, for every key on which flat specs differ, in their order; None where one has none.

    Args:
        sides: the specs.
        partial: whether what a side does not have is unknown there, and no difference; one for all or one a side.
    """
    known = [not partial] * len(sides) if isinstance(partial, bool) else [not one for one in partial]
    found = {}
    for key in dict.fromkeys(key for side in sides for key in side):
        values = [side.get(key) for side in sides]
        told = zip(values, sides, known, strict=True)
        if len({(type(value), value) for value, side, whole in told if whole or key in side}) > 1:
            found[key] = values
    return found


def differing_settings(records: Sequence[RunRecord]) -> tuple[Setting, ...]:
    """Keys on which the runs differ, each ramp as one value, in the order of the spec; then world and data.

    What only describes a run is left aside. What an imported run, or a world, does not know is no difference, and what
    of the world follows from a setting that differs is not told again.
    """
    configs = [_grouped(record.config) for record in records]
    worlds = [_world(record.world) for record in records]
    data = [{"data": digest(record.data_digest)} if record.data_digest else {} for record in records]
    settings = varied(configs, partial=[record.kind == "imported" for record in records])
    told = _follows(settings)
    keys = [*settings, *(key for key in varied(worlds, partial=True) if key not in told), *varied(data, partial=True)]
    sides = [{**a, **b, **c} for a, b, c in zip(configs, worlds, data, strict=True)]
    return tuple(Setting(key, column([side.get(key, MISSING) for side in sides])) for key in keys)


def settings_apart(records: Sequence[RunRecord], shown: int = SHOWN) -> dict[str, str]:
    """Run id -> the settings on which these runs differ, as that run has them: `swa.start 7, swa.window 2`.

    Args:
        records: the runs.
        shown: how many settings are listed.
    """
    rows = differing_settings(records)
    whole = any(record.is_foreign for record in records)
    keys = [row.key if whole else _short(row.key) for row in rows]
    told = {
        record.id: [f"{key} {row.values[place]}" for key, row in zip(keys, rows, strict=True)]
        for place, record in enumerate(records)
    }
    return {run: _listed(parts, ", ", shown) for run, parts in told.items()}


def beside_defaults(config: Flat) -> tuple[Change, ...]:
    """The settings that are not the defaults of today; of another program, which has none, all."""
    defaults = _grouped(flat(default_spec()), _OWN)
    own = _grouped(config, _OWN)
    return tuple(_change(key, before, own[key]) for key, (before, _) in varied([defaults, own]).items() if key in own)


def _listed(parts: Sequence[str], between: str, shown: int = SHOWN) -> str:
    rest = len(parts) - shown
    return between.join([*parts[:shown], *([f"and {rest} more"] if rest > 0 else [])])


def _short(key: str) -> str:
    return key.removeprefix("model.")


def _world(world: World | None) -> dict[str, Scalar]:
    return world.flat() if world else {}


def _follows(settings: Iterable[str]) -> set[str]:
    return {follows for key in settings for follows in _FOLLOWS.get(key, ("world.optimizer_steps",))}


def _change(key: str, before: Value, after: Value) -> Change:
    """A change; a ramp is its text, in few digits where these tell both sides apart."""
    if not isinstance(before, RampValue) and not isinstance(after, RampValue):
        return Change(key=key, before=before, after=after)
    old, new = column((before, after))
    return Change(
        key=key,
        before=old if isinstance(before, RampValue) else before,
        after=new if isinstance(after, RampValue) else after,
    )


def _near(before: Flat, after: Flat) -> tuple[Flat, Flat]:
    """Both sides without the sections in which they agree."""
    sections = {key.rpartition(".")[0] for key, _ in before.items() ^ after.items()}
    near = [{key: side[key] for key in side if key.rpartition(".")[0] in sections} for side in (before, after)]
    return near[0], near[1]


def _grouped(spec: Flat, skipped: Sequence[str] = DESCRIPTIVE) -> dict[str, Value]:
    """Flat spec with each ramp as one value, and of a path its last part: where a file lies changes nothing."""
    found: dict[str, Value] = {}
    for key, value in spec.items():
        name, _, last = key.rpartition(".")
        if last in _RAMP and all(f"{name}.{part}" in spec for part in _RAMP[:3]):
            found[name] = RampValue(*(spec[f"{name}.{part}"] for part in _RAMP if f"{name}.{part}" in spec))
        elif key not in skipped:
            found[key] = PurePath(value).name if key in PATHS and isinstance(value, str) else value
    return found


def _keys(old: Grouped, new: Grouped) -> list[str]:
    """Keys of both, a section that only one side has as the one key that the other side has for it."""
    absent = {
        key for side, other in ((old, new), (new, old)) for key in side if side[key] is None and _inside(key, other)
    }
    every = dict.fromkeys([*new, *old])
    return list(dict.fromkeys(next((name for name in absent if key.startswith(f"{name}.")), key) for key in every))


def _inside(key: str, side: Grouped) -> list[str]:
    return [inner for inner in side if inner.startswith(f"{key}.")]


def _value(key: str, side: Grouped) -> Value:
    """A value; of a section the values inside, without those that are off."""
    if key in side:
        return side[key]
    inner = _inside(key, side)
    if not inner:
        return None
    on = [name for name in inner if side[name] not in (None, False)]
    return ", ".join(f"{name.removeprefix(f'{key}.')} {setting(side[name])}" for name in on)
