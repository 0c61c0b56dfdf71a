"""Rows as a markdown table. A row ends with a mark of three digests, and behind it the note.

    | 2025-10-17 – `<id>` | ... | 0.444; sentences <!-- note <run> <generated> <note> --> what a person wrote |

The mark says which run the row is of, what was generated and which note was printed: that is all that `kag changelog`
needs to tell, the next time, whether a person has changed the row since.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kag.changelog.cells import body, digest, escape, keep_pipes
from kag.changelog.columns import FIRST, headings, legend
from kag.changelog.entry import Entry
from kag.changelog.parts import FILES_SHOWN, Member, Parts, joined, parts_of, sentences
from kag.changelog.table import Row
from kag.track.markdown import COLUMNS
from kag.view.choice import archived_text
from kag.view.metrics import OWN, Metric

FILES = COLUMNS.index("Files Touched")

_MARK = re.compile(r"<!-- note (?P<run>[0-9a-f]{12}) (?P<generated>[0-9a-f]{12}) (?P<note>[0-9a-f]{12}) -->")
_PIPE = re.compile(r"(?<!\\)\|")
_ARCHIVED = re.compile(r"\d+ archived runs? ha(?:s|ve) no row\. <!-- archived -->")
_FOOT = re.compile(r"^(?P<text>.*) <!-- looks (?P<printed>[0-9a-f]{12}) -->$")
_LEGEND = re.compile(r"^(?P<text>.*) <!-- metrics (?P<legend>[0-9a-f]{12}) (?P<headings>[0-9a-f]{12}) -->$")


@dataclass(frozen=True)
class Line:
    """A row of a table as it stands in a document."""

    cells: tuple[str, ...]
    """The cells, the last one up to the mark."""
    note: str = ""
    """What stands behind the mark, as it stands there."""
    run: str | None = None
    """Digest of the run's id; None where there is no mark."""
    generated: str | None = None
    """Digest of the cells as they were printed."""
    printed_note: str | None = None
    """Digest of the note as it was printed."""

    @property
    def as_printed(self) -> bool:
        """Whether the generated cells are still what was printed."""
        return self.generated == _cells_digest(self.cells)

    def text(self) -> str:
        """The row as a line of the table."""
        mark = f"<!-- note {self.run} {self.generated} {self.printed_note} -->" if self.run else ""
        *others, last = self.cells
        return f"| {' | '.join([*others, ' '.join(part for part in (last, mark, self.note) if part)])} |"


def render(
    rows: Sequence[Row],
    metrics: Sequence[Metric] = OWN,
    *,
    verbatim: bool = False,
    archived: int = 0,
    looks: Sequence[str] = (),
) -> str:
    """The table as markdown; the same rows give the same text.

    Args:
        rows: its rows.
        metrics: those that count. Unless they are kag's own, a line above the table says which they are.
        verbatim: rows that were imported from a hand-kept log get its own cells back, in its own order, without marks.
            They fit under the metrics of kag's own alone.
        archived: runs that have no row since they are archived; a line above the table counts them.
        looks: sentences below the table, of looks at test sets.
    """
    verbatim = verbatim and tuple(metrics) == OWN
    if verbatim:
        rows = sorted(rows, key=_as_listed)
    texts = ((verbatim and verbatim_line(row.entry)) or line(row).text() for row in rows)
    return _head(metrics, archived) + "".join(f"{text}\n" for text in texts) + _foot(looks)


class Head(NamedTuple):
    """The line above a table as it stands in a document."""

    as_printed: bool
    """Whether it says what was printed."""
    headings: str
    """Digest of the header below it."""


def parse_head(text: str) -> Head | None:
    """The line above a table; None if it is none."""
    found = _LEGEND.match(text.strip())
    return Head(digest(found["text"]) == found["legend"], found["headings"]) if found else None


def parted(table: str) -> tuple[str, str, str]:
    """What stands above the rows of a table, the rows, and what stands below them."""
    end = table.index("\n", table.index("\n|---") + 1) + 1
    below = f"\n{table[end:]}".find("\n\n")
    foot = len(table) if below < 0 else end + below
    return table[:end], table[end:foot], table[foot:]


def foot_as_printed(text: str) -> bool | None:
    """Whether a line below a table says what was printed; None if it is no such line."""
    found = _FOOT.match(text.strip())
    return digest(found["text"]) == found["printed"] if found else None


def headings_digest(cells: Sequence[str]) -> str:
    """What stands for a header in the line above its table."""
    return _cells_digest(cells)


def is_archived_line(text: str) -> bool:
    """Whether a line above a table is the one that counts archived runs."""
    return _ARCHIVED.fullmatch(text.strip()) is not None


def _head(metrics: Sequence[Metric], archived: int) -> str:
    cells = tuple(map(escape, headings(metrics)[len(FIRST) :]))
    cells, said = (*FIRST, *cells), escape(legend(metrics))
    marked = f"{said} <!-- metrics {digest(said)} {headings_digest(cells)} -->\n\n" if said else ""
    marked += f"{archived_text(archived, have='row')}. <!-- archived -->\n\n" if archived else ""
    return f"{marked}| {' | '.join(cells)} |\n|{'|'.join(['---'] * len(cells))}|\n"


def _foot(looks: Sequence[str]) -> str:
    return "".join(f"\n{said} <!-- looks {digest(said)} -->\n" for said in map(escape, looks))


def line(row: Row) -> Line:
    """One row, ready to be printed."""
    cells = generated_cells(row)
    note = body(row.entry.notes)
    return Line(cells, escape(note), digest(row.entry.id), _cells_digest(cells), digest(note))


def parse(text: str) -> Line:
    """A row from a line of a table; whatever a person typed behind the mark is the note, pipes too."""
    text = text.strip()
    mark = _MARK.search(text)
    if mark is None:
        return Line(_split(text.removesuffix("|")))
    note = text[mark.end() :]
    note = note.removesuffix("|") if not note.endswith(r"\|") else note
    return Line(_split(text[: mark.start()]), note.strip(), mark["run"], mark["generated"], mark["note"])


def verbatim_line(entry: Entry) -> str | None:
    """The row of a hand-kept log, its cells character for character, or None if the run is of none."""
    stated = entry.record.stated
    if stated is None or not stated.cells:
        return None
    return stated.as_written or Line(tuple(keep_pipes(stated.cells[column]) for column in COLUMNS)).text()


def generated_cells(row: Row) -> tuple[str, ...]:
    """The cells without the note."""
    parts = parts_of(row, files=FILES_SHOWN)
    begun, changed, files = (
        joined(text, escape, _code) for text in (parts.date_and_run, parts.key_changes, parts.files)
    )
    if row.told_files.endswith(f"; {files}"):
        files = row.told_files
    values = [f"**{one.text}**" if one.best_to_date else one.text for one in parts.values]
    said = "; ".join([*values[-1:], *map(escape, sentences(parts, whole=False))])
    below = (said, _members(parts.members), _trials(parts))
    return (begun, changed, files, *values[:-1], " ".join(part for part in below if part))


def _split(text: str) -> tuple[str, ...]:
    cells = _PIPE.split(text.strip().removeprefix("|"))
    return tuple(cell.strip().replace(r"\|", "|") for cell in cells)


def _cells_digest(cells: Sequence[str]) -> str:
    """The same before a table is printed and after it is read, when \\| has become |."""
    return digest("\n".join(cells).replace(r"\|", "|"))


def _code(text: str) -> str:
    return escape(f"`{text}`")


def _members(members: Sequence[Member]) -> str:
    """The replicates, folded, each with its seed, its values and what a person wrote."""
    return _folded(f"{len(members)} runs", list(map(_member_line, members))) if members else ""


def _trials(parts: Parts) -> str:
    """The other trials of a sweep, folded, each with its value, its settings and what a person wrote."""
    if not parts.trials:
        return ""
    lines: list[str] = []
    for one in parts.trials:
        told = (f"`{one.run}`", one.value, f"`{one.searched}`" if one.searched else "", one.note)
        lines += [" ".join(part for part in told if part), *map(_member_line, one.members)]
    return _folded(parts.trials_heading, lines)


def _member_line(member: Member) -> str:
    return " ".join(part for part in (f"`{member.run}`", member.text, member.note) if part)


def _folded(summary: str, lines: Sequence[str]) -> str:
    return f"<details><summary>{summary}</summary>{'<br>'.join(map(escape, lines))}</details>"


def _as_listed(row: Row) -> tuple[bool, int]:
    stated = row.entry.record.stated
    return (False, stated.row or 0) if stated and stated.cells else (True, 0)
