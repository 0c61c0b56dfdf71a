"""From entries and a document to the next version of the document: edits back to their runs, then new contents."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kag.changelog.cells import body
from kag.changelog.collect import collect
from kag.changelog.document import regions
from kag.changelog.marker import TABLE
from kag.changelog.siblings import Siblings
from kag.changelog.stamp import known, remember, stamp
from kag.changelog.version import Options, Version, next_version
from kag.errors import RecordError, StorageError, UserError
from kag.text import joined
from kag.track.atomic import atomic_path, keep_rights, storing
from kag.track.claim import claimed
from kag.track.collector import resting
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.output import require_writable, write_output
from kag.track.reading import read_text
from kag.track.source import RunSource
from kag.view.alike import require_seeds

_OWNER = ".owner.notes"
"""Says who writes the notes of a run, where `flock` says nothing."""


@resting()
def update(source: RunSource, file: Path, options: Options, *, dry: bool = False) -> Version:
    """Bring a document up to date with the runs of a source.

    Nothing is read where the state of the files tells that the document is what the last update left.

    Args:
        dry: write nothing.

    Raises:
        RecordError: as `next_version` and `store_notes`.
        UserError: the document cannot be written, or was changed while it was made.
    """
    made_of = _stamp(source, options)
    if isinstance(source, FolderSource) and file.exists():
        text = read_text(file)
        if (said := known(source.runs, made_of, text)) is not None:
            return Version(text, text, {}, unknown=said or None)
    if dry:
        return next_version(file, _collected(source, file, options), options)
    with writing(file):
        siblings = _collected(source, file, options)
        version = next_version(file, siblings, options)
        if version.stale:
            require_replaceable(file, version.found)
        store_notes(source, version.notes, siblings)
        if version.found != version.wanted:
            write_output(file, version.wanted)
    if isinstance(source, FolderSource) and not version.notes and not version.broken:
        records = [entry.record for entry in siblings.entries]
        remember(source.runs, made_of, version.wanted, records, version.unknown or "")
    return version


def _collected(source: RunSource, file: Path, options: Options) -> Siblings:
    """The runs, by the metrics and the seeds that were asked for or that the document keeps.

    Raises:
        RecordError: as `collect`, or the document keeps a metric, or a seed, that no run has.
        UserError: no run has what was asked for.
    """
    text = read_text(file) if file.exists() else ""
    kept = regions(text, where=str(file))[TABLE].begin if text else None
    asked, seeds = options.metrics or (kept.metrics if kept else ()), options.seed_keys or (kept.seeds if kept else ())
    with _said_of(file, "metrics", "--metric", given=options.metrics):
        siblings = collect(source, options.repository, asked, seeds)
    with _said_of(file, "seeds", "--seed-key", given=options.seed_keys):
        require_seeds(seeds, [entry.record for entry in siblings.entries])
    return siblings


@contextmanager
def _said_of(file: Path, what: str, option: str, *, given: Sequence[str]) -> Iterator[None]:
    """Where nothing was given by an option, what no run has stands in the document."""
    try:
        yield
    except UserError as error:
        if given or isinstance(error, RecordError):
            raise
        remedy = f"change the {what} in the marker of the table, or give others by {option}"
        raise RecordError(error.what, where=str(file), nearest=error.nearest, remedy=remedy) from error


def require_replaceable(file: Path, found: str) -> None:
    """That a document can be replaced by its next version, and nothing is lost by that.

    Raises:
        UserError: it may not be written, has a second name, or is not what was read any more.
    """
    require_writable(file)
    if file.exists() and file.stat().st_nlink > 1:
        raise UserError(
            "has a second name (a hard link), under which the old text would stay",
            where=str(file),
            remedy="make the other name a symbolic link to this one (`ln -sf`)",
        )
    if (read_text(file) if file.exists() else "") != found:
        raise UserError("was changed while its next version was made", where=str(file), remedy="write again")


def store_notes(source: RunSource, notes: Mapping[str, str], siblings: Siblings) -> None:
    """Give notes back to their runs.

    Args:
        siblings: the runs with the notes that they had when the notes were compared.

    Raises:
        RecordError: the source cannot be written to, or a note was changed meanwhile.
    """
    if not notes:
        return
    if not isinstance(source, FolderSource):
        listed = "\n".join(f"  {run}: {note!r}" for run, note in notes.items())
        raise RecordError(
            f"notes stand in the table alone, and this source takes none:\n{listed}",
            remedy="change the notes where the runs are kept, then write again",
        )
    for run, note in notes.items():
        folder = RunFolder(source.runs / run)
        with writing(folder.notes_file), claimed(folder.path / _OWNER, wait=True):
            if folder.notes() != siblings.by_id[run].notes:
                raise RecordError("the note was changed while it was read", where=folder.id, remedy="write again")
            write_note(folder, note)


def write_note(folder: RunFolder, note: str) -> None:
    """Replace what a person wrote about a run."""
    with atomic_path(folder.notes_file) as temporary:
        temporary.write_bytes(f"{note}\n".encode() if note else b"")
        keep_rights(folder.notes_file, temporary)


def add_note(folder: RunFolder, text: str) -> None:
    """Add a paragraph to what a person wrote about a run.

    Raises:
        RecordError: there is nothing in it, or what is not UTF-8.
    """
    try:
        text = joined(text)
    except UnicodeError as error:
        raise RecordError("the note holds what is not UTF-8", where=folder.id) from error
    if not body(text):
        raise RecordError("the note is empty", where=folder.id)
    with writing(folder.notes_file), claimed(folder.path / _OWNER, wait=True):
        before = body(folder.notes())
        write_note(folder, f"{before}\n\n{body(text)}" if before else body(text))


def _stamp(source: RunSource, options: Options) -> str | None:
    if not isinstance(source, FolderSource) or not source.runs.is_dir():
        return None
    asked = f"{options.choice!r} {options.verbatim} {options.metrics!r} {options.seed_keys!r}"
    return stamp(source.runs, options.specs, f"{asked} {options.repository.state()}")


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Hold off other writers of the files in a folder; the system lets go when the process dies.

    Raises:
        UserError: there is no such folder.
    """
    folder = file.resolve().parent
    try:
        with storing(file):
            descriptor = os.open(folder, os.O_RDONLY)
    except StorageError as error:
        raise UserError(error.what, where=error.where, remedy=error.remedy) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
