"""How far long work is: what is drawn on a terminal, and what is said elsewhere, by a clock that the test sets."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from kag.view.progress import Pace, pace_line, reporting, shown
from kag.view.terminal import Terminal


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("pace", "unit", "line"),
    [
        (
            Pace(12_000, 40_000, 4.8),
            "points",
            "scoring  12,000 of 40,000 points, 2500 points a second, about 11 s left",
        ),
        (Pace(3, 12, 90.0), "", "scoring  3 of 12, 0.0333 a second, about 4 min 30 s left"),
        (Pace(7, None, 70.0), "runs", "scoring  7 runs, 0.1 runs a second"),
        (Pace(0, 12, 90.0), "", "scoring  0 of 12, 0 a second"),
    ],
)
def test_a_line_has_what_is_done_the_rate_and_the_time_left(pace: Pace, unit: str, line: str) -> None:
    assert pace_line("scoring", pace, unit) == line


def test_without_a_terminal_a_line_comes_after_a_minute_to_the_error_stream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    with reporting(Terminal(), "points", clock) as report:
        for done in range(1, 12):
            clock.now += 12.0
            report("scoring", 10 * done, 200)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "scoring  50 of 200 points, 0.833 points a second, about 3 min 00 s left",
        "scoring  100 of 200 points, 0.833 points a second, about 2 min 00 s left",
    ]


def test_each_step_has_a_pace_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with reporting(Terminal(), clock=clock) as report:
        clock.now += 50.0
        report("epochs", 5, 5)
        clock.now += 10.0
        report("windows", 1, 4)
    assert capsys.readouterr().err == "windows  1 of 4, 0.1 a second, about 30 s left\n"


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with reporting(Terminal(), clock=clock) as report:
        clock.now += 59.9
        report("scoring", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_a_bar_is_drawn_and_taken_away() -> None:
    file = io.StringIO()
    console = Terminal(file=file, force_terminal=True, width=80, color_system=None)
    with reporting(console, "points") as report:
        report("[b]scoring", 12_000, 40_000)
    assert "[b]scoring" in file.getvalue(), "the name of a step is no markup"
    assert "12,000/40,000" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K"), "its line is empty again"


def test_a_terminal_that_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file, clock = io.StringIO(), Clock()
    console = Terminal(file=file, force_terminal=True, width=80)
    with reporting(console, clock=clock) as report:
        clock.now += 60.0
        report("scoring", 1, 2)
    assert file.getvalue().startswith("scoring  1 of 2")


def test_items_come_as_they_are_and_only_when_they_are_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    found = shown(items(), Terminal(file=io.StringIO()), "items", 3)
    assert next(found) == 0
    assert made == [0]
    assert list(found) == [1, 2]
