"""The highest number so far: of the runs on the same data, by what each had reached when another number came about."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kag.track.past import attempts
from kag.track.record import RunRecord
from kag.view.alike import data_of

_NEVER = datetime.max.replace(tzinfo=UTC)


class _Number(NamedTuple):
    """A number that a run had."""

    value: float
    counts: datetime
    """From when on others are judged by it."""
    judged: datetime
    """When it is judged by others."""
    record: RunRecord
    """As it stood."""


def highest_before(
    records: Sequence[RunRecord],
    value: Callable[[RunRecord], float | None],
    means: Mapping[str, float | None] | None = None,
) -> dict[str, RunRecord | None]:
    """Run id -> the run with the highest number before its own came about, as it stood then; None if none had one.

    A number counts from the begin of the attempt that it came of, and is judged then. Of a run of which not all
    attempts are known it may be older, or younger: it counts from the start of the run, and where nobody knows when
    its attempt began it is judged at its end. So nothing is called highest that may not have been.

    Runs of unknown data are compared with each other, those of a hand-kept log by themselves. An archived run is
    judged by the others, and they are not judged by it.

    Args:
        records: the runs, in any order.
        value: what is compared; None, or a number that is not finite, is none.
        means: by the id of a run that stands for several replicates, what is compared of these together. It counts, and
            is judged, from the start of that run: where its row stands.
    """
    found: dict[str, RunRecord | None] = {record.id: None for record in records}
    highest: defaultdict[object, list[_Number]] = defaultdict(list)
    moments: list[tuple[datetime, str, bool, _Number]] = []
    for record in records:
        numbers = list(_mean(record, means[record.id]) if means and record.id in means else _numbers(record, value))
        moments += [(one.counts, record.id, True, one) for one in numbers if not record.archived]
        moments += [(one.judged, record.id, False, one) for one in numbers[-1:]]
    for _, run, counts, one in sorted(moments, key=lambda moment: moment[:3]):
        known = highest[data_of(one.record) or (one.record.kind == "imported",)]
        if counts:
            # One more than the highest: no number is judged by itself.
            known[:] = sorted([*known, one], key=lambda number: -number.value)[:2]
        else:
            found[run] = next((other.record for other in known if other is not one), None)
    return found


def _mean(record: RunRecord, mean: float | None) -> Iterator[_Number]:
    if mean is not None and math.isfinite(mean):
        yield _Number(mean, record.start, record.start, record)


def _numbers(record: RunRecord, value: Callable[[RunRecord], float | None]) -> Iterator[_Number]:
    """The numbers that a run had, one after another; an attempt that left the former one brought none."""
    former: float | None = None
    known = attempts(record)
    for begun, attempt in known:
        number = value(attempt)
        if number is not None and math.isfinite(number) and number != former:
            former = number
            counts = record.start if begun is None or attempt is known[0].record else begun
            yield _Number(number, counts, begun or record.end or _NEVER, attempt)
