"""What a page or a report shows of somebody else's text turns nothing that follows it."""

from __future__ import annotations

import pytest
from markupsafe import Markup

from kag.report.figure import Chart, Line, as_json
from kag.report.markup import markdown, templates, with_code

ODD = "\x1b[31mgnp\u202etxt.exe"
SHOWN = r"\x1b[31mgnp\u202etxt.exe"


def test_a_template_shows_directions_and_sends_none() -> None:
    page = templates("kag.report").from_string("{{ text }}|{{ made }}")
    assert page.render(text=ODD, made=Markup("<b>\n</b>")) == f"{SHOWN}|<b>\n</b>"


@pytest.mark.parametrize("write", [markdown, with_code])
def test_so_do_notes_and_sentences(write: object) -> None:
    assert SHOWN in write(ODD)  # type: ignore[operator]


def test_so_does_a_figure() -> None:
    chart = Chart(name="a", title=ODD, x_label="x", y_label=ODD, lines=(Line(ODD, (0.0,), (1.0,)),))
    shown = as_json(chart)
    assert (shown["title"], shown["y_label"], shown["lines"][0]["label"]) == (SHOWN, SHOWN, SHOWN)
