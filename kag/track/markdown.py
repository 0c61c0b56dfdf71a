"""A change log kept by hand as a source: `markdown:FILE`.

Every table with the five columns of the log is read, row by row. The cells are kept character for character; a number
counts only where a cell begins with it. Whose weights it belongs to, the settings and the history stay unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from markdown_it import MarkdownIt

from kag.errors import RecordError
from kag.track.folder import run_id
from kag.track.reading import read_text
from kag.track.record import Failure, RunRecord, Status
from kag.track.result import Result
from kag.track.source import Found, Known, WholeSource
from kag.track.stated import Stated

COLUMNS = ("Date & Run", "Key Changes", "Files Touched", "Val AUPRC", "Test AUPRC / Notes")
"""The header that makes a table a change log, and the keys of `stated.cells`."""

_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_MOMENT = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)[_T ](?P<time>\d\d[-:]\d\d[-:]\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"(?P<bold>\*\*)?(?P<value>[01]?\.\d+)(?(bold)\*\*)(?=\s*(?:$|[(;,]))(?P<rest>.*)", re.DOTALL)
_CODE = re.compile(r"(?<!`)(?P<fence>`+)(?!`)(?P<code>.+?)(?<!`)(?P=fence)(?!`)")
_LINE_END = re.compile(r"\r\n?|\n")
_BAR = re.compile(r"(?<!\\)\|")
_ERROR = re.compile(r"\b(?P<error>[A-Za-z_]\w*(?:Error|Exception))\b(?::\s*(?P<message>[^`)]+))?")
_STATUS = (
    (Status.ABORTED, re.compile(r"\b(?:run|training|attempts?) (?:was )?(?:aborted|failed|crashed)\b", re.IGNORECASE)),
    (Status.PLANNED, re.compile(r"\b(?:planned|queued|to do|todo)\b", re.IGNORECASE)),
    (Status.RUNNING, re.compile(r"\b(?:in[- ]progress|running)\b", re.IGNORECASE)),
)
"""What the words of a row without a number say, the first that fits."""


@dataclass(frozen=True)
class MarkdownSource(WholeSource):
    """The rows of a change log, as records of the kind `imported`; the last column without its number is the notes."""

    file: Path

    def __str__(self) -> str:
        return str(self.file)

    @cached_property
    def found(self) -> Found:
        """Every row; see `WholeSource.found`."""
        found: dict[str, Known] = {}
        for record in rows(read_text(self.file), where=str(self)):
            distinct, count = record.id, 2
            while distinct in found:
                distinct, count = f"{record.id}-{count}", count + 1
            found[distinct] = Known(record.model_copy(update={"id": distinct}), _notes(record))
        return Found(dict(sorted(found.items(), key=lambda pair: (pair[1].record.start, pair[0]))))


def rows(text: str, *, where: str) -> list[RunRecord]:
    """A record for each row of every change-log table in a markdown text, in the order of the text.

    Raises:
        RecordError: there is no such table, a row has another number of cells than its header, or it has no date.
    """
    found: list[RunRecord] = []
    lines = _LINE_END.split(text)
    tables = [table for table in _tables(text) if _split(lines[table[0]]) == list(COLUMNS)]
    if not tables:
        raise RecordError("has no table of runs", where=where, remedy=f"its header must read | {' | '.join(COLUMNS)} |")
    for line in (line for table in tables for line in table[1:]):
        place = f"{where}:{line + 1}"
        found.append(_record(lines[line].strip(), len(found) + 1, place))
    return found


def _tables(text: str) -> list[list[int]]:
    """Tables of a text that stand by themselves, each as the lines of its rows, the header first."""
    found: list[list[int]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open" and token.level == 0:
            found.append([])
        elif token.type == "tr_open" and token.level == 2 and token.map:
            found[-1].append(token.map[0])
    return found


def _cells(line: str, place: str) -> list[str]:
    """Cells of a row. Where a | inside a code span makes too many of them, the span is taken as one piece."""
    whole = _CODE.sub(lambda span: _BAR.sub(r"\\|", span[0]), line)
    cells = next((cells for cells in (_split(line), _split(whole)) if len(cells) == len(COLUMNS)), None)
    if cells is None:
        raise RecordError(
            f"this row has {len(_split(line))} cells, not {len(COLUMNS)}",
            where=place,
            remedy=r"write a | inside a cell as \|",
        )
    return cells


def _split(line: str) -> list[str]:
    """Cells of a line by the parser's own rule, with \\| as the | that it stands for."""
    cells = [cell.strip().replace(r"\|", "|") for cell in _BAR.split(line.strip())]
    return cells[1 if cells[0] == "" else 0 : len(cells) - 1 if cells[-1] == "" else len(cells)]


def _record(line: str, number: int, place: str) -> RunRecord:
    first, change, files, val, test = cells = _cells(line, place)
    names = [span["code"].strip() for span in _CODE.finditer(first)]
    start, precision = _start(names, first, place)
    name = _name(names, first)
    results = [result for result in (_result("val", val), _result("test", test)) if result]
    status = Status.FINISHED if results else _status(cells)
    return RunRecord(
        id=run_id(name, start),
        name=name,
        kind="imported",
        status=status,
        start=start,
        change=change or None,
        failure=_failure(cells) if status is Status.ABORTED else None,
        results=tuple(results),
        stated=Stated(
            cells=dict(zip(COLUMNS, cells, strict=True)),
            as_written=line if any("|" in cell for cell in cells) else None,
            files_touched=tuple(span["code"].strip() for span in _CODE.finditer(files)),
            row=number,
            start_known_to=precision,
        ),
    )


def _start(names: Sequence[str], cell: str, place: str) -> tuple[datetime, Literal["second", "day"]]:
    """Time in the run's name, else the day in the cell; and which of them."""
    for text in (*names, cell):
        if found := _MOMENT.search(text.translate(_HYPHENS)):
            moment = f"{found['day']}T{found['time'].replace('-', ':')}"
            return _parsed(moment, place), "second"
    if found := _DAY.search(cell.translate(_HYPHENS)):
        return _parsed(found[0], place), "day"
    raise RecordError(f"this row has no date: {cell!r}", where=place)


def _parsed(moment: str, place: str) -> datetime:
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=UTC)
    except ValueError as error:
        raise RecordError(f"{moment!r} is no date: {error}", where=place) from None


def _name(names: Sequence[str], cell: str) -> str:
    """The run's name without its time and ending; else what stands behind the date."""
    text = names[0].removesuffix(".log") if names else cell.translate(_HYPHENS)
    text = _DAY.sub("", _MOMENT.sub("", text.translate(_HYPHENS)))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64] or "run"


def _result(split: str, cell: str) -> Result | None:
    found = _NUMBER.match(cell)
    values: dict[str, Any] = {"split": split, "metric": "auprc", "weights": None}
    return Result.model_validate({**values, "value": float(found["value"])}) if found else None


def _notes(record: RunRecord) -> str:
    """What the last column says besides its number."""
    cell = record.stated.cells[COLUMNS[-1]] if record.stated else ""
    number = _NUMBER.match(cell)
    note = number["rest"].strip().lstrip(",; ") if number else cell
    return "" if note.translate(_HYPHENS) == "-" else note


def _status(cells: Sequence[str]) -> Status:
    """By the words of a row that has no number; without such words it is a plan."""
    text = " ".join(cells)
    return next((status for status, words in _STATUS if words.search(text)), Status.PLANNED)


def _failure(cells: Sequence[str]) -> Failure | None:
    """The error, where a cell names its class."""
    for cell in reversed(cells):
        if found := _ERROR.search(cell):
            return Failure(error=found["error"], message=(found["message"] or "").strip())
    return None
