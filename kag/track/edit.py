"""Changes of a run's record that a person asks for, when the run has ended: tags, a name, being archived."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.record import ARCHIVED, RunRecord

LONGEST_WORD = 64
"""Letters of a tag, and of a name."""


def require_ended(folder: RunFolder) -> RunRecord:
    """The record of a run that nobody writes, or can be writing.

    Raises:
        RecordError: it cannot be read, or the run is under way, here or on another machine.
    """
    record = folder.read_record()
    if may_be_trained(folder, record):
        raise RecordError(f"run {folder.id} is under way", remedy="do it when the run has ended")
    return record


def require_word(word: str, what: str) -> str:
    """A tag or a name as it can be shown in one line.

    Raises:
        RecordError: it is empty, too long, begins or ends with a blank, or has a character that is not printed.
    """
    if not word or len(word) > LONGEST_WORD or word != word.strip() or not word.isprintable():
        raise RecordError(
            f"{word!r} cannot be {what}", remedy=f"use 1 to {LONGEST_WORD} printable characters, no blank at the ends"
        )
    return word


def edited(folder: RunFolder, change: Callable[[RunRecord], RunRecord]) -> bool:
    """Change the record of a run that has ended; whether anything came of it.

    Raises:
        RecordError: as `require_ended`.
        StorageError: the record cannot be written; it is as it was.
    """
    require_ended(folder)
    with locked(folder):
        before = folder.read_record()
        after = change(before)
        if after == before:
            return False
        folder.write_record(after)
    return True


def retagged(record: RunRecord, add: Collection[str], remove: Collection[str]) -> RunRecord:
    """The record with tags more and less; see `tags_after`."""
    return record.model_copy(update={"tags": tuple(tags_after(record.tags, add, remove))})


def tags_after(tags: Sequence[str], add: Collection[str], remove: Collection[str]) -> list[str]:
    """Tags more and less; those that stay keep their places, and new ones come last."""
    return list(dict.fromkeys([*(tag for tag in tags if tag not in remove), *add]))


def renamed(record: RunRecord, name: str) -> RunRecord:
    """The record under another name; the id, which is the folder's name, stays, and so do words for it."""
    return record.model_copy(update={"name": name})


def set_archived(folder: RunFolder, archived: bool) -> bool:
    """Leave a run out of lists and change logs, or take it back: the tag `archived` says so wherever the run is kept.

    Raises:
        RecordError, StorageError: as `edited`.
    """
    tags = ([ARCHIVED], []) if archived else ([], [ARCHIVED])
    return edited(folder, lambda record: retagged(record, *tags))
