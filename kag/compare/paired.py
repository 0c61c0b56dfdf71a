"""Pairs: what two runs scored on the same examples, and how far their numbers differ there.

Two runs are paired on a split if both kept their scores, of the weights whose numbers are compared, and these are of
the same examples in the same groups. Else they are unpaired, and the reason is said: nothing is guessed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from kag.errors import Diverged, RecordError
from kag.names import Part
from kag.text import digest
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.track.source import RunSource, ScoresOf

if TYPE_CHECKING:  # numpy takes longer to load than a change log of runs without scores
    from kag.stats.paired import Difference
    from kag.stats.profile import Profile
    from kag.stats.scores import Drawn

Read = TypeVar("Read")

HELD = 1024
"""Splits of runs whose draws stay in memory."""


class Unpaired(NamedTuple):
    """Two runs whose difference cannot be tested."""

    reason: str


DrawnOf = Callable[[RunRecord, Part], "Drawn | Unpaired"]
"""Draws of a run on a split, or why there are none."""

ProfileOf = Callable[[RunRecord, Part], "Profile | Unpaired"]
"""What the scores of a run on a split look like, or why nobody knows."""

Side = tuple[RunRecord, Result | None]
"""A run, and a number of the weights that are compared; None of another program's run."""


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


def profiles_of(scores_of: ScoresOf) -> Callable[[str, Part], Profile | None]:
    """Profiles by way of the scores."""

    def profile(run_id: str, split: Part) -> Profile | None:
        from kag.stats.profile import profile_of

        scores = scores_of(run_id, split)
        return None if scores is None else profile_of(scores)

    return profile


@dataclass
class HeldReadings(Generic[Read]):
    """What was read of scores, by what it was read from: what was asked for last. Threads may share it."""

    most: int = HELD
    known: OrderedDict[Hashable, Read | Unpaired] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: Hashable, read: Callable[[], Read | Unpaired]) -> Read | Unpaired:
        """That of a key, read if it is not there."""
        with self.lock:
            if key in self.known:
                self.known.move_to_end(key)
                return self.known[key]
        found = read()
        with self.lock:
            self.known[key] = found
            if len(self.known) > self.most:
                self.known.popitem(last=False)
        return found


def read_once(
    kept: Callable[[str, Part], Read | None],
    held: HeldReadings[Read] | None = None,
    content: Callable[[str, Part], Hashable] | None = None,
) -> Callable[[RunRecord, Part], Read | Unpaired]:
    """Draws or profiles of the runs of a source, which are read when they are asked for, those of a run once.

    Args:
        kept: reads them.
        held: where they stay; None is a place of their own.
        content: what stands for what is in the files of a run, where that may change while they are held.
    """
    place: HeldReadings[Read] = held or HeldReadings()

    def read(record: RunRecord, split: Part) -> Read | Unpaired:
        key = record.id, split, content(record.id, split) if content else None
        return place.get(key, lambda: _read(kept, record, split))

    return read


def of_these_weights(record: RunRecord, result: Result | None, found: Drawn | Profile, split: Part) -> Unpaired | None:
    """Why scores of a run are not those behind a number of it; None if they are.

    Args:
        record: the run.
        result: the number; None of another program's run, which names no weights.
        found: what was read of the scores that it kept.
        split: of which they are.
    """
    if result is None or found.weights_digest == result.weights_digest:
        return None
    other, said = digest(found.weights_digest or "none"), digest(result.weights_digest or "none")
    return Unpaired(f"the scores that {record.id} kept of {split} are of the weights {other}, not of {said}")


def differences(before: Side, after: Side, split: Part, drawn: DrawnOf) -> Mapping[str, Difference] | Unpaired:
    """The difference of every number that both runs have on a split, by metric: the second one less the first one.

    Args:
        before: a run, and a number of the weights that are compared; None of another program's run.
        after: the other one.
        split: on which they are compared.
        drawn: where their draws are.
    """
    found = _on_same_examples((before, after), split, drawn)
    return found if isinstance(found, Unpaired) else _differences(*found)


def group_differences(
    before: Sequence[Side], after: Sequence[Side], split: Part, drawn: DrawnOf
) -> Mapping[str, Difference] | Unpaired:
    """The same of two groups of replicates, of their means; see `kag.stats.replicates`. No side is empty."""
    found = _on_same_examples((*before, *after), split, drawn)
    if isinstance(found, Unpaired):
        return found
    from kag.stats.replicates import replicate_difference

    sides = [one.draws for one in found[: len(before)]], [one.draws for one in found[len(before) :]]
    every = [metric for metric in found[0].draws if all(metric in one.draws for one in found)]
    tested = {name: replicate_difference(*([one[name] for one in side] for side in sides)) for name in every}
    return _defined(tested)


def _on_same_examples(sides: Sequence[Side], split: Part, drawn: DrawnOf) -> list[Drawn] | Unpaired:
    """The draws of each run, of the weights whose number is compared."""
    found: list[Drawn] = []
    for record, result in sides:
        own = drawn(record, split)
        if isinstance(own, Unpaired):
            return own
        if (other := of_these_weights(record, result, own, split)) is not None:
            return other
        if found and own.examples_digest != found[0].examples_digest:
            return Unpaired(f"{sides[0][0].id} and {record.id} scored other examples of {split}, or in other groups")
        if found and own.clusters_digest != found[0].clusters_digest:
            return Unpaired(f"{sides[0][0].id} and {record.id} scored the same examples of {split} in other clusters")
        found.append(own)
    return found


def _differences(before: Drawn, after: Drawn) -> Mapping[str, Difference]:
    from kag.stats.paired import paired_difference

    both = [metric for metric in before.draws if metric in after.draws]
    return _defined({metric: paired_difference(before.draws[metric], after.draws[metric]) for metric in both})


def _defined(found: Mapping[str, Difference]) -> Mapping[str, Difference]:
    return {metric: one for metric, one in found.items() if not math.isnan(one.value)}


def _read(kept: Callable[[str, Part], Read | None], record: RunRecord, split: Part) -> Read | Unpaired:
    try:
        found = kept(record.id, split)
    except (RecordError, Diverged) as error:
        return Unpaired(f"the scores of {record.id} on {split} cannot be read: {error}")
    return Unpaired(f"{record.id} kept no scores of {split}") if found is None else found
