"""From entries and a document to the next version of the document: edits back to their runs, then new contents."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kag.changelog.cells import body, digest
from kag.changelog.chosen import require_known
from kag.changelog.collect import collect
from kag.changelog.document import NEW, PLANNED, STRUCTURE, TABLE, Content, Region, regions, replaced
from kag.changelog.entry import Siblings
from kag.changelog.markdown import render
from kag.changelog.merge import edits, typed
from kag.changelog.repository import Repository
from kag.changelog.rows import Rows, Tally, require_kept, rows_of, tally, told_fixes, with_kept
from kag.changelog.stamp import known, remember, stamp
from kag.changelog.structure import Section, laid_out, plan_list, plans, structure
from kag.changelog.table import Choice, table
from kag.errors import RecordError, StorageError, UserError
from kag.text import joined
from kag.track.atomic import atomic_path, keep_rights, storing
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.output import require_writable, write_output
from kag.track.reading import read_text
from kag.track.source import RunSource

_MOVE = "move what is yours outside the markers by hand, then write again"


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
    drop_rows: bool = False
    """Rows with notes may go, and all rows at once."""
    call: str = "kag changelog"
    """The command that was given, as it can be given again."""


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
    tally: Tally = field(default_factory=Tally)
    moved: Sequence[str] = ()
    """Lists into which a person had typed what stands below them now."""
    unknown: str | None = None
    """Why git could not say what changed in the code."""

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
        UserError: the document cannot be written, or was changed while it was made.
    """
    made_of = _stamp(source, options)
    if isinstance(source, FolderSource) and file.exists():
        text = read_text(file)
        if (said := known(source.runs, made_of, text)) is not None:
            return Version(text, text, {}, unknown=said or None)
    if dry:
        return next_version(file, collect(source, options.repository), options)
    with writing(file):
        siblings = collect(source, options.repository)
        version = next_version(file, siblings, options)
        if version.stale:
            require_replaceable(file, version.found)
        store_notes(source, version.notes, siblings)
        if version.found != version.wanted:
            write_output(file, version.wanted)
    if isinstance(source, FolderSource) and not version.notes and not version.broken:
        remember(source.runs, made_of, version.wanted, version.unknown or "")
    return version


def next_version(file: Path, siblings: Siblings, options: Options) -> Version:
    """What a document should be, given the runs and what a person changed in it.

    Args:
        file: the document; need not exist.
        siblings: every run of the source.

    Raises:
        RecordError: the markers are broken, a change in the table cannot be merged (see `edits`), or rows with notes
            would go.
        UserError: the choice of runs names what is not there.
    """
    require_known(options.choice, siblings)
    where = str(file)
    found = read_text(file) if file.exists() else ""
    text = found or NEW
    parts = regions(text, where=where)
    table_before = text[parts[TABLE].start : parts[TABLE].end]
    before = rows_of(table_before, siblings)
    siblings = replace(siblings, fixes={**siblings.fixes, **told_fixes(before, siblings)})
    notes = edits(table_before, siblings, where=where, first_line=parts[TABLE].first_line)
    merged = with_notes(siblings, notes) if notes else siblings
    shown = table(merged, options.choice)
    if not options.drop_rows:
        require_kept(before, shown, siblings, where=where, call=f"{options.call} --drop-rows")
    rendered, kept = render(shown, verbatim=options.verbatim), 0
    if not options.drop_rows:
        rendered, kept = with_kept(rendered, before, shown, siblings)
    lists = _lists(merged, options, before, parts[STRUCTURE].inside(text) if STRUCTURE in parts else "")
    contents = {name: _settled(text, parts[name], section) for name, section in lists.items() if name in parts}
    wanted = replaced(text, parts, {TABLE: Content(rendered), **contents})
    moved = tuple(name for name, content in contents.items() if content.typed)
    if moved and regions(wanted, where=where).keys() != parts.keys():
        raise RecordError(f"what was typed into {' and '.join(moved)} holds markers", where=where, remedy=_MOVE)
    rows = tally(before, rows_of(rendered, siblings), shown, kept)
    unknown = lists[STRUCTURE].unknown if STRUCTURE in parts else None
    return Version(found, wanted, notes, siblings.broken, rows, moved, unknown)


def _lists(siblings: Siblings, options: Options, rows: Rows, structure_before: str) -> dict[str, Section]:
    """The lists below the table."""
    runs = {entry.id for entry in siblings.entries if digest(entry.id) in rows}
    return {
        STRUCTURE: structure(siblings, options.repository, structure_before, runs),
        PLANNED: plan_list(plans(siblings, options.specs), siblings),
    }


def _settled(text: str, region: Region, section: Section) -> Content:
    """What a list is to hold, and what a person typed into it."""
    before = region.inside(text)
    if region.is_as_printed(text) or before == section.text:
        return Content(before if section.unknown and before.strip() else section.text)
    mine, own = typed(before, section.is_own)
    left = laid_out(own)
    stays = left == section.text or bool(section.unknown and own)
    return Content(left if stays else section.text, mine, vouched=not stays)


def with_notes(siblings: Siblings, notes: Mapping[str, str]) -> Siblings:
    """The same runs, some with another note."""
    entries = tuple(replace(entry, notes=notes.get(entry.id, entry.notes)) for entry in siblings.entries)
    return replace(siblings, entries=entries)


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
            f"notes were changed in the table, and this source takes none:\n{listed}",
            remedy="change the notes where the runs are kept, then write again",
        )
    for run, note in notes.items():
        folder = RunFolder(source.runs / run)
        with writing(folder.notes_file):
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
    with writing(folder.notes_file):
        before = body(folder.notes())
        write_note(folder, f"{before}\n\n{body(text)}" if before else body(text))


def _stamp(source: RunSource, options: Options) -> str | None:
    if not isinstance(source, FolderSource) or not source.runs.is_dir():
        return None
    settings = f"{options.choice!r} {options.verbatim} {options.repository.state()}"
    return stamp(source.runs, options.specs, settings)


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
