from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.changelog.document import NEW, Content, regions, replaced, unified_diff
from kag.changelog.marker import PLANNED, SECTIONS, STRUCTURE, TABLE, marker
from kag.errors import RecordError

BEGIN, END = marker(TABLE, "begin"), marker(TABLE, "end")
CONTENTS = {TABLE: "| a |\n|---|\n", STRUCTURE: "- x", PLANNED: "1. y"}


def renewed(text: str, where: str = "x") -> str:
    return replaced(text, regions(text, where=where), {name: Content(text) for name, text in CONTENTS.items()})


outside = st.text(st.characters(exclude_categories=("Cs",)), max_size=80).filter(lambda text: "<!--" not in text)


@given(outside, outside, st.sampled_from(["\n", "\r\n"]), outside)
def test_what_stands_outside_stays_byte_for_byte(before: str, after: str, line_end: str, old: str) -> None:
    text = f"{before}{line_end}{BEGIN}{line_end}{old}{line_end}{END}{line_end}{after}"
    new = renewed(text)
    assert new.encode().startswith(f"{before}{line_end}{BEGIN}{line_end}".encode())
    assert new.encode().endswith(f"{END}{line_end}{after}".encode())
    assert "| a |" in new
    assert renewed(new) == new


def test_each_region_gets_its_own_and_a_region_that_is_not_there_is_left_out() -> None:
    new = renewed(NEW)
    assert [new[region.start : region.end].strip() for region in regions(new, where="x").values()] == [
        CONTENTS[section].strip() for section in SECTIONS
    ]
    assert "1. y" not in renewed(f"{BEGIN}\n{END}\n")


def test_a_document_without_a_last_line_end_keeps_it_so() -> None:
    assert renewed(f"{BEGIN}\n{END}").endswith(END)


def test_a_byte_order_mark_and_windows_line_ends_stay() -> None:
    new = renewed(f"\ufefftitle\r\n{BEGIN}\r\n{END}\r\n")
    assert new.startswith("\ufefftitle\r\n")
    assert "\n" not in new.replace("\r\n", "")


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("only words\n", "no place for the table", ""),
        (f"{marker(PLANNED, 'begin')}\n{marker(PLANNED, 'end')}\n", "no place for the table", ""),
        (f"a\n{BEGIN}\n", "does not end", ":3"),
        (f"a\n{END}\n", "without having begun", ":2"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", "twice|inside another", ":2"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "begins twice", ":3"),
        (f"{END}\n{BEGIN}\n", "without having begun", ":1"),
        (f"{BEGIN}\n{marker(PLANNED, 'begin')}\n{marker(PLANNED, 'end')}\n{END}\n", "inside another", ":2"),
        (f"{BEGIN}\n{marker(PLANNED, 'end')}\n{END}\n", "without having begun", ":2"),
        (f"a {BEGIN}\n{END}\n", "not stand alone", ":1"),
        (f"{BEGIN} b\n{END}\n", "not stand alone", ":1"),
        (f"{BEGIN}\n<!--kag:changelog:end-->\n", "is no marker", ":2"),
        (f"<!-- kag:changelog:begn -->\n{END}\n", "is no marker", ":1"),
        (f"{BEGIN}\n{END}\n<!-- kag:plannd:begin -->\n", "is no marker", ":3"),
        (f"{BEGIN}\n<!-- kag:changelog:end\n", "is no marker", ":2"),
    ],
)
def test_broken_markers_are_refused_with_their_line(text: str, words: str, line: str) -> None:
    with pytest.raises(RecordError, match=words) as refused:
        renewed(text, where="LOG.md")
    assert (refused.value.where or "").startswith(f"LOG.md{line}")
    assert refused.value.remedy


def test_a_misspelt_marker_is_told_what_it_should_be() -> None:
    with pytest.raises(RecordError) as refused:
        regions(f"<!-- kag:changelog:begn -->\n{END}\n", where="x")
    assert refused.value.nearest == BEGIN


def test_a_diff_shows_a_missing_line_end() -> None:
    assert unified_diff("a\n", "a\n", "x") == ""
    assert unified_diff("a\nb", "a\nc\n", "x").splitlines()[3:] == [" a", "-b", "\\ No newline at end of file", "+c"]
