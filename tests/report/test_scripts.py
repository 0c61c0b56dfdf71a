"""The pure functions of the scripts, in a browser: what tables sort by, what numbers look like, what a zoom shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.browser import Browser

KAG = Path(__file__).parents[2] / "kag"
PLACES = {
    "kagDrawing": "report/static/drawing.js",
    "kagCurveView": "report/static/curveview.js",
    "kagZooming": "report/static/zooming.js",
    "cells": "server/page/static/cells.js",
}


def ask(browser: Browser, script: str, expression: str) -> Any:
    """The value of an expression over what a script declares; what JSON has no word for is null."""
    text = (KAG / PLACES[script]).read_text(encoding="utf-8").replace("export ", "")
    return json.loads(browser.execute_script(f"{text}\nreturn JSON.stringify({expression} ?? null);"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", "-"),
        ("NaN", "-"),
        ("0", "0"),
        ("-3", "-3"),
        ("0.123456", "0.1235"),
        ("1234567", "1.235e+6"),
        ("0.00012345", "1.234e-4"),
    ],
)
def test_a_number_as_text(browser: Browser, value: str, text: str) -> None:
    assert ask(browser, "kagDrawing", f"kagDrawing.number({value})") == text


def test_words_are_cut_where_they_tell_apart(browser: Browser) -> None:
    assert ask(browser, "kagDrawing", "kagDrawing.brief('temperature', 5)") == "temp…"
    assert ask(browser, "kagDrawing", "kagDrawing.ending('loss.kind', 5)") == "…kind"
    assert ask(browser, "kagDrawing", "[kagDrawing.brief('four', 4), kagDrawing.ending('four', 4)]") == ["four"] * 2


def test_a_name_of_a_stranger_is_no_template_of_the_charts(browser: Browser) -> None:
    assert "{a" not in ask(browser, "kagDrawing", "kagDrawing.plain('{a|b}')")


def test_a_constant_stays_itself_from_its_first_value_on_and_gaps_stay_gaps(browser: Browser) -> None:
    found = ask(browser, "kagCurveView", "kagCurveView.smoothed([null, 2, 2, null, 2], 0.9)")
    assert [found[0], found[3]] == [None, None]
    assert [found[1], found[2], found[4]] == pytest.approx([2, 2, 2])


def test_smoothing_is_the_corrected_exponential_mean(browser: Browser) -> None:
    found = ask(browser, "kagCurveView", "kagCurveView.smoothed([1, 0, 4], 0.5)")
    assert found == pytest.approx([1, (0.25) / 0.75, (0.125 + 2) / 0.875])


def test_a_logarithmic_axis_has_gaps_where_it_can_show_nothing(browser: Browser) -> None:
    line = "{ x: [0, 1, 2], y: [-1, 0, 3] }"
    assert ask(browser, "kagCurveView", f"kagCurveView.lines([{line}], {{ smooth: 0, log: true }})[0].y") == [
        None,
        None,
        3,
    ]


def test_steps_of_a_zoom_stay_inside_and_end_where_all_is_shown(browser: Browser) -> None:
    moved = "kagZooming.moved"
    assert ask(browser, "kagZooming", f"{moved}(null, 0, 8, 'in')") == {"from": 2, "to": 6}
    assert ask(browser, "kagZooming", f"{moved}({{ from: 2, to: 6 }}, 0, 8, 'out')") is None
    assert ask(browser, "kagZooming", f"{moved}({{ from: 2, to: 6 }}, 0, 8, 'on')") == {"from": 4, "to": 8}
    assert ask(browser, "kagZooming", f"{moved}({{ from: 4, to: 8 }}, 0, 8, 'on')") == {"from": 4, "to": 8}
    assert ask(browser, "kagZooming", f"{moved}({{ from: 2, to: 6 }}, 0, 8, 'back')") == {"from": 0, "to": 4}


CELLS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from(["", "a", "B", "a10", "a9"])), max_size=8)


@settings(max_examples=15)
@given(cells=CELLS)
def test_a_column_has_numbers_first_then_words_and_what_is_missing_last(browser: Browser, cells: list[Any]) -> None:
    up, down = (ask(browser, "cells", f"{json.dumps(cells)}.sort((a, b) => order(a, b, {sign}))") for sign in (1, -1))
    kinds = [2 if cell in (None, "") else 1 if isinstance(cell, str) else 0 for cell in cells]
    for found in (up, down):
        assert [2 if cell in (None, "") else 1 if isinstance(cell, str) else 0 for cell in found] == sorted(kinds)
    numbers = sorted(cell for cell in cells if isinstance(cell, float))
    assert [cell for cell in up if isinstance(cell, int | float)] == pytest.approx(numbers)
    assert [cell for cell in down if isinstance(cell, int | float)] == pytest.approx(numbers[::-1])


def test_words_with_numbers_are_ordered_as_people_count(browser: Browser) -> None:
    assert ask(browser, "cells", "['a10', 'A9', 'a1'].sort((a, b) => order(a, b, 1))") == ["a1", "A9", "a10"]


def test_a_column_is_one_of_numbers_if_most_of_it_are(browser: Browser) -> None:
    assert ask(browser, "cells", "[numeric([1, 2, null]), numeric([1, 'x']), numeric([null, 1, 'x', 2])]") == [
        True,
        False,
        True,
    ]
