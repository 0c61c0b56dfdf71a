"""The next version of a document: its table and lists made anew, and what a person wrote in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kag.changelog.cells import digest
from kag.changelog.document import NEW, Content, Region, keeping, regions, replaced
from kag.changelog.markdown import render
from kag.changelog.marker import PLANNED, STRUCTURE, TABLE
from kag.changelog.merge import edits, typed
from kag.changelog.repository import Repository
from kag.changelog.rows import Rows, Tally, require_kept, rows_of, tally, told_fixes, with_kept
from kag.changelog.siblings import Siblings
from kag.changelog.structure import Section, laid_out, plan_list, plans, structure
from kag.changelog.table import table
from kag.changelog.touched import with_told
from kag.errors import RecordError
from kag.track.reading import read_text
from kag.view.choice import Choice, require_known
from kag.view.looks import looks_told
from kag.view.metrics import canonical

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
    metrics: tuple[str, ...] = ()
    """Those that a person asked for; where there are none, those that the document keeps."""
    seed_keys: tuple[str, ...] = ()
    """Settings that a person named as seeds of another program; where there are none, those that the document keeps."""


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
    records = [entry.record for entry in siblings.entries]
    require_known(options.choice, records)
    where = str(file)
    found = read_text(file) if file.exists() else ""
    text = found or NEW
    text = keeping(text, tuple(map(canonical, options.metrics)), options.seed_keys, where=where)
    parts = regions(text, where=where)
    table_before = text[parts[TABLE].start : parts[TABLE].end]
    before = rows_of(table_before, siblings)
    siblings = replace(siblings, fixes={**siblings.fixes, **told_fixes(before, siblings)})
    siblings = with_told(siblings, table_before)
    notes = edits(table_before, siblings, where=where, first_line=parts[TABLE].first_line)
    merged = with_notes(siblings, notes) if notes else siblings
    shown = table(merged, options.choice)
    if not options.drop_rows:
        require_kept(before, shown, siblings, where=where, call=f"{options.call} --drop-rows")
    hidden = sum(map(options.choice.hides, records))
    looks = looks_told(records, verbatim=options.verbatim)
    rendered = render(shown, merged.metrics, verbatim=options.verbatim, archived=hidden, looks=looks)
    kept = 0
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
