"""The window map: what averaging the weights of epochs start ... start + length - 1 gives, for every window of a run.

Forming a window is cheap (a mean of stored weights), scoring it is not: exact scores of all 496 windows of a
31-epoch run cost a third of its training. So the work is shared. Each epoch is scored once; a window is then ranked by
the AUPRC of the mean of its epochs' logits on all of val, which is what averaging weights gives to first order
(measured over 40 windows of a run on 262 proteins: correlation 0.98 with averaged weights whose normalisation is
recomputed, and 0.62 between these and averaged weights with stale statistics). The most promising windows, no two of
them nearly the same, are formed and scored exactly, plain and recomputed; only such scores choose.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kag.compare.selection import LOOKED_AT, of_weights
from kag.stats import metrics
from kag.stats.metrics import Floats
from kag.track.result import Selection
from kag.weights.bench import Bench, Tried
from kag.weights.checkpoint import load_state
from kag.weights.epochs import EpochWeights

VERIFIED = 4
"""Windows that are scored exactly unless the caller says otherwise: together under a tenth of the training time."""

NEARLY_THE_SAME = 0.7
"""Share of common epochs above which a window is not verified besides a better-ranked one."""

Progress = Callable[[str, int, int], None]
"""Called with the step (`epochs`, `windows`, `verified` or `resampled`), what is done of it and what there is to do."""


@dataclass(frozen=True)
class Window:
    """One cell of the map."""

    start: int
    """First averaged epoch, counted from 0."""
    length: int
    """Averaged epochs."""
    ensemble: float | None = None
    """Val AUPRC of the mean of the epochs' logits; for one epoch, of its weights. None where it was not ranked."""
    tried: Tried | None = None
    """The averaged weights, with the last epoch's normalisation statistics and recomputed; None if not verified."""

    def __str__(self) -> str:
        return f"{self.start}:{self.length}"

    @property
    def last(self) -> int:
        """Last averaged epoch."""
        return self.start + self.length - 1

    @property
    def auprc(self) -> float:
        """Exact val AUPRC of the better variant; 0 if the window is not verified."""
        return self.tried.auprc if self.tried else 0.0


@dataclass(frozen=True)
class WindowMap:
    """All windows of a run."""

    windows: tuple[Window, ...]
    """By start, then length."""
    selection: Selection | None = None
    """What the best one is worth; None where none is verified."""

    @property
    def verified(self) -> tuple[Window, ...]:
        """Windows that were scored exactly, best first."""
        return tuple(sorted((w for w in self.windows if w.tried), key=lambda w: -w.auprc))

    @property
    def best(self) -> Window:
        """The best verified window."""
        return self.verified[0]

    @property
    def best_epoch(self) -> Window:
        """The best single epoch, for comparison."""
        return max((w for w in self.windows if w.length == 1), key=lambda w: w.ensemble or 0.0)

    @property
    def candidates(self) -> int:
        """Among how many val has chosen: every ranked window, and every exact score besides."""
        return len(self.windows) + sum(len(w.tried.variants) for w in self.windows if w.tried)


def window_map(
    epochs: EpochWeights,
    bench: Bench,
    *,
    verify: int | None = VERIFIED,
    progress: Progress = lambda step, done, total: None,
) -> WindowMap:
    """Rank every window of a run on val and score the most promising ones exactly.

    Args:
        verify: how many windows of two epochs or more to score exactly; None for all of them.

    Raises:
        CheckpointError: an epoch cannot be read, or is of another network.
        Diverged: the weights of an epoch or a window have diverged.
    """
    ranking = _Ranking.of(epochs, bench, progress)
    found = {(window.start, window.length): window for window in ranking.windows(progress)}
    chosen = promising([window for window in found.values() if window.length > 1], verify)
    for done, window in enumerate(chosen, start=1):
        found[window.start, window.length] = verified(epochs, bench, window)
        progress("verified", done, len(chosen))
    windows = WindowMap(tuple(found.values()))
    return replace(windows, selection=_worth(windows, ranking, progress)) if chosen else windows


def verified(epochs: EpochWeights, bench: Bench, window: Window) -> Window:
    """The window with its exact scores, plain and recomputed.

    Raises:
        CheckpointError: as `EpochWeights.mean`, or the weights are those of another network.
        Diverged: its weights have diverged.
    """
    return replace(window, tried=bench.tried(epochs.mean(window.start, window.length)))


def promising(windows: Sequence[Window], count: int | None) -> list[Window]:
    """The best-ranked windows, best first, leaving out those nearly the same as a better one; None takes all.

    Where too few are left, the best of those left out fill up.
    """
    ranked = sorted(windows, key=lambda window: (-(window.ensemble or 0.0), window.start, window.length))
    if count is None:
        return ranked
    chosen: list[Window] = []
    for window in ranked:
        if len(chosen) < count and all(_overlap(window, other) <= NEARLY_THE_SAME for other in chosen):
            chosen.append(window)
    left = [window for window in ranked if window not in chosen]
    return chosen + left[: count - len(chosen)]


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Running sums of the epochs' logits: the mean over a window is a difference of two of them as well."""

    bench: Bench
    first: int
    running_EN: Sequence[Floats]

    @classmethod
    def of(cls, epochs: EpochWeights, bench: Bench, progress: Progress) -> _Ranking:
        """Score every epoch once."""
        numbers = range(epochs.first, epochs.last + 1)
        running_EN: list[Floats] = [np.zeros(len(bench.sites.index("val")))]
        for done, epoch in enumerate(numbers, start=1):
            load_state(bench.network, epochs.mean(epoch, 1))
            running_EN.append(running_EN[-1] + bench.score("val").logit_N)
            progress("epochs", done, len(numbers))
        return cls(bench, epochs.first, running_EN)

    def logits(self, window: Window) -> NDArray[np.float32]:
        """Mean of the logits of its epochs on val."""
        begin = window.start - self.first
        sum_N: Floats = self.running_EN[begin + window.length] - self.running_EN[begin]
        return (sum_N / window.length).astype(np.float32)

    def windows(self, progress: Progress) -> Iterator[Window]:
        """Every window with its rank."""
        label_N = self.bench.sites.label_N[self.bench.sites.index("val")]
        bounds = list(combinations(range(len(self.running_EN)), 2))
        for done, (begin, end) in enumerate(bounds, start=1):
            window = Window(self.first + begin, end - begin)
            curve = metrics.curve(self.logits(window), label_N)
            yield replace(window, ensemble=metrics.auprc(curve))
            progress("windows", done, len(bounds))


def _worth(found: WindowMap, ranking: _Ranking, progress: Progress) -> Selection | None:
    """What the best window is worth, among all that were ranked and all that were scored exactly.

    In the bag, a window that is not verified stands for itself by the mean of its epochs' logits, moved by as much as
    exact scores lie above that where both are known; a single epoch is scored exactly as it is.
    """
    bench, ranked = ranking.bench, [window for window in found.windows if window.ensemble is not None]
    gap = float(np.mean([window.auprc - (window.ensemble or 0.0) for window in found.verified]))
    moves = [gap if window.length > 1 else 0.0 for window in ranked]
    values = [(window.ensemble or 0.0) + move for window, move in zip(ranked, moves, strict=True)]
    pool = [(one.value, 0.0, partial(np.asarray, one.logit_N)) for one in bench.foremost]
    pool += [
        (value, move, partial(ranking.logits, window))
        for value, move, window in zip(values, moves, ranked, strict=True)
        if window.tried is None
    ]
    foremost = heapq.nlargest(LOOKED_AT, pool, key=lambda one: one[0])
    drawn = (bench.bagged(logits()).moved(move) for _, move, logits in foremost)
    step = partial(progress, "resampled")
    return of_weights([*bench.foremost.values, *values], found.best.auprc, drawn, total=len(foremost), step=step)


def _overlap(one: Window, other: Window) -> float:
    """Common epochs divided by the epochs of either."""
    common = max(0, min(one.last, other.last) - max(one.start, other.start) + 1)
    return common / (one.length + other.length - common)
