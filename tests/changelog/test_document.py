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


FENCED = f"```html\n{BEGIN}\n{END}\n```\n"
IN_TEXT = [
    FENCED,
    f"~~~~\n{END}\n~~~\n{BEGIN}\n~~~~\n",
    f"    {BEGIN}\n\n",
    f"- {BEGIN}\n",
    f"1. one\n\n   {BEGIN}\n",
    f"- a\n\n  ```\n  {END}\n  ```\n\n",
    f"> {BEGIN}\n\n",
    f"Two lines, `{BEGIN}` and `{END}`, are its place.\n",
    "    <!-- kag:nothing -->\n\n",
]


@pytest.mark.parametrize("text", IN_TEXT)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_marker_in_code_a_list_or_a_quote_is_text(text: str, line_end: str) -> None:
    document = f"{text}\n{BEGIN}\n{END}\n\n{text}".replace("\n", line_end)
    new = renewed(document)
    assert new.startswith(f"{text}\n{BEGIN}\n\n| a |".replace("\n", line_end))
    assert new.endswith(f"\n{END}\n\n{text}".replace("\n", line_end))
    assert renewed(new) == new


@pytest.mark.parametrize("before", ["\ufeff", "- an item\n", "# Head\n", "a paragraph\n", "<details>\n", "a\rb\n"])
def test_a_marker_needs_no_blank_line_above_it(before: str) -> None:
    assert renewed(f"{before}{BEGIN}\n{END}\n").startswith(f"{before}{BEGIN}\n\n| a |")


def test_metrics_in_a_marker_are_read_and_stay() -> None:
    begin = marker(TABLE, "begin", ("val/accuracy:max", "a b-->%"))
    text = f"{begin}\n{END}\n\n{marker(PLANNED, 'begin')}\n{marker(PLANNED, 'end')}\n"
    new = renewed(text)
    assert "-->%" not in begin
    assert regions(new, where="x")[TABLE].begin.metrics == ("val/accuracy:max", "a b-->%")
    assert begin in new
    assert regions(new, where="x")[PLANNED].last.printed
    assert renewed(new) == new


def test_a_list_is_known_as_printed_until_somebody_types_into_it() -> None:
    new = renewed(NEW)
    for section in (STRUCTURE, PLANNED):
        content = CONTENTS[section]
        assert regions(new, where="x")[section].is_as_printed(new)
        changed = new.replace(content, f"{content}!")
        assert not regions(changed, where="x")[section].is_as_printed(changed)
        windows = new.replace("\n", "\r\n")
        assert regions(windows, where="x")[section].is_as_printed(windows)


def test_a_word_that_kag_wrote_and_somebody_changed_is_refused() -> None:
    with pytest.raises(RecordError, match="is no marker"):
        regions(renewed(NEW).replace("printed=", "printed=mine"), where="x")


def test_a_diff_shows_a_missing_line_end() -> None:
    assert unified_diff("a\n", "a\n", "x") == ""
    assert unified_diff("a\nb", "a\nc\n", "x").splitlines()[3:] == [" a", "-b", "\\ No newline at end of file", "+c"]
