"""Rows as JSON, CSV or a page of HTML, for other programs and for a browser."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from kag.changelog.cells import body
from kag.changelog.columns import FIRST, headings, legend
from kag.changelog.groups import Group
from kag.changelog.parts import Member, Trial, Value, joined, parts_of, sentences
from kag.changelog.table import Row
from kag.finding import Finding
from kag.text import MISSING, json_text, printable_json, spreadsheet
from kag.track.output import Kind, marked
from kag.track.stated import Course
from kag.view.metrics import OWN, TEST, VAL, Metric

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="kag-changelog">
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
{legend}<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}</tbody>
</table>
{looks}</body>
</html>
"""


FORMAT = "kag-changelog"
"""Mark of a row of JSON."""


def _is_json(path: Path) -> bool:
    """Whether a file is a list of such rows; of no rows at all there is nothing to lose."""
    with path.open("rb") as file:
        words = file.read(1024).split()
    return words == [b"[]"] or words[:4] == [b"[", b"{", b'"format":', f'"{FORMAT}",'.encode()]


JSON = Kind("a change log as JSON", _is_json)
CSV = marked("a change log as CSV", b"", begins=f"{','.join(FIRST)},".encode())
HTML = marked("a change log as HTML", b'<meta name="generator" content="kag-changelog">')


def as_json(rows: Sequence[Row]) -> str:
    """Everything that the table is made of, at full precision; a number that is missing is null."""
    return printable_json(json_text([_plain(row) for row in rows], ascii_only=False)) + "\n"


def as_csv(rows: Sequence[Row], metrics: Sequence[Metric] = OWN) -> str:
    """The columns without markdown, the note in one more."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*map(spreadsheet, headings(metrics)), "Note"])
    writer.writerows(map(_csv_row, rows))
    return file.getvalue()


def as_html(rows: Sequence[Row], metrics: Sequence[Metric] = OWN, looks: Sequence[str] = ()) -> str:
    """A page that needs nothing from anywhere; every text is escaped. `looks` stand below the table."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in headings(metrics))
    said = "".join(f"<p>{_marked(text)}</p>\n" for text in [legend(metrics)] if text)
    below = "".join(f"<p>{_marked(text)}</p>\n" for text in looks)
    return _PAGE.format(legend=said, head=head, rows="".join(map(_html_row, rows)), looks=below)


def _plain(row: Row) -> dict[str, Any]:
    record, parts = row.entry.record, parts_of(row)
    return {
        "format": FORMAT,
        "run": record.id,
        "record": record,
        "changes": list(row.changes),
        "files_touched": None if record.files_touched is None else list(record.files_touched),
        "val_auprc": row.value(VAL),
        "test_auprc": None if row.says("val_typed_as_test") else row.value(TEST),
        "metrics": list(map(_metric, repeat(row), row.metrics, parts.values)),
        "findings": list(row.findings),
        "selection": row.selection,
        "note": body(row.entry.notes),
        "searched": row.searched.get(record.id),
        **({"members": _runs_of(row.group)} if row.group else {}),
        "other_trials": [
            {
                "run": trial.id,
                "record": trial.first.record,
                "val_auprc": trial.value(VAL),
                "searched": row.searched[trial.id],
                **({"members": _runs_of(trial)} if trial.is_several else {}),
            }
            for trial in row.trials
        ],
    }


def _runs_of(group: Group) -> list[dict[str, Any]]:
    """Replicates, each with its own numbers and what was said of it."""
    return [
        {
            "run": entry.id,
            "seed": group.seed(entry),
            "record": entry.record,
            "val_auprc": entry.value("val"),
            "test_auprc": entry.value("test"),
            "findings": list(entry.findings),
            "note": body(entry.notes),
        }
        for entry in group.entries
    ]


def _metric(row: Row, metric: Metric, shown: Value) -> dict[str, Any]:
    """A metric that counts, its value, and at which epoch or step that was, as far as the history tells."""
    course = row.entry.courses.get(metric.name, Course())
    at = {"best": course.best_epoch, "last": course.last_epoch}.get(metric.value)
    return {
        "name": metric.name,
        "goal": metric.goal,
        "of": metric.value,
        "value": None if shown.text == MISSING else row.value(metric),
        "at": None if at is None or row.group else {course.unit: at},
        "highest_so_far": shown.highest_so_far,
        "best_to_date": shown.best_to_date,
        **({"spread": row.group.spread(metric).as_json()} if row.group else {}),
    }


def _csv_row(row: Row) -> list[str]:
    parts = parts_of(row)
    texts = ("".join(text) for text in (parts.date_and_run, parts.key_changes, parts.files))
    values = [one.text for one in parts.values]
    said = "; ".join([*values[-1:], *sentences(parts, whole=True)])
    return [*map(spreadsheet, texts), *values[:-1], said, spreadsheet(parts.note)]


def _html_row(row: Row) -> str:
    parts = parts_of(row)
    cells = [joined(text, _marked, _code) for text in (parts.date_and_run, parts.key_changes, parts.files)]
    said = _findings(parts.findings)
    if parts.folded:
        said += f"<details><summary>{len(parts.folded)} more</summary>{_findings(parts.folded)}</details>"
    words = (*map(html.escape, (parts.status, body(parts.worth), parts.unpaired)), _marked(parts.note))
    more = "".join(f"<div>{text}</div>" for text in words if text)
    folded = _folded(f"{len(parts.members)} runs", map(_member, parts.members))
    folded += _folded(parts.trials_heading, map(_trial, parts.trials))
    values = [f"<strong>{one.text}</strong>" if one.best_to_date else one.text for one in parts.values]
    last = "".join(values[-1:]) + said + more + folded
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in (*cells, *values[:-1], last)) + "</tr>\n"


def _folded(summary: str, items: Iterable[str]) -> str:
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details><summary>{summary}</summary><ul>{listed}</ul></details>" if listed else ""


def _member(member: Member) -> str:
    note = f" {_marked(member.note)}" if member.note else ""
    return f"{html.escape(member.run)} {html.escape(member.text)}{note}"


def _trial(trial: Trial) -> str:
    members = "".join(f"<li>{_member(one)}</li>" for one in trial.members)
    said = f"{html.escape(trial.run)} {trial.value} {html.escape(trial.searched)}"
    return f"{said}<ul>{members}</ul>" if members else said


def _findings(findings: Sequence[Finding]) -> str:
    return "".join(f'<div class="{one.severity}">{_marked(body(one.sentence))}</div>' for one in findings)


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _marked(text: str) -> str:
    """A text as HTML; what stands between back-ticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
