"""The table as a file of its own, in a form in which nobody writes: JSON, CSV, HTML."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kag.changelog.collect import collect
from kag.changelog.formats import CSV, HTML, JSON, as_csv, as_html, as_json
from kag.changelog.repository import NotKnown
from kag.changelog.rows import compared, require_filled
from kag.changelog.rules.ending import broken_file
from kag.changelog.siblings import Siblings
from kag.changelog.table import Row, table
from kag.changelog.version import Options, Version
from kag.changelog.write import require_replaceable, writing
from kag.track.output import Kind, write_output
from kag.track.reading import read_text
from kag.track.record import ARCHIVED
from kag.track.source import RunSource
from kag.view.alike import require_seeds
from kag.view.choice import Choice, require_known
from kag.view.looks import looks_told

ARCHIVED_ALONE = Choice(tags=(ARCHIVED,))
"""The runs that are archived; whoever archives a run asks for its row to go."""

_HTML_ROW = re.compile(r"<tr><td>.*?</td>")


@dataclass(frozen=True)
class Form:
    """A form of such a file."""

    kind: Kind
    render: Callable[[Sequence[Row], Siblings], str]
    """The rows as text, given every run of the source."""
    rows: Callable[[str], Mapping[str, object]]
    """The rows of such a text, by what tells them apart."""


def _json_rows(text: str) -> dict[str, object]:
    return {row["run"]: row for row in json.loads(text)}


def _csv_rows(text: str) -> dict[str, object]:
    return {row[0]: row for row in list(csv.reader(io.StringIO(text)))[1:]}


def _html_rows(text: str) -> dict[str, object]:
    return {found[0]: line for line in text.split("</tr>\n") if (found := _HTML_ROW.search(line))}


def _as_html(rows: Sequence[Row], siblings: Siblings) -> str:
    return as_html(rows, siblings.metrics, looks_told(entry.record for entry in siblings.entries))


FORMS: Mapping[str, Form] = {
    "json": Form(JSON, lambda rows, _: as_json(rows), _json_rows),
    "csv": Form(CSV, lambda rows, siblings: as_csv(rows, siblings.metrics), _csv_rows),
    "html": Form(HTML, _as_html, _html_rows),
}


def update_export(source: RunSource, file: Path, form: Form, options: Options, *, dry: bool = False) -> Version:
    """Bring such a file up to date with the runs of a source.

    Args:
        dry: write nothing.

    Raises:
        RecordError: the source cannot be read, or a filled table would become an empty one.
        UserError: the choice of runs or of seeds names what is not there, or the file cannot be written.
    """
    siblings = collect(source, options.repository, options.metrics, options.seed_keys)
    records = [entry.record for entry in siblings.entries]
    require_known(options.choice, records)
    require_seeds(options.seed_keys, records)
    rows = table(siblings, options.choice)
    found, wanted = read_text(file) if file.exists() else "", form.render(rows, siblings)
    before = form.rows(found) if found and form.kind.is_own(file) else {}
    if not options.drop_rows:
        archived = form.rows(form.render(table(siblings, ARCHIVED_ALONE), siblings))
        left = before.keys() - archived.keys()
        require_filled(left, rows, where=str(file), call=f"{options.call} --drop-rows")
    aborted = any(map(broken_file, records))
    unknown = str(siblings.between) if aborted and isinstance(siblings.between, NotKnown) else None
    version = Version(found, wanted, {}, siblings.broken, compared(before, form.rows(wanted)), (), unknown)
    if version.stale and not dry:
        with writing(file):
            require_replaceable(file, found)
            write_output(file, wanted)
    return version
