"""What was read of the scores of a project's runs, or worked out of them, as far as it stays in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic

from kag.compare.paired import Read, Unpaired, read_once
from kag.names import Part
from kag.server.page.saved_scores import SavedScores
from kag.stats.profile import Profile, profile_of
from kag.stats.scores import Drawn
from kag.track.record import RunRecord
from kag.track.result import Selection

DRAWS = 1024
"""Files of a project whose draws stay in memory."""

PROFILES = 256
"""Files of a project of which it stays in memory what they look like: some ten thousand bytes each."""

SWEEPS = 64
"""Sweeps of a project of which it stays in memory what their best trial is worth."""

Reader = Callable[[SavedScores, str, Part], Read | None]
"""Reads the file of a run on a split; None if it has none."""

MadeOf = tuple[tuple[object, ...], ...]
"""Of each trial its run, the number of its last change, and the content of its scores."""


@dataclass
class KeptReadings(Generic[Read]):
    """What was read of files, by their content: a page that is asked for again reads no file."""

    read: Reader[Read]
    most: int
    reading: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while a file is read: all examples of one are in memory."""
    held: OrderedDict[str, Read | Unpaired] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, saved: SavedScores) -> Callable[[RunRecord, Part], Read | Unpaired]:
        """What it reads of the runs of a project."""

        def kept(run_id: str, split: Part) -> Read | None:
            with self.reading:
                return self.read(saved, run_id, split)

        fresh = read_once(kept)

        def read(record: RunRecord, split: Part) -> Read | Unpaired:
            key = f"{record.id} {split} {list(saved.contents(record.id, split))}"
            with self.lock:
                if key in self.held:
                    self.held.move_to_end(key)
                    return self.held[key]
            made = fresh(record, split)
            with self.lock:
                self.held[key] = made
                if len(self.held) > self.most:
                    self.held.popitem(last=False)
            return made

        return read


def kept_draws() -> KeptReadings[Drawn]:
    """Draws, which are a small part of a file."""
    return KeptReadings(SavedScores.drawn, DRAWS)


def kept_profiles(reading: AbstractContextManager[object]) -> KeptReadings[Profile]:
    """Profiles, for which a file is read whole: one at a time."""
    return KeptReadings(_profile, PROFILES, reading)


class Busy:
    """Somebody else is working it out."""


@dataclass
class KeptSelections:
    """What the best trials of the sweeps of a project are worth, by all that this rests on."""

    held: OrderedDict[MadeOf, Selection | None] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, made_of: MadeOf, make: Callable[[], Selection | None]) -> Selection | Busy | None:
        """What was worked out before, or is now: by one thread at a time, and no other one waits for it."""
        found = self.held.get(made_of, Busy())
        if not isinstance(found, Busy) or not self.lock.acquire(blocking=False):
            return found
        try:
            self.held[made_of] = made = make()
            if len(self.held) > SWEEPS:
                self.held.popitem(last=False)
        finally:
            self.lock.release()
        return made


def _profile(saved: SavedScores, run_id: str, split: Part) -> Profile | None:
    scores = saved.scores(run_id, split)
    return None if scores is None else profile_of(scores)
