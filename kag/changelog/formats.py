"""Rows as JSON, CSV or a page of HTML, for other programs and for a browser."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from kag.changelog.cells import body
from kag.changelog.entry import Entry
from kag.changelog.markdown import status_word, test_value
from kag.changelog.table import Row
from kag.text import MISSING, three_decimals
from kag.track.markdown import COLUMNS
from kag.view.changes import phrase

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Model change log</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2rem; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #ccc; padding: .4rem .6rem; text-align: left; vertical-align: top; }}
td {{ overflow-wrap: anywhere; white-space: pre-line; }}
.error {{ color: #b00020; }} .warning {{ color: #8a5a00; }} .note {{ color: #444; }}
</style>
</head>
<body>
<h1>Model change log</h1>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}</tbody>
</table>
</body>
</html>
"""


def as_json(rows: Sequence[Row]) -> str:
    """Everything that the table is made of, at full precision; a number that is missing is null."""
    return json.dumps([_plain(row) for row in rows], indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """The five columns without markdown, the note in a sixth."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, "Note"])
    writer.writerows([*_texts(row), body(row.entry.notes)] for row in rows)
    return file.getvalue()


def as_html(rows: Sequence[Row]) -> str:
    """A page that needs nothing from anywhere; every text is escaped."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in COLUMNS)
    return _PAGE.format(head=head, rows="".join(map(_html_row, rows)))


def _plain(row: Row) -> dict[str, Any]:
    record = row.entry.record
    return {
        "run": record.id,
        "start": record.start.isoformat(),
        "status": str(record.status),
        "change": record.change,
        "parent": record.parent,
        "changes": [change.model_dump() for change in row.changes],
        "files_touched": None if record.files_touched is None else list(record.files_touched),
        "uncommitted": list(record.git.uncommitted) if record.git else None,
        "val_auprc": row.entry.value("val"),
        "test_auprc": None if row.says("val_typed_as_test") else row.entry.value("test"),
        "new_best": row.new_best,
        "findings": [finding.model_dump(mode="json") for finding in row.findings],
        "note": body(row.entry.notes),
        "sweep": record.sweep,
        "searched": row.searched.get(record.id),
        "other_trials": [
            {"run": trial.id, "val_auprc": trial.value("val"), "searched": row.searched[trial.id]}
            for trial in row.trials
        ],
    }


def _texts(row: Row) -> list[str]:
    """The five columns as plain text."""
    return [
        _date_and_run(row),
        _key_changes(row),
        _files(row.entry),
        three_decimals(row.entry.value("val")),
        _test_and_notes(row),
    ]


def _date_and_run(row: Row) -> str:
    record = row.entry.record
    sweep = f", best of {len(row.trials) + 1} trials of sweep {record.sweep}" if record.sweep else ""
    searched = row.searched.get(record.id)
    return f"{record.start:%Y-%m-%d} – {record.id}{sweep}{f': {searched}' if searched else ''}"


def _key_changes(row: Row) -> str:
    return "; ".join(part for part in (body(row.entry.record.change or ""), phrase(row.changes)) if part) or MISSING


def _files(entry: Entry) -> str:
    record = entry.record
    if record.git is None:
        return ", ".join(record.files_touched or ()) or (MISSING if record.kind == "imported" else "outside git")
    return ", ".join(f"{file}*" if file in record.git.uncommitted else file for file in record.git.touched) or "none"


def _test_and_notes(row: Row) -> str:
    sentences = [status_word(row.entry), *(finding.sentence for finding in row.findings)]
    return "; ".join([test_value(row), *(sentence for sentence in sentences if sentence)])


def _html_row(row: Row) -> str:
    *texts, _ = _texts(row)
    cells = [_marked(text) for text in texts]
    cells[3] = f"<strong>{cells[3]}</strong>" if row.new_best else cells[3]
    said = "".join(f'<div class="{finding.severity}">{_marked(finding.sentence)}</div>' for finding in row.findings)
    status, note = html.escape(status_word(row.entry)), _marked(body(row.entry.notes))
    trials = "".join(
        f"<li>{html.escape(trial.id)} {three_decimals(trial.value('val'))} {html.escape(row.searched[trial.id])}</li>"
        for trial in row.trials
    )
    folded = f"<details><summary>{len(row.trials)} other trials</summary><ul>{trials}</ul></details>" if trials else ""
    parts = [test_value(row), *(f"<div>{text}</div>" for text in (status, note) if text)]
    cells.append("".join([*parts[:1], said, *parts[1:], folded]))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _marked(text: str) -> str:
    """A text as HTML; what stands between back-ticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
