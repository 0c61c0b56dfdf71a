"""Which metrics count: the columns of a change log, which value of a run stands for it, and why they were taken.

In this order of authority: what a person asked for; of kag's own runs AUPRC; of other programs the metric of their
sweep, what they declared (`define_metric`), and what its name tells by `kag.view.metric_names`. Where nothing tells
which of two values is better, the last value stands for the run, and nothing is called highest or lowest.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kag import names
from kag.errors import UserError
from kag.text import three_decimals
from kag.track.record import Declared, RunRecord
from kag.view.metric_names import PARTS, TESTED, Goal, by_name, counts_nothing, rank
from kag.view.results import delivered, measured

MOST = 2
"""Metrics of other programs that count unless a person asks for more."""

_TITLES = {names.evaluation(split, "auprc"): f"{split} AUPRC" for split in ("val", "test")}
_BY_SUMMARY: dict[str, Goal] = {"max": "max", "min": "min"}
_SWEEP, _NO_GOAL = "the metric of its sweep", "its name does not tell which value is better"


@dataclass(frozen=True)
class Metric:
    """A metric that counts."""

    name: str
    """As it was logged: `val/accuracy`."""
    goal: Goal | None = None
    """Which of two values is better; None where nobody says."""
    value: Literal["best", "last", "delivered"] = "last"
    """Which value stands for a run: by the goal, the last one, or that of the weights that it hands on."""
    why: str = ""
    """Why it was taken."""

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        return _TITLES.get(self.name, self.name)

    @property
    def heading(self) -> str:
        """What heads its column."""
        return self.title[:1].upper() + self.title[1:] if self.name in _TITLES else self.name

    @property
    def extreme(self) -> str:
        """The word for its best value, which is not called so unless it was tested."""
        return "lowest" if self.goal == "min" else "highest"

    @property
    def label(self) -> str:
        """What it is called beside others, with the value that stands for a run: `loss (lowest)`."""
        words = {"best": f" ({self.extreme})", "last": " (last)"}
        return f"{self.name}{words.get(self.value, '')}"

    @property
    def of(self) -> str:
        """Which value stands for a run, in words."""
        if self.value == "delivered":
            return "of the delivered weights"
        return f"{self.extreme} value of a run" if self.value == "best" else "last value of a run"

    def better(self, value: float, than: float) -> bool:
        """Whether a value is strictly better than another one; never where no goal is known."""
        return self.goal is not None and (value > than if self.goal == "max" else value < than)

    def text(self, value: float | None) -> str:
        """A value as it stands in a cell."""
        return three_decimals(value) if self.name in _TITLES else measured(self.name, value)


VAL = Metric(names.OBJECTIVE, "max", "delivered", "kag's own")
TEST = Metric(names.evaluation("test", "auprc"), None, "delivered", "kag's own")
"""It has no goal: nothing is chosen by it."""
OWN = (VAL, TEST)
"""What counts of kag's own runs."""


def chosen(records: Iterable[RunRecord], asked: Sequence[str] = ()) -> tuple[Metric, ...]:
    """The metrics that count, in the order of their columns.

    Args:
        records: every run of a source; what kag chooses, it does not choose by archived ones.
        asked: words of a person, `val/accuracy`, `loss:min`, `val/f1:max:last`; see `asked_word`.

    Raises:
        UserError: no run has such a metric, or the best value is asked for and no goal is known.
    """
    runs = list(records)
    if asked:
        return tuple(dict.fromkeys(_asked(word, runs) for word in asked))
    runs = [record for record in runs if not record.archived] or runs
    foreign = [record for record in runs if record.is_foreign]
    own = OWN if len(foreign) < len(runs) or not runs else ()
    taken = [metric for metric in _told(foreign) if metric.name not in _TITLES or not own]
    return (*own, *taken[:MOST])


def logged(record: RunRecord) -> dict[str, None]:
    """The metrics that another program's run has, by the names that it logged; see `held`."""
    kept = {f"{one.metric}.{one.summary}": one.metric for one in record.declared}
    return dict.fromkeys(kept.get(name, name) for name in record.metrics)


def held(record: RunRecord, metric: Metric) -> float | None:
    """What W&B holds of a metric of another program's run: of one that is declared `max` that is `NAME.max` alone."""
    kinds = (metric.goal, "best") if metric.value == "best" else ("last",)
    found = (record.metrics.get(name) for name in (*(f"{metric.name}.{kind}" for kind in kinds), metric.name))
    return next((value for value in found if value is not None), None)


def asked_word(word: str) -> tuple[str, Goal | None, Literal["best", "last"] | None]:
    """Name, goal and value of `NAME[:max|:min][:best|:last]`."""
    name, _, value = word.rpartition(":")
    rest, which = (name, value) if name and value in ("best", "last") else (word, None)
    name, _, goal = rest.rpartition(":")
    bare, better = (name, goal) if name and goal in ("max", "min") else (rest, None)
    return bare, better, which  # type: ignore[return-value]


def canonical(word: str) -> str:
    """The same word in the one order in which documents keep it."""
    return ":".join(part for part in asked_word(word) if part)


def _asked(word: str, runs: Sequence[RunRecord]) -> Metric:
    name, goal, value = asked_word(word)
    foreign = [record for record in runs if record.is_foreign]
    own = {key for record in runs if not record.is_foreign for key in delivered(record)}
    known = [*_counted(foreign), *sorted(own)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise UserError(
            f"no run has a metric {name!r}",
            nearest=", ".join(near) or None,
            remedy="write NAME, NAME:max or NAME:min, each with :best or :last behind it where that is wanted",
        )
    told = next((one.goal for one in _declared(foreign) if one.name == name), None)
    goal = goal or told or by_name(name)
    if value == "best" and goal is None:
        raise UserError(
            f"nothing tells which value of {name!r} is best", remedy=f"write {name}:max:best or {name}:min:best"
        )
    if name in own and value is None:
        return Metric(name, goal, "delivered", "asked for")
    return Metric(name, goal, value or ("best" if goal else "last"), "asked for")


def _told(foreign: Sequence[RunRecord]) -> list[Metric]:
    """Metrics of other programs, those first of which more is known."""
    counted, runs = _counted(foreign), sum(bool(record.metrics) for record in foreign)
    common = [name for name, count in counted.items() if 2 * count >= runs] or list(counted)
    goals = [(name, goal) for name in _by_rank(common) if (goal := by_name(name))]
    named = [Metric(name, goal, "best", "by its name") for name, goal in goals]
    found: dict[str, Metric] = {}
    for metric in (*_declared(foreign), *named):
        found.setdefault(metric.name, metric)
    bare = [] if found else [name for name in common if not counts_nothing(name)]
    return [*found.values(), *(Metric(name, None, "last", _NO_GOAL) for name in bare)]


def _counted(foreign: Sequence[RunRecord]) -> Counter[str]:
    """How many runs have each metric, in the order in which they were first met."""
    return Counter(name for record in foreign for name in logged(record))


def _by_rank(found: Iterable[str]) -> list[str]:
    """Names by what they tell; the second is the same measure on the test split, else one with the other goal."""
    ranked = sorted((name for name in found if by_name(name)), key=lambda name: (rank(name), name))
    if len(ranked) > MOST:
        first, *others = ranked
        on_test = [name for name in others if rank(name) == (PARTS.index(TESTED), *rank(first)[1:])]
        other_goal = [name for name in others if by_name(name) != by_name(first)]
        second = next(iter([*on_test, *other_goal]), others[0])
        ranked = [first, second, *(name for name in others if name != second)]
    return ranked


def _declared(foreign: Sequence[RunRecord]) -> list[Metric]:
    """What sweeps are judged by, then what programs say of their metrics; of several words on one the newest."""
    said = [one for record in foreign if record.declared for one in record.declared if one.metric in logged(record)]
    told = [metric for one in sorted(said, key=lambda one: one.by == "sweep") if (metric := _of(one)) is not None]
    found = {metric.name: metric for metric in told}
    return sorted(found.values(), key=lambda metric: (metric.why != _SWEEP, rank(metric.name)))


def _of(one: Declared) -> Metric | None:
    """What a declaration makes of a metric; None where it does not say which value counts."""
    goal = one.goal or _BY_SUMMARY.get(one.summary or "")
    if goal is None and one.summary != "last":
        return None
    why = _SWEEP if one.by == "sweep" else "declared by the program"
    return Metric(one.metric, goal, "best" if goal and one.summary != "last" else "last", why)
