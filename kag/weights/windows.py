"""The window map: what averaging the weights of epochs start ... start + length - 1 gives, for every window of a run.

Forming a window is cheap (a difference of two stored sums), scoring it is not: exact scores of all 496 windows of a
31-epoch run cost a third of its training. So the work is shared. Each epoch is scored once; a window is then ranked by
the AUPRC of the mean of its epochs' logits on all of val, which is what averaging weights gives to first order
(measured over 40 windows of a run on 262 proteins: correlation 0.98 with averaged weights whose normalisation is
recomputed, and 0.62 between these and averaged weights with stale statistics). The most promising windows, no two of
them nearly the same, are formed and scored exactly, plain and recomputed; only such scores choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kag.data.batches import evaluation_batches
from kag.errors import UserError
from kag.stats import metrics
from kag.stats.metrics import Floats
from kag.weights.average import RunSums
from kag.weights.bench import Bench, Variant
from kag.weights.checkpoint import StoredWeights, load_state, stored
from kag.weights.evaluate import score

VERIFIED = 4
"""Windows that are scored exactly unless the caller says otherwise: together under a tenth of the training time."""

NEARLY_THE_SAME = 0.7
"""Share of common epochs above which a window is not verified besides a better-ranked one."""

Progress = Callable[[str, int, int], None]
"""Called with the step (`epochs`, `windows` or `verified`), what is done of it and what there is to do."""


@dataclass(frozen=True)
class Window:
    """One cell of the map."""

    start: int
    """First averaged epoch, counted from 0."""
    length: int
    """Averaged epochs."""
    ensemble: float | None = None
    """Val AUPRC of the mean of the epochs' logits; for one epoch, of its weights. None where it was not ranked."""
    plain: Variant | None = None
    """The averaged weights with the normalisation statistics of the last epoch; None if not verified."""
    recomputed: Variant | None = None
    """The averaged weights with recomputed statistics; None if not verified or without BatchNorm."""

    @property
    def last(self) -> int:
        """Last averaged epoch."""
        return self.start + self.length - 1

    @property
    def recomputed_is_better(self) -> bool:
        """Whether the recomputed variant is the one to deliver."""
        return (
            self.recomputed is not None
            and self.plain is not None
            and self.recomputed.evaluation.auprc > self.plain.evaluation.auprc
        )

    @property
    def best(self) -> Variant | None:
        """The better variant, or None if the window is not verified."""
        return self.recomputed if self.recomputed_is_better else self.plain

    @property
    def auprc(self) -> float | None:
        """Exact val AUPRC of the better variant, or None if the window is not verified."""
        return self.best.evaluation.auprc if self.best else None


@dataclass(frozen=True)
class WindowMap:
    """All windows of a run."""

    windows: tuple[Window, ...]
    """By start, then length."""

    @property
    def verified(self) -> tuple[Window, ...]:
        """Windows that were scored exactly, best first."""
        return tuple(sorted((w for w in self.windows if w.auprc is not None), key=lambda w: -(w.auprc or 0.0)))

    @property
    def best(self) -> Window:
        """The best verified window."""
        return self.verified[0]

    @property
    def best_epoch(self) -> Window:
        """The best single epoch, for comparison."""
        return max((w for w in self.windows if w.length == 1), key=lambda w: w.ensemble or 0.0)

    @property
    def tried(self) -> int:
        """Candidates among which val has chosen: every ranked window, and every exact score besides."""
        return len(self.windows) + sum((w.plain is not None) + (w.recomputed is not None) for w in self.windows)


def parse_window(text: str) -> tuple[int, int]:
    """Start and length out of `START:LENGTH`.

    Raises:
        UserError: it is not written so.
    """
    match = re.fullmatch(r"(\d+):([1-9]\d*)", text.strip())
    if match is None:
        raise UserError(f"{text!r} is not a window", remedy="write START:LENGTH, such as 26:6 for epochs 26 to 31")
    return int(match[1]), int(match[2])


def window_map(
    sums: RunSums, bench: Bench, *, verify: int | None = VERIFIED, progress: Progress | None = None
) -> WindowMap:
    """Rank every window of a run on val and score the most promising ones exactly.

    Args:
        sums: of the run.
        bench: of the run's weights.
        verify: how many windows of two epochs or more to score exactly; None for all of them.
        progress: called after each step.

    Raises:
        CheckpointError: the sums are those of another network.
        RunFailed: the weights of an epoch or a window have diverged.
    """
    report = progress or _silent
    found = {(window.start, window.length): window for window in _ranked(sums, bench, report)}
    chosen = promising([window for window in found.values() if window.length > 1], verify)
    for done, window in enumerate(chosen, start=1):
        exact = verified(sums, bench, window.start, window.length)
        found[window.start, window.length] = replace(exact, ensemble=window.ensemble)
        report("verified", done, len(chosen))
    return WindowMap(tuple(found.values()))


def verified(sums: RunSums, bench: Bench, start: int, length: int) -> Window:
    """One window, scored exactly, plain and recomputed.

    Raises:
        CheckpointError: the window is not covered by the stored sums, or they are those of another network.
        RunFailed: its weights have diverged.
    """
    state = sums.average(start, length)
    plain = bench.variant(state)
    recomputed = bench.variant(bench.recomputed(state)) if bench.recomputes else None
    return Window(start, length, plain=plain, recomputed=recomputed)


def window_weights(sums: RunSums, bench: Bench, like: StoredWeights, window: Window) -> StoredWeights:
    """The weights of a verified window's better variant.

    Args:
        sums: of the run.
        bench: of the run's weights.
        like: any weights of the run; gives spec and data.
        window: verified.

    Raises:
        CheckpointError: as `verified`.
    """
    state = sums.average(window.start, window.length)
    if window.recomputed_is_better:
        state = bench.recomputed(state)
    return stored(like.spec, state, like.data, epoch=window.last)


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


def _ranked(sums: RunSums, bench: Bench, report: Progress) -> Iterator[Window]:
    """Every window by the mean of its epochs' logits, which is a difference of two running sums as well."""
    epochs = range(sums.first, sums.last + 1)
    batches = evaluation_batches(bench.sites, "val")
    running_EN: list[Floats] = []
    label_N = bench.sites.label_N[bench.sites.index("val")]
    for done, epoch in enumerate(epochs, start=1):
        load_state(bench.network, sums.average(epoch, 1))
        logit_N = score(bench.network, bench.tables, batches).logit_N.astype(np.float64)
        running_EN.append(running_EN[-1] + logit_N if running_EN else logit_N)
        report("epochs", done, len(epochs))
    done, total = 0, len(epochs) * (len(epochs) + 1) // 2
    for begin, start in enumerate(epochs):
        for end in range(begin, len(epochs)):
            sum_N = running_EN[end] - running_EN[begin - 1] if begin else running_EN[end]
            curve = metrics.curve((sum_N / (end - begin + 1)).astype(np.float32), label_N)
            yield Window(start, end - begin + 1, ensemble=metrics.auprc(curve))
            done += 1
            report("windows", done, total)


def _overlap(one: Window, other: Window) -> float:
    """Common epochs divided by the epochs of either."""
    common = min(one.last, other.last) - max(one.start, other.start) + 1
    return max(common, 0) / (one.length + other.length - max(common, 0))


def _silent(step: str, done: int, total: int) -> None:
    """Report to nobody."""
