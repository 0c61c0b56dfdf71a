"""Lists of runs that stay between their pages: who fits a filter, and in which order.

To find the next page of a list that looks into JSON, every run of the project would be read and judged again: a walk
over ten thousand runs would cost a hundred times one over a thousand. What has changed says its number
(`kag.server.changes`), so of a list that is held only that is judged again; who reads its next page pays for a page.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from kag.server.keyset import Place
from kag.server.tables import projects, runs

ROOM, LISTS = 200_000, 64
"""Places in all lists that are held, a few hundred bytes each, and lists: one that is longer is worked out anew."""


class Judged(NamedTuple):
    """What a list says of one run."""

    number: int
    place: Place | None
    """None: the run is not in it."""
    passes: bool
    """Whether that may change without a change of the run: by its silence."""


Judge = Callable[[ColumnElement[bool] | None], Iterable[Judged]]
"""Judges the runs of a project that fit a condition, or all; of all, it may leave out who is not in the list."""


@dataclass
class _List:
    seq: int = 0
    """Number of the project's change that it was last brought up to."""
    places: dict[int, Place] = field(default_factory=dict)
    passing: frozenset[int] = frozenset()
    ordered: Sequence[Place] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self, connection: Connection, project_id: int, judge: Judge) -> Sequence[Place]:
        """Its places, in order."""
        with self.lock:
            marks = connection.execute(select(projects.c.seq, projects.c.removed).filter_by(id=project_id)).one()
            # What was taken out of a project says no more that it was in a list, or in the sweep that one asks for.
            if self.seq == 0 or marks.removed > self.seq:
                self._take(judge(None), {}, frozenset())
            elif marks.seq > self.seq or self.passing:
                changed = runs.c.changed > self.seq
                self._take(judge(changed | runs.c.id.in_(sorted(self.passing))), self.places, self.passing)
            self.seq = max(self.seq, marks.seq)
            return self.ordered

    def _take(self, judged: Iterable[Judged], places: Mapping[int, Place], passing: frozenset[int]) -> None:
        """Put what was judged in the place of what was known of it."""
        fresh = {one.number: one for one in judged}
        known = {number: place for number, place in places.items() if number not in fresh}
        found = known | {number: one.place for number, one in fresh.items() if one.place is not None}
        if found != self.places:
            self.places, self.ordered = found, sorted(found.values())
        self.passing = frozenset({number for number, one in fresh.items() if one.passes} | (passing - fresh.keys()))


class HeldLists:
    """The lists that were looked at last.

    Args:
        room: places in all of them.
    """

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self._lists: OrderedDict[Hashable, _List] = OrderedDict()
        self._lock = threading.Lock()

    def places(self, connection: Connection, project_id: int, words: Hashable, judge: Judge) -> Sequence[Place]:
        """The places of a list, in order.

        Args:
            connection: a transaction that changes nothing.
            project_id: whose runs.
            words: what else makes this list another than the rest.
            judge: says who is in it.
        """
        key = (project_id, words)
        with self._lock:
            held = self._lists.setdefault(key, _List())
            self._lists.move_to_end(key)
        ordered = held.now(connection, project_id, judge)
        with self._lock:
            if len(ordered) > self.room:
                self._lists.pop(key, None)
            while len(self._lists) > LISTS or sum(len(one.ordered) for one in self._lists.values()) > self.room:
                self._lists.popitem(last=False)
        return ordered
