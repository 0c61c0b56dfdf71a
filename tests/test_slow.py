"""Whoever makes the suite slower says what only that proves: `@pytest.mark.slow(seconds, why)`.

`python -m tests.test_slow` lists what is declared, the slowest first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
MARK = "pytest.mark.slow"
LONG = 10
"""Seconds from which on a test has to say why; a shorter one may declare them for the order of the tests."""


class Slow(NamedTuple):
    """A mark in the source of a test."""

    seconds: float
    place: str
    why: str


def declared() -> Iterator[Slow]:
    """Every mark; one without a number or a reason has 0 and \"\"."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for test in ast.walk(ast.parse(text)) if MARK in text else ():
            for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else ():
                if ast.unparse(mark).startswith(MARK):
                    values = [ast.literal_eval(word) for word in mark.args] if isinstance(mark, ast.Call) else []
                    seconds, why, *_ = [*values, *(0, "")[len(values) :]]
                    yield Slow(float(seconds), f"{path.relative_to(TESTS)}::{test.name}", why)


def test_every_slow_test_says_how_long_it_takes_and_what_only_it_proves() -> None:
    marks = list(declared())
    assert len(marks) > 40
    assert [mark.place for mark in marks if mark.seconds == 0] == []
    assert [mark.place for mark in marks if mark.seconds >= LONG and not mark.why] == []
    reasons = [mark.why for mark in marks if mark.why]
    assert len(set(reasons)) == len(reasons), "each proves something of its own"


if __name__ == "__main__":
    for slow in sorted(declared(), reverse=True):
        print(f"{slow.seconds:4.0f} s  {slow.place}\n        {slow.why}")
