"""Which runs are the same but for the seed, as far as their records say. Pure functions over records.

Two such runs have the same settings but for the seed and what only describes a run, and the same of everything else
that a number rests on: data, code, world, the weights that they begin with, the list that they replay, and what was
changed while they went on. A fact that a record does not tell is None here: what that makes of two runs is for whoever
asks (`kag.compare.replicates`).
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from kag.errors import UserError
from kag.spec.flat import Scalar
from kag.track.record import Found, GitFacts, RunRecord
from kag.view.changes import is_seed, settings_of

DATA, CODE, PATCH, WORLD = "data", "code", "uncommitted changes", "world"

_DESCRIBING = ("name", "change", "notes", "tags", "description")
"""Settings of another program that describe a run; where its data lie may be all that is known of them."""

_ELSEWHERE = ("data.replay.indices", "start_from.run", "start_from.checkpoint")
"""Settings of kag's own that name a file or a run; a digest tells what was in it."""

_MACHINE = ("gpu", "gpus", "job_type")
"""What a program's client says of where and as what it ran, beside the name of the program."""


class Likeness(NamedTuple):
    """What all runs have in common that differ in the seed alone."""

    by_kag: bool
    settings: frozenset[tuple[str, str]]
    facts: tuple[tuple[str, Hashable], ...]
    """By name; None where the record does not tell."""

    @property
    def untold(self) -> frozenset[str]:
        """Facts that the record does not tell."""
        return frozenset(name for name, value in self.facts if value is None)


def likeness(record: RunRecord, seed_keys: Sequence[str] = ()) -> Likeness | None:
    """What a run has in common with those that differ from it in the seed alone; None for one that tells no seed.

    What was blended, evaluated or written down by hand was not drawn by a seed.

    Args:
        record: the run.
        seed_keys: settings of another program that are its seeds; without them those are that are called so.
    """
    if record.kind != "train" or seed_of(record, seed_keys) is None:
        return None
    by_kag, seeds = record.found is not None, seeds_of(record, seed_keys)
    if by_kag:
        facts, settings = _facts_by_kag(record), settings_of(record, but=(*seeds, *_ELSEWHERE))
    else:
        facts, settings = _facts_of_program(record), settings_of(record, but=seeds, describing=_DESCRIBING)
    return Likeness(by_kag, settings, (*facts.items(), ("changed on the way", _changed(record))))


def seed_of(record: RunRecord, seed_keys: Sequence[str] = ()) -> str | None:
    """The seed of a run as text, `3`; of several `init.seed 3, data.seed 1`. None where it tells none."""
    told = {key: record.config[key] for key in seeds_of(record, seed_keys)}
    if not told or None in told.values():
        return None
    if len(told) == 1:
        return str(*told.values())
    return ", ".join(f"{key} {value}" for key, value in sorted(told.items()))


def seeds_of(record: RunRecord, seed_keys: Sequence[str] = ()) -> tuple[str, ...]:
    """The settings that are its seeds. kag's own runs have one; a person names those of other programs."""
    named = named_for(record, seed_keys)
    return tuple(key for key in named if key in record.config) if named else tuple(filter(is_seed, record.config))


def named_for(record: RunRecord, seed_keys: Sequence[str]) -> tuple[str, ...]:
    """Those of the settings named as seeds of other programs that count for a run: none for one of kag's own."""
    return tuple(seed_keys) if record.found is None else ()


def require_seeds(seed_keys: Sequence[str], records: Sequence[RunRecord]) -> None:
    """That settings that are named as seeds exist.

    Raises:
        UserError: no run has such a setting; the nearest ones are named.
    """
    known = list(dict.fromkeys(key for record in records for key in record.config))
    for key in seed_keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
            raise UserError(f"no run has a setting {key!r}", nearest=", ".join(near) or None)


def data_of(record: RunRecord) -> str | None:
    """The data that a run was trained and judged on, as a text that no other data have; None where nobody knows."""
    return record.data_digest or "; ".join(sorted(record.datasets)) or None


def _facts_by_kag(record: RunRecord) -> dict[str, Hashable]:
    found, config = record.found or Found(), record.config
    # Epochs that another run has trained are the ones that this run would have trained.
    lent = [source.weights_digest for source in record.sources if source.epochs is None]
    begins_elsewhere = config.get("start_from.run") is not None
    return {
        DATA: data_of(record),
        CODE: found.code_digest,
        WORLD: _pairs(record.world.flat()) if record.world else None,
        "weights to start from": tuple(lent) if None not in lent and bool(lent) >= begins_elsewhere else None,
        "list to replay": found.mined_digest if config.get("data.replay.indices") is not None else "",
    }


def _facts_of_program(record: RunRecord) -> dict[str, Hashable]:
    told = {name: record.environment.get(name) for name in _MACHINE}
    program = record.environment.get("program")
    git = record.git
    return {
        DATA: data_of(record),
        CODE: git.commit if git else None,
        PATCH: _patch(git) if git else None,
        "program": PurePath(str(program)).name if program else "",
        "machine": _pairs(told | (record.world.flat() if record.world else {})),
        "weights to start from": tuple((one.run, one.checkpoint, one.weights_digest) for one in record.sources),
    }


def _patch(git: GitFacts) -> str | None:
    """Of uncommitted changes a client tells that there are some, not which."""
    return None if git.dirty else ""


def _changed(record: RunRecord) -> tuple[Hashable, ...] | None:
    """After how many epochs which settings were changed, where a run went on under others; None if nobody knows."""
    changed = [resume for resume in record.resumes if resume.changes]
    told = [(one.before.epochs_trained, repr(one.changes)) for one in changed if one.before is not None]
    return tuple(told) if len(told) == len(changed) else None


def _pairs(values: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, repr(value)) for key, value in values.items()))
