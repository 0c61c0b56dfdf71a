"""`kag train --again`: a run from the stored spec of another one, and whether it came to the same weights.

What it reads must be what the first run read, unless a person accepts otherwise by name. Code, libraries and the
machine may differ: each difference is said, and the new run's record keeps it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from kag.errors import RecordError
from kag.spec.load import load_spec
from kag.spec.run import RunSpec
from kag.text import command
from kag.track.folder import RunFolder
from kag.track.record import Again, RunRecord
from kag.train.starting import changed_keys, refuse_unaccepted
from kag.view.again import (
    INPUTS,
    again_text,
    compared,
    conditions,
    difference_lines,
    differences,
    promise,
)


def require_repeatable(folder: RunFolder) -> RunRecord:
    """The record of a run that can be trained again.

    Raises:
        RecordError: it is no training of kag's own, or its spec is gone.
    """
    record = folder.read_record()
    if record.kind != "train" or record.found is None:
        what = "a run of another program" if record.is_foreign else f"of the kind {record.kind}, not a training"
        shown = command("runs", "show", record.id, runs=folder.path.parent)
        raise RecordError(f"run {record.id} is {what}", where=str(folder.path), remedy=f"{shown} says how it was made")
    if not folder.spec_file.is_file():
        raise RecordError(
            f"run {record.id} has no spec any more", where=str(folder.spec_file), remedy="bring its folder back whole"
        )
    return record


class Repeat(NamedTuple):
    """That a run is to be another one again."""

    first: RunFolder
    """The run that is trained again."""
    accept: tuple[str, ...] = ()
    """Settings and inputs that may differ."""
    moved: tuple[str, ...] = ()
    """Keys of files that lie elsewhere now."""


def again(repeat: Repeat, folder: RunFolder, record: RunRecord, spec: RunSpec) -> Again:
    """How a run that is about to begin stands to the one that it repeats.

    Args:
        repeat: which run, and what may differ.
        folder: of the new run, with the uncommitted changes of its code.
        record: its first record.
        spec: of the new run.

    Raises:
        SpecError: the spec differs from the stored one in keys that nobody accepted.
        RecordError: it would read other data, another list to replay or other weights, and nobody accepted that.
    """
    first, accept = repeat.first, repeat.accept
    former = require_repeatable(first)
    changes = [one for one in changed_keys(load_spec(first.spec_file), spec) if one.key not in repeat.moved]
    refuse_unaccepted(changes, accept, former.id)
    found = differences(conditions(former, _digest(first.patch_file)), conditions(record, _digest(folder.patch_file)))
    refused = [change for change in found if change.key in INPUTS and change.key not in accept]
    if refused:
        listed = "\n".join(difference_lines(refused, former, None, again_command(first)))
        raise RecordError(
            f"it would not be run {former.id} again, what it reads is not the same:\n{listed}",
            remedy="bring back what the run had read, or let it differ: "
            + " ".join(f"--accept {change.key}" for change in refused),
        )
    return Again(run=former.id, differences=(*changes, *found))


def again_lines(repeats: Again, first: RunFolder) -> list[str]:
    """What is said before the training."""
    former = first.read_record()
    patch = str(first.patch_file) if first.patch_file.is_file() else None
    lines = difference_lines(repeats.differences, former, patch, again_command(first))
    return [promise(repeats.differences, former), *lines]


def outcome_of(repeats: Again, first: RunFolder, second: RunFolder, record: RunRecord) -> tuple[Again, str]:
    """What came of it, and a sentence."""
    if not first.record_file.is_file():
        return repeats, f"run {repeats.run} is not there any more: nothing to compare with"
    told = compared(repeats, (first.read_record(), first.history()), (record, second.history()))
    return told, f"again {again_text(told)}"


def again_command(first: RunFolder) -> str:
    """What trains a run again, for a shell."""
    return command("train", again=first.id, runs=first.path.parent)


def _digest(patch: Path) -> str | None:
    """Of the uncommitted changes of a run's code; None if there were none."""
    return hashlib.sha256(patch.read_bytes()).hexdigest() if patch.is_file() else None
