"""What was read of the scores of a project's runs, or worked out of them, as far as it stays in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock

from kag.compare.paired import DrawnOf, HeldReadings, ProfileOf, read_once
from kag.names import Part
from kag.server.page.saved_scores import SavedScores
from kag.stats.profile import Profile, profile_of
from kag.stats.scores import Drawn
from kag.track.result import Selection

PROFILES = 256
"""Files of a project of which it stays in memory what they look like: some ten thousand bytes each."""

SWEEPS = 64
"""Sweeps of a project of which it stays in memory what their best trial is worth."""

MadeOf = tuple[tuple[object, ...], ...]
"""Of each trial its run, the number of its last change, and the content of its scores."""


def draws_in(saved: SavedScores, held: HeldReadings[Drawn]) -> DrawnOf:
    """The draws of the runs of a project, which are a small part of a file."""
    return read_once(saved.drawn, held, saved.contents)


def profiles_in(saved: SavedScores, held: HeldReadings[Profile], reading: AbstractContextManager[object]) -> ProfileOf:
    """What their scores look like, for which a file is read whole: one at a time."""

    def profile(run_id: str, split: Part) -> Profile | None:
        with reading:
            scores = saved.scores(run_id, split)
            return None if scores is None else profile_of(scores)

    return read_once(profile, held, saved.contents)


class Busy:
    """It is not worked out yet."""


@dataclass
class KeptSelections:
    """What the best trials of the sweeps of a project are worth, by all that this rests on."""

    held: OrderedDict[MadeOf, Selection | None] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def known(self, made_of: MadeOf) -> Selection | Busy | None:
        """What was worked out before; `Busy` where nobody has done so yet."""
        return self.held.get(made_of, Busy())

    def of(self, made_of: MadeOf, make: Callable[[], Selection | None]) -> Selection | Busy | None:
        """What was worked out before, or is now: by one thread at a time, and no other one waits for it."""
        found = self.known(made_of)
        if not isinstance(found, Busy) or not self.lock.acquire(blocking=False):
            return found
        try:
            self.held[made_of] = made = make()
            if len(self.held) > SWEEPS:
                self.held.popitem(last=False)
        finally:
            self.lock.release()
        return made
