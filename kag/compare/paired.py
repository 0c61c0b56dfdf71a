"""Pairs: what two runs scored on the same examples, and how far their numbers differ there.

Two runs are paired on a split if both kept their scores, of the weights whose numbers are compared, and these are of
the same examples in the same groups. Else they are unpaired, and the reason is said: nothing is guessed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from kag.errors import RecordError
from kag.names import Part
from kag.text import digest
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.track.source import RunSource, ScoresOf

if TYPE_CHECKING:  # numpy takes longer to load than a change log of runs without scores
    from kag.stats.paired import Difference
    from kag.stats.scores import Drawn

HELD = 1024
"""Splits of runs whose draws stay in memory."""


class Unpaired(NamedTuple):
    """Two runs whose difference cannot be tested."""

    reason: str


DrawnOf = Callable[[RunRecord, Part], "Drawn | Unpaired"]
"""Draws of a run on a split, or why there are none."""


def not_asked(record: RunRecord, split: Part) -> Unpaired:
    """For whoever has records alone."""
    return Unpaired("the scores of the runs are not at hand")


Kept = Callable[[str, Part], "Drawn | None"]
"""Reads the draws of a run on a split; None where it kept no scores."""


def kept_by(source: RunSource) -> Kept:
    """Where the draws of the runs of a source are: a folder has them by themselves."""
    return source.drawn if isinstance(source, FolderSource) else of_scores(source.scores)


def of_scores(scores_of: ScoresOf) -> Kept:
    """Draws by way of the scores."""

    def kept(run_id: str, split: Part) -> Drawn | None:
        scores = scores_of(run_id, split)
        return None if scores is None else scores.drawn

    return kept


@dataclass
class HeldDraws:
    """Draws that were read, by what they were read from: those that were asked for last. Threads may share them."""

    known: OrderedDict[Hashable, Drawn | Unpaired] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: Hashable, read: Callable[[], Drawn | Unpaired]) -> Drawn | Unpaired:
        """Those of a key, read if they are not there."""
        with self.lock:
            if key in self.known:
                self.known.move_to_end(key)
                return self.known[key]
        found = read()
        with self.lock:
            self.known[key] = found
            if len(self.known) > HELD:
                self.known.popitem(last=False)
        return found


def drawn_from(kept: Kept, held: HeldDraws | None = None, content: Callable[[str, Part], str] | None = None) -> DrawnOf:
    """Draws of the runs of a source, which are read when they are asked for, those of a run once.

    Args:
        kept: reads them.
        held: where they stay; None is a place of their own.
        content: says what is in the files of a run, where that may change while they are held.
    """
    place = held or HeldDraws()

    def drawn(record: RunRecord, split: Part) -> Drawn | Unpaired:
        key = record.id, split, content(record.id, split) if content else ""
        return place.get(key, lambda: _read(kept, record, split))

    return drawn


def differences(
    before: tuple[RunRecord, Result | None],
    after: tuple[RunRecord, Result | None],
    split: Part,
    drawn: DrawnOf,
) -> Mapping[str, Difference] | Unpaired:
    """The difference of every number that both runs have on a split, by metric: the second one less the first one.

    Args:
        before: a run, and a number of the weights that are compared; None of another program's run.
        after: the other one.
        split: on which they are compared.
        drawn: where their draws are.
    """
    found: list[Drawn] = []
    for record, result in (before, after):
        own = drawn(record, split)
        if isinstance(own, Unpaired):
            return own
        if result is not None and own.weights_digest != result.weights_digest:
            other, said = digest(own.weights_digest or "none"), digest(result.weights_digest or "none")
            return Unpaired(f"the scores that {record.id} kept of {split} are of the weights {other}, not of {said}")
        found.append(own)
    if found[0].examples_digest != found[1].examples_digest:
        return Unpaired(f"{before[0].id} and {after[0].id} scored other examples of {split}, or in other groups")
    if found[0].clusters_digest != found[1].clusters_digest:
        return Unpaired(f"{before[0].id} and {after[0].id} scored the same examples of {split} in other clusters")
    return _differences(*found)


def _differences(before: Drawn, after: Drawn) -> Mapping[str, Difference]:
    from kag.stats.paired import paired_difference

    both = [metric for metric in before.draws if metric in after.draws]
    found = {metric: paired_difference(before.draws[metric], after.draws[metric]) for metric in both}
    return {metric: one for metric, one in found.items() if not math.isnan(one.value)}


def _read(kept: Kept, record: RunRecord, split: Part) -> Drawn | Unpaired:
    try:
        found = kept(record.id, split)
    except RecordError as error:
        return Unpaired(f"the scores of {record.id} on {split} cannot be read: {error}")
    return Unpaired(f"{record.id} kept no scores of {split}") if found is None else found
