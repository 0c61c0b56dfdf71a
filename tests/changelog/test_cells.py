from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kag.changelog.cells import body, escape, unescape
from tests.changelog.run_logs import parsed

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
awkward = st.text(st.sampled_from("`|<>&\\\n\r\t \x00\x0b\u2028#;*_[]()!-ab1é👍"), max_size=120)
tricky = st.lists(
    st.sampled_from(
        ["<br>", "<script>alert(1)</script>", "<!-- note ", " -->", "&lt;", "&#60;", "`", "``", "|", "\\|", "a"]
    ),
    max_size=20,
).map("".join)

HEAD = "| a | b |\n|---|---|\n"


@given(texts | awkward | tricky)
@example("`a|b` `c\\`")
@example("&amp;lt;br>")
def test_unescape_is_the_inverse_of_escape(text: str) -> None:
    assert unescape(escape(text)) == text


@given(texts | awkward | tricky)
@example("<img src=x onerror=alert(1)>")
@example("`<b>`|`x")
def test_no_text_leaves_its_cell_or_becomes_html(text: str) -> None:
    cell = escape(body(text))
    line = f"| {cell} | end |"
    assert "\n" not in line
    assert len(re.split(r"(?<!\\)\|", line)) == 4
    found = parsed(f"{HEAD}{line}\n\nafter\n")
    assert [len(row) for row in found.tables[0]] == [2, 2]
    assert found.tables[0][1][1] == "end"
    assert "<p>after</p>" in found.html
    assert set(tags(found.tables[0][1][0])) <= {"br", "code", "em", "strong", "a", "img"}
    assert "javascript:" not in found.html.lower() or "javascript:" in text.lower()


def tags(html: str) -> list[str]:
    """Names of the tags that a browser would see."""
    from html.parser import HTMLParser

    seen: list[str] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)

        def handle_comment(self, data: str) -> None:
            seen.append("comment")

    Collector().feed(html)
    return seen


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("α ≈ 0.98, see `kag/model/gate.py`", "α ≈ 0.98, see `kag/model/gate.py`"),
        ("one\ntwo", "one<br>two"),
        ("0.02 -> 0.15", "0.02 -> 0.15"),
        ("a | b", "a &#124; b"),
        ("`a | b`", r"`a \| b`"),
        ("**best**", "**best**"),
        ("a <b> c", "a &lt;b> c"),
        ("`open", "&#96;open"),
    ],
)
def test_what_a_reader_of_the_source_sees(text: str, cell: str) -> None:
    assert escape(text) == cell


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("a<br/>b", "a\nb"),
        ("a <b", "a <b"),
        (r"a \| b", "a | b"),
        ("&copy; &#65; &#1114112; &#55296;", "&copy; A &#1114112; &#55296;"),
        ("`x` and `y", "`x` and `y"),
    ],
)
def test_what_a_person_types_into_a_cell_is_taken_as_typed(typed: str, text: str) -> None:
    assert unescape(typed) == text
