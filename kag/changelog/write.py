"""From entries and a document to the next version of the document: edits back to their runs, then new contents."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kag.changelog.cells import body
from kag.changelog.collect import collect
from kag.changelog.document import NEW, PLANNED, STRUCTURE, TABLE, keeping, regions, replaced
from kag.changelog.entry import Siblings
from kag.changelog.markdown import render
from kag.changelog.merge import edits
from kag.changelog.repository import Repository
from kag.changelog.stamp import is_known, remember, stamp
from kag.changelog.structure import plan_list, plans, structure
from kag.changelog.table import Choice, table
from kag.changelog.touched import with_told
from kag.errors import RecordError, StorageError, UserError
from kag.text import joined
from kag.track.atomic import storing, write_atomically
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.output import write_output
from kag.track.reading import read_text
from kag.track.source import RunSource
from kag.view.metrics import canonical

_REMEDY = "change the metrics in the marker of the table, or give others by --metric"


@dataclass(frozen=True)
class Options:
    """What the document shows, and where the rest of it comes from."""

    repository: Repository
    """Where commits are looked up."""
    specs: Path
    """Folder of planned specs; need not exist."""
    choice: Choice = field(default_factory=Choice)
    """Runs that the table shows."""
    verbatim: bool = False
    """Rows of a hand-kept log as they stood there."""
    metrics: tuple[str, ...] = ()
    """Those that a person asked for; where there are none, those that the document keeps."""


@dataclass(frozen=True)
class Version:
    """A document as it is and as it should be."""

    found: str
    """Empty if there is none yet."""
    wanted: str
    notes: Mapping[str, str]
    """Run id -> note that was changed in the table and has to go back to its run."""
    broken: Sequence[RecordError] = ()
    """What is wrong with the runs that are left out."""

    @property
    def stale(self) -> bool:
        """Whether anything is left to write."""
        return bool(self.notes) or self.found != self.wanted


def update(source: RunSource, file: Path, options: Options, *, dry: bool = False) -> Version:
    """Bring a document up to date with the runs of a source.

    Nothing is read where the state of the files tells that the document is what the last update left.

    Args:
        dry: write nothing.

    Raises:
        RecordError: as `next_version` and `store_notes`.
        UserError: the document cannot be written.
    """
    made_of = _stamp(source, options)
    if isinstance(source, FolderSource) and file.exists() and is_known(source.runs, made_of, text := read_text(file)):
        return Version(text, text, {})
    if dry:
        return _next(source, file, options)
    with writing(file):
        version = _next(source, file, options)
        store_notes(source, version.notes)
        if version.found != version.wanted:
            write_output(file, version.wanted)
    if isinstance(source, FolderSource) and not version.notes and not version.broken:
        remember(source.runs, made_of, version.wanted)
    return version


def _next(source: RunSource, file: Path, options: Options) -> Version:
    """The next version, by the metrics that were asked for or that the document keeps.

    Raises:
        RecordError: as `next_version`, or the document keeps a metric that no run has.
    """
    asked = options.metrics or _kept(file)
    try:
        siblings = collect(source, options.repository, asked)
    except UserError as error:
        if options.metrics or isinstance(error, RecordError):
            raise
        raise RecordError(error.what, where=str(file), nearest=error.nearest, remedy=_REMEDY) from error
    return next_version(file, siblings, options)


def _kept(file: Path) -> tuple[str, ...]:
    """The metrics that a document keeps."""
    text = read_text(file) if file.exists() else ""
    return regions(text, where=str(file))[TABLE].metrics if text else ()


def next_version(file: Path, siblings: Siblings, options: Options) -> Version:
    """What a document should be, given the runs and what a person changed in it.

    Args:
        file: the document; need not exist.
        siblings: every run of the source.

    Raises:
        RecordError: the markers are broken, or a change in the table cannot be merged; see `edits`.
    """
    where = str(file)
    found = read_text(file) if file.exists() else ""
    text = found or NEW
    if options.metrics:
        text = keeping(text, tuple(map(canonical, options.metrics)), where=where)
    region = regions(text, where=where)[TABLE]
    inside = text[region.start : region.end]
    siblings = with_told(siblings, inside)
    notes = edits(inside, siblings, where=where, first_line=region.first_line)
    merged = with_notes(siblings, notes) if notes else siblings
    contents = {
        TABLE: render(table(merged, options.choice), merged.metrics, verbatim=options.verbatim),
        STRUCTURE: structure(merged, options.repository),
        PLANNED: plan_list(plans(merged, options.specs), merged),
    }
    return Version(found, replaced(text, contents, where=where), notes, siblings.broken)


def with_notes(siblings: Siblings, notes: Mapping[str, str]) -> Siblings:
    """The same runs, some with another note."""
    entries = tuple(replace(entry, notes=notes.get(entry.id, entry.notes)) for entry in siblings.entries)
    return replace(siblings, entries=entries)


def store_notes(source: RunSource, notes: Mapping[str, str]) -> None:
    """Give notes back to their runs.

    Raises:
        RecordError: the source cannot be written to.
    """
    if not notes:
        return
    if not isinstance(source, FolderSource):
        listed = "\n".join(f"  {run}: {note!r}" for run, note in notes.items())
        raise RecordError(
            f"notes were changed in the table, and this source takes none:\n{listed}",
            remedy="change the notes where the runs are kept, then write again",
        )
    for run, note in notes.items():
        write_note(RunFolder(source.runs / run), note)


def write_note(folder: RunFolder, note: str) -> None:
    """Replace what a person wrote about a run."""
    write_atomically(folder.notes_file, f"{note}\n" if note else "")


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
    with writing(folder.notes_file):
        before = body(folder.notes())
        write_note(folder, f"{before}\n\n{body(text)}" if before else body(text))


def _stamp(source: RunSource, options: Options) -> str | None:
    if not isinstance(source, FolderSource) or not source.runs.is_dir():
        return None
    settings = f"{options.choice!r} {options.verbatim} {options.metrics!r} {options.repository.state()}"
    return stamp(source.runs, options.specs, settings)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Hold off other writers of the files in a folder; the system lets go when the process dies.

    Raises:
        UserError: there is no such folder, and none can be made.
    """
    folder = file.absolute().parent
    try:
        with storing(file):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
    except StorageError as error:
        raise UserError(error.what, where=error.where, remedy=error.remedy) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
