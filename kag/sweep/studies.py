"""Studies of searches by Bayes that are kept, and told only what is new: to make one anew costs 65 us a trial."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kag.sweep.config import Params, Sweep
from kag.sweep.suggest import drawn, losses_of, observe, observed_study, sampler
from kag.sweep.trial import Trial

if TYPE_CHECKING:
    import optuna

STUDIES, ROOM = 16, 50_000
"""Studies that are kept, and trials in all of them, about 4 kB each."""

_Seen = list[tuple[Params, float | None]]
"""Points with their losses; None while they run."""


class Study:
    """What a search has shown, as Optuna sees it: at any time it draws what a study of these trials would, made anew.

    Optuna lets a running trial end, and nothing else be changed. Where anything else has, all is told again: for one,
    when a failed trial counts as the worst and there is a worse one now. A point that was drawn stays in it as a failed
    trial, at which the sampler does not look.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._study: optuna.Study = observed_study(self.sweep, ())
        self._seen: _Seen = []
        self._numbers: list[int] = []
        self.size = 0

    def draw(self, trials: Sequence[Trial], seed: int) -> Params:
        """The point after these trials; see `kag.sweep.suggest.modelled_point`."""
        from optuna.trial import TrialState

        with self._lock:
            self._tell(trials)
            self._study.sampler = sampler(seed, len(trials))
            params, trial = drawn(self.sweep, self._study)
            self._study.tell(trial, state=TrialState.FAIL)
            self.size += 1
        return params

    def _tell(self, trials: Sequence[Trial]) -> None:
        losses = losses_of(self.sweep, trials)
        now: _Seen = [(trial.params, losses[trial.id]) for trial in trials]
        if not self._goes_on(now):
            self._begin()
        for at, (number, old) in enumerate(zip(self._numbers, self._seen, strict=True)):
            if now[at] != old:
                self._study.tell(number, now[at][1])
        fresh = now[len(self._seen) :]
        observe(self._study, self.sweep, fresh)
        self._numbers += range(self.size, self.size + len(fresh))
        self.size += len(fresh)
        self._seen = now

    def _goes_on(self, now: _Seen) -> bool:
        """Whether trials have come and running ones have ended, and nothing else; and it holds not much else."""
        if len(now) < len(self._seen) or self.size > 2 * len(now) + STUDIES:
            return False
        pairs = zip(self._seen, now, strict=False)
        return all(old == new or (old[1] is None and old[0] == new[0]) for old, new in pairs)


class Studies:
    """The studies that were asked last; each one is right whoever else has drawn points of its search meanwhile."""

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self._held: OrderedDict[int, Study] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params:
        """The next point of the sweep of a seed; see `kag.sweep.suggest.modelled_point`."""
        with self._lock:
            study = self._held.pop(seed, None)
            if study is None or study.sweep != sweep:
                study = Study(sweep)
            self._held[seed] = study
        point = study.draw(trials, seed)
        with self._lock:
            while len(self._held) > STUDIES or sum(one.size for one in self._held.values()) > self.room:
                self._held.popitem(last=False)
        return point
