"""What changed against the parent: `gate.penalty.weight 0.02 -> 0.15; gate.temperature 1 -> 1.5`.

The words are the keys of the spec, `model.` left out. A ramp is one value, and so is a section that comes or goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from kag.spec.flat import DESCRIPTIVE, Scalar
from kag.spec.load import PATHS
from kag.track.record import Change, RunRecord
from kag.track.world import World

Sides = tuple[dict[str, Scalar], dict[str, Scalar]]
Word = Callable[[Scalar], str]

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

_RAMP = ("start", "end", "epochs", "shape")


def diff(before: RunRecord, after: RunRecord) -> tuple[Change, ...]:
    """Keys on which two runs differ, in the order of the spec, ramps and sections as one value each.

    Keys that describe a run are left aside. A record of a hand-kept log knows some
    settings only: what one side does not know is no change.
    """
    changes = compare(before.config, after.config, partial="imported" in (before.kind, after.kind))
    changes = (*changes, *world_changes(before.world, after.world, changes))
    if before.data_digest and after.data_digest and before.data_digest != after.data_digest:
        changes = (*changes, Change(key="data", before=before.data_digest[:12], after=after.data_digest[:12]))
    return changes


def world_changes(before: World | None, after: World | None, settings: Iterable[Change]) -> tuple[Change, ...]:
    """Where two worlds differ, as far as both are known, and the differing settings do not say it already."""
    if before is None or after is None:
        return ()
    told = {follows for change in settings for follows in _FOLLOWS.get(change.key, ("world.optimizer_steps",))}
    changes = compare(before.flat(), after.flat(), partial=True)
    return tuple(change for change in changes if change.key not in told)


def compare(before: Mapping[str, Scalar], after: Mapping[str, Scalar], *, partial: bool = False) -> tuple[Change, ...]:
    """Keys on which two flat specs differ; see `diff`. Texts hold numbers in few digits where these tell them apart.

    Args:
        partial: what one side does not have is unknown, and no change.
    """
    near = _near(before, after)
    brief, exact = (dict(_changes(near, partial, word)) for word in (_word, _exact))
    return tuple(brief.get(key, change) for key, change in exact.items())


def phrase(changes: Iterable[Change], shown: int = SHOWN) -> str:
    """The changes in one line; the last words count those that are not listed."""
    listed = [f"{change.key.removeprefix('model.')} {' -> '.join(_words(change))}" for change in changes]
    rest = len(listed) - shown
    return "; ".join([*listed[:shown], *([f"and {rest} more"] if rest > 0 else [])])


def settings_apart(records: Sequence[RunRecord]) -> dict[str, str]:
    """Run id -> the settings on which these runs differ, as that run has them: `swa.start 7, swa.window 2`.

    Numbers have few digits where these tell the runs apart, as in `compare`.
    """
    brief, exact = (_told_apart(records, word) for word in (_word, _exact))
    return brief if len(set(brief.values())) == len(set(exact.values())) else exact


def _told_apart(records: Sequence[RunRecord], word: Word) -> dict[str, str]:
    sides = [_grouped(record.config, word) for record in records]
    every = dict.fromkeys(key for side in sides for key in side)
    keys = [key for key in every if len({(type(side.get(key)), side.get(key)) for side in sides}) > 1]
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return {
        record.id: ", ".join(f"{key.removeprefix('model.')} {word(side.get(key))}" for key in keys[:SHOWN]) + rest
        for record, side in zip(records, sides, strict=True)
    }


def _words(change: Change) -> tuple[str, str]:
    brief = _word(change.before), _word(change.after)
    return brief if brief[0] != brief[1] else (_exact(change.before), _exact(change.after))


def _changes(near: Sides, partial: bool, word: Word) -> Iterator[tuple[str, Change]]:
    old, new = _apart(*(_grouped(side, word) for side in near))
    for key in _keys(old, new):
        before, after = _value(key, old, word), _value(key, new, word)
        if before != after and not (partial and _unknown(key, old, new)):
            yield key, Change(key=key, before=before, after=after)


def _near(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> Sides:
    """Both sides without the sections in which they agree."""
    sections = {key.rpartition(".")[0] for key, _ in before.items() ^ after.items()}
    near = [{key: side[key] for key in side if key.rpartition(".")[0] in sections} for side in (before, after)]
    return near[0], near[1]


def _apart(old: dict[str, Scalar], new: dict[str, Scalar]) -> Sides:
    """Both sides without the keys on which they agree: nearly all of them, nearly always."""
    same = {key for key in old.keys() & new.keys() if old[key] == new[key]}
    return {key: old[key] for key in old if key not in same}, {key: new[key] for key in new if key not in same}


def _grouped(spec: Mapping[str, Scalar], word: Word) -> dict[str, Scalar]:
    """Flat spec with each ramp as one text, and of a path its last part: where a file lies changes nothing."""
    found: dict[str, Scalar] = {}
    for key, value in spec.items():
        name, _, last = key.rpartition(".")
        if last in _RAMP and all(f"{name}.{part}" in spec for part in _RAMP[:3]):
            found[name] = _ramp(spec, name, word)
        elif key not in DESCRIPTIVE:
            found[key] = PurePath(value).name if key in PATHS and isinstance(value, str) else value
    return found


def _ramp(spec: Mapping[str, Scalar], name: str, word: Word) -> str:
    start, end, epochs = (word(spec[f"{name}.{part}"]) for part in _RAMP[:3])
    shape = spec.get(f"{name}.shape", "linear")
    return f"{start} to {end} in {epochs}{'' if shape == 'linear' else f' {shape}'}"


def _keys(old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> list[str]:
    """Keys of both, a section that only one side has as the one key that the other side has for it."""
    absent = {
        key for side, other in ((old, new), (new, old)) for key in side if side[key] is None and _inside(key, other)
    }
    every = dict.fromkeys([*new, *old])
    return list(dict.fromkeys(next((name for name in absent if key.startswith(f"{name}.")), key) for key in every))


def _inside(key: str, side: Mapping[str, Scalar]) -> list[str]:
    return [inner for inner in side if inner.startswith(f"{key}.")]


def _value(key: str, side: Mapping[str, Scalar], word: Word) -> Scalar:
    """A value; of a section the values inside, without those that are off."""
    inner = _inside(key, side)
    if key in side or not inner:
        return side.get(key)
    return ", ".join(
        f"{name.removeprefix(f'{key}.')} {word(side[name])}" for name in inner if side[name] not in (None, False)
    )


def _unknown(key: str, old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> bool:
    return any(key not in side and not _inside(key, side) for side in (old, new))


def _word(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else _exact(value)


def _exact(value: Scalar) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
