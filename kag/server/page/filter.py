"""The filter of a project's runs: words that a run must hold, and conditions such as `val/auprc > 0.4`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from kag.server.page.columns import Column
from kag.server.page.held import Held
from kag.server.page.values import Cell, Values
from kag.track.record import Scalar

LONGEST = 1_000
"""Letters of a filter that are read."""

_CONDITION = re.compile(r"(.+?)(<=|>=|!=|=|<|>)(.+)")
_BLANKS = re.compile(r"\s*(<=|>=|!=|=|<|>)\s*")

_TESTS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        ">": operator.gt,
        "<=": operator.le,
        ">=": operator.ge,
        "=": operator.eq,
        "!=": operator.ne,
    }
)

_FIXED: Mapping[str, Callable[[Held], Scalar]] = MappingProxyType(
    {
        "state": lambda run: run.state,
        "by": lambda run: run.row["user"],
        "sweep": lambda run: run.row["sweep_name"],
    }
)
"""What every run has beside settings and results, by the head of its column."""
TOOK = "took"
"""Another one, in seconds."""

Test = Callable[[Held], bool]


class _Part(NamedTuple):
    """A word of a filter, or a condition."""

    text: str
    sign: str = ""
    wanted: str = ""
    columns: Sequence[Column] = ()
    """Those whose values it asks for; of a condition the likeliest first."""


def fitting(
    runs: Sequence[Held], text: str, values: Values, *, state: str = "", tag: str = "", shown: Sequence[Column] = ()
) -> list[Held]:
    """The runs that a filter leaves, in their order.

    Args:
        runs: of the project.
        text: words and conditions, all of which must hold. A condition names a setting or a result by its key or by
            the end of one, shown or not; one that names none is looked for as a word.
        values: of all runs of the project.
        state: which they must have, if any.
        tag: which they must have, if any.
        shown: columns of the table: words are looked for in their values too, and of two keys a shown one is meant.
    """
    parts = [_part(one, values, shown) for one in _BLANKS.sub(r"\1", text[:LONGEST].lower()).split()]
    cells = values.cells([column for part in parts for column in part.columns])
    tests = [_test(part, cells, values) for part in parts]
    return [
        run
        for run in runs
        if (not state or run.state == state) and (not tag or tag in run.tags) and all(test(run) for test in tests)
    ]


def _part(text: str, values: Values, shown: Sequence[Column]) -> _Part:
    found = _CONDITION.fullmatch(text)
    if found is None:
        return _Part(text, columns=shown)
    name, sign, wanted = found.groups()
    if name in _FIXED or name == TOOK:
        return _Part(name, sign, wanted)
    columns = _meant(name, values, shown)
    return _Part(name, sign, wanted, columns) if columns else _Part(text, columns=shown)


def _meant(name: str, values: Values, shown: Sequence[Column]) -> list[Column]:
    """The columns that a word may mean, the likeliest first: by the whole key, else by the end of a short one."""
    every = sorted(values.columns(name), key=lambda one: (one.kind, len(one.key), one.key))
    known = dict.fromkeys((*shown, *every))
    whole = [one for one in known if one.is_called(name)]
    return whole or [one for one in known if one.key.lower().endswith(name)]


def _test(part: _Part, cells: Cell, values: Values) -> Test:
    if not part.sign:
        return lambda run: part.text in _hay(run, part.columns, cells)
    if part.text == TOOK:
        seconds = values.seconds()
        return lambda run: _holds(seconds(run), part.sign, part.wanted)
    value = _FIXED.get(part.text) or partial(_first, columns=part.columns, cells=cells)
    return lambda run: _holds(value(run), part.sign, part.wanted)


def _hay(run: Held, shown: Sequence[Column], cells: Cell) -> str:
    row = run.row
    own = (run.name, run.title, run.state, row["user"], *run.tags, row["sweep_name"], row["notes"])
    return "\n".join(str(one) for one in (*own, *(cells(run, column) for column in shown)) if one is not None).lower()


def _first(run: Held, columns: Sequence[Column], cells: Cell) -> Scalar:
    return next((value for column in columns if (value := cells(run, column)) is not None), None)


def _holds(value: Scalar, sign: str, wanted: str) -> bool:
    """Whether a value fits; none does where a run has no value."""
    if value is None:
        return False
    amount = _amount(wanted)
    if amount is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _TESTS[sign](value, amount)
    return _TESTS[sign](str(value).lower(), wanted)


def _amount(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
