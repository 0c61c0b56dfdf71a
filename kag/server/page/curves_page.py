"""Curves of a project: of the runs that the filter leaves, or of their groups, any logged key; for a script."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from kag import names
from kag.report.thin import kept
from kag.server.page.held import Held
from kag.server.page.means import mean_of
from kag.server.page.narrowed import Drawn, Narrowed
from kag.server.page.responses import data, nothing_new, packed
from kag.server.page.runs_page import columns_of
from kag.server.page.series import AXES, NOTHING, Series, XAxis
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit

CHARTS = 12
"""Keys that are drawn at once."""
SHOWN = 2
"""Keys that are drawn by default."""
LINES = 5_000
"""Curves of a chart, those of the newest runs."""
BUDGET = 60_000
"""Points of all curves together: the more there are, the fewer points each has."""
FEWEST = 12
"""Points that a curve has in any case."""
MOST = 500
"""Points that a curve has at most."""

LABELS: Mapping[XAxis, str] = {"epoch": "epoch", "step": "step", "time": "time", "relative": "time since its start"}


def curves(site: Site, visit: Visit) -> Response:
    """The curves; with `catalogue` the keys that there are; nothing where the script knows all of it."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        if visit.query.get("catalogue"):
            return data(_catalogue(shelf.runs))
        narrowed = Narrowed(shelf, columns_of(shelf, visit), visit.query)
        asked = _Asked.of(narrowed, visit.query)
        if asked.seen == visit.query.get("seen"):
            return nothing_new()
        runs = list({run.number: run for one in asked.drawn for run in one.runs}.values())
        found = shelf.watched.series.of(connection, runs, asked.keys, asked.axis)
    return packed(visit.request, asked.answer(found))


class _Asked(NamedTuple):
    """What is to be drawn."""

    keys: tuple[str, ...]
    axis: XAxis
    drawn: Sequence[Drawn]
    left_out: int
    """Curves of older runs, which are too many."""

    @classmethod
    def of(cls, narrowed: Narrowed, words: Mapping[str, str]) -> _Asked:
        every = narrowed.drawn()
        named = tuple(dict.fromkeys(key for key in words.get("keys", "").split(",") if key))[:CHARTS]
        axis = next((one for one in AXES if one == words.get("axis")), None) or _axis(narrowed.runs)
        return cls(named or _default(narrowed.runs), axis, every[-LINES:], max(0, len(every) - LINES))

    @property
    def seen(self) -> str:
        """Another word where the answer would be another one."""
        made_of = [(one.key, one.name, [(run.number, run.changed) for run in one.runs]) for one in self.drawn]
        return hashlib.sha256(repr((self.keys, self.axis, self.left_out, made_of)).encode()).hexdigest()[:16]

    def answer(self, found: Mapping[str, Mapping[int, Series]]) -> dict[str, Any]:
        """The charts, each with its curves."""
        curves = max(1, len(self.drawn) * len(self.keys))
        points = min(MOST, max(FEWEST, BUDGET // curves))
        return {
            "seen": self.seen,
            "axis": self.axis,
            "keys": self.keys,
            "left_out": self.left_out,
            "charts": [self._chart(key, found[key], points) for key in self.keys],
        }

    def _chart(self, key: str, found: Mapping[int, Series], points: int) -> dict[str, Any]:
        lines = [line for one in self.drawn if (line := _line(one, found, points)) is not None]
        return {
            "key": key,
            "x_label": LABELS[self.axis],
            "axis": self.axis,
            "lines": lines,
            "said": list(_said(self.drawn, lines, found)),
        }


def _line(one: Drawn, found: Mapping[int, Series], points: int) -> dict[str, Any] | None:
    """A curve: of several runs their mean, with the standard deviation on either side and their number."""
    own = [found[run.number] for run in one.runs if run.number in found]
    if not own:
        return None
    told = {"id": one.key, "label": one.name, "colour": one.colour}
    if len(own) == 1:
        x, y, _ = own[0]
        places = kept(y, points)
        return {**told, "x": _rounded([x[i] for i in places], 10), "y": _rounded([y[i] for i in places], 6)}
    mean = mean_of([(series.x, series.y) for series in own], points)
    return {
        **told,
        "x": _rounded(mean.x, 10),
        "y": _rounded(mean.y, 6),
        "sd": _rounded(mean.sd, 6),
        "n": list(mean.n),
        "of": len(own),
    }


def _said(drawn: Sequence[Drawn], lines: Sequence[Any], found: Mapping[int, Series]) -> Iterator[str]:
    lacking = len(drawn) - len(lines)
    if lacking and lines:
        yield f"{lacking:,} of {len(drawn):,} have no such curve"
    coarse = sum(found.get(run.number, NOTHING).step > 1 for one in drawn for run in one.runs)
    if coarse:
        yield f"of {coarse:,} long run{'' if coarse == 1 else 's'} every so many rows is read: extremes may lie between"
    if any("sd" in line for line in lines):
        yield "the band is one standard deviation to each side of the mean, as far as half of a group's runs go"


def _rounded(values: Sequence[float], digits: int) -> list[float | None]:
    """As JSON has them; more digits than a screen can show are left out."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]


def _counts(runs: Sequence[Held]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for run in runs:
        counted.update(run.logged.keys())
    return counted


def _catalogue(runs: Sequence[Held]) -> list[dict[str, Any]]:
    """Every key that was logged as a number, and by how many runs; see `columns.catalogue`."""
    counted = _counts(runs)
    return [{"word": key, "kind": "summary", "key": key, "runs": counted[key]} for key in sorted(counted)]


def _default(runs: Sequence[Held]) -> tuple[str, ...]:
    """What a reader wants first: what runs are judged by, else what most of them log."""
    counted = _counts(runs)
    known = [key for key in (names.OBJECTIVE, names.TRAIN_LOSS) if counted[key]]
    common = [key for key, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0])) if key not in _COUNTERS]
    return tuple(known or common)[:SHOWN]


_COUNTERS = (names.EPOCH, "trainer/global_step", "global_step", "step", "iteration")


def _axis(runs: Sequence[Held]) -> XAxis:
    """Epochs, where most runs log them."""
    return "epoch" if 2 * sum(names.EPOCH in run.logged for run in runs) > len(runs) else "step"
