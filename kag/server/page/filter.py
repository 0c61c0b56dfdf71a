"""The filter of a project's runs: words that a run must hold, and conditions such as `val/auprc > 0.4`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kag.server.page.columns import Column, cell
from kag.server.page.held import Held
from kag.spec.flat import keys_of
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
        "took": lambda run: run.seconds,
    }
)
"""What every run has beside settings and results, by the head of its column; `took` is in seconds."""

Test = Callable[[Held], bool]


def fitting(
    runs: Sequence[Held], text: str, *, state: str = "", tag: str = "", shown: Sequence[Column] = ()
) -> list[Held]:
    """The runs that a filter leaves, in their order.

    Args:
        runs: of the project.
        text: words and conditions, all of which must hold. A condition names a setting or a result by its key or by
            the end of one, shown or not; one that names none is looked for as a word.
        state: which they must have, if any.
        tag: which they must have, if any.
        shown: columns of the table: words are looked for in their values too, and of two keys a shown one is meant.
    """
    parts = _BLANKS.sub(r"\1", text[:LONGEST].lower()).split()
    tests = [_condition(part, runs, shown) or _word(part, shown) for part in parts]
    return [
        run
        for run in runs
        if (not state or run.state == state) and (not tag or tag in run.tags) and all(test(run) for test in tests)
    ]


def _word(part: str, shown: Sequence[Column]) -> Test:
    return lambda run: part in _hay(run, shown)


def _hay(run: Held, shown: Sequence[Column]) -> str:
    row = run.row
    own = (run.name, run.title, run.state, row["user"], *run.tags, row["sweep_name"], row["notes"])
    return "\n".join(str(one) for one in (*own, *(cell(run, column) for column in shown)) if one is not None).lower()


def _condition(part: str, runs: Sequence[Held], shown: Sequence[Column]) -> Test | None:
    found = _CONDITION.fullmatch(part)
    if found is None:
        return None
    name, sign, wanted = found.groups()
    if name in _FIXED:
        return lambda run: _holds(_FIXED[name](run), sign, wanted)
    columns = _meant(name, runs, shown)
    return (lambda run: _holds(_first(run, columns), sign, wanted)) if columns else None


def _meant(name: str, runs: Sequence[Held], shown: Sequence[Column]) -> list[Column]:
    """The columns that a word may mean, the likeliest first: by the whole key, else by its end."""
    settings = keys_of(run.settings for run in runs)
    results = keys_of(run.results for run in runs)
    every = (*(Column("config", key) for key in settings), *(Column("summary", key) for key in results))
    known = dict.fromkeys((*shown, *every))
    whole = [one for one in known if name in (one.key.lower(), one.label.lower())]
    return whole or [one for one in known if one.key.lower().endswith(name)]


def _first(run: Held, columns: Sequence[Column]) -> Scalar:
    return next((value for column in columns if (value := cell(run, column)) is not None), None)


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
