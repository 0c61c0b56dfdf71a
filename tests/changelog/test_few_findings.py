"""A cell shows the three gravest findings; the others are counted in markdown, folded in HTML, and listed in CSV."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from kag.changelog.entry import Entry
from kag.changelog.formats import as_csv, as_html, as_json
from kag.changelog.markdown import render
from kag.changelog.parts import FINDINGS_SHOWN, parts_of, sentences
from kag.changelog.table import Row
from kag.finding import Finding, Severity, gravest_first
from tests.changelog.run_logs import parsed, run_record

severities = st.lists(st.sampled_from(Severity), max_size=9)


def row_of(found: list[Severity]) -> Row:
    said = [Finding(code=f"rule_{n}", severity=one, sentence=f"said {n}") for n, one in enumerate(found)]
    return Row(Entry(run_record()), findings=tuple(gravest_first(said)))


@given(severities)
def test_the_gravest_three_are_shown_and_none_is_lost(found: list[Severity]) -> None:
    row = row_of(found)
    parts = parts_of(row)
    assert (*parts.findings, *parts.folded) == row.findings
    assert len(parts.findings) == min(len(found), FINDINGS_SHOWN)
    ranks = [one.severity.rank for one in row.findings]
    assert ranks == sorted(ranks)
    short, whole = sentences(parts, whole=False), sentences(parts, whole=True)
    more = len(found) - FINDINGS_SHOWN
    assert short == [*whole[:FINDINGS_SHOWN], *([f"and {more} more (`kag doctor`)"] if more > 0 else [])]


def test_every_form_has_its_way_with_the_rest() -> None:
    row = row_of([Severity.NOTE, Severity.NOTE, Severity.WARNING, Severity.NOTE, Severity.ERROR])
    cell = parsed(render([row])).tables[0][1][4]
    assert cell.split("; ")[1:4] == ["said 4", "said 2", "said 0"]
    assert "and 2 more (<code>kag doctor</code>)" in cell
    assert "said 1" not in cell
    page = as_html([row])
    assert page.index("said 0") < page.index("<details><summary>2 more</summary>") < page.index("said 1")
    _, line = csv.reader(io.StringIO(as_csv([row])))
    assert all(f"said {n}" in line[4] for n in range(5))
    assert all(f"said {n}" in as_json([row]) for n in range(5))
