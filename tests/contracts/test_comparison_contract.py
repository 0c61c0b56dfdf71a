"""What every `Comparison` must hold, wherever its runs are: `ComparisonContract`, which `SourceContract` inherits.

Turned round it is the same comparison with the opposite sign; a run beside itself differs by nothing; and what a source
gives is compared as what was written into it would be. The properties hold of drawn records, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.compare.comparison import COMPARED, Comparison, compare
from kag.compare.judge import verdict
from kag.compare.paired import DrawnOf, Unpaired, kept_by, read_once
from kag.errors import RecordError
from kag.names import Part
from kag.stats.bootstrap import Resampled
from kag.stats.interval import Interval
from kag.stats.scores import Drawn, Scores
from kag.track.record import RunRecord
from kag.track.source import RunSource
from tests.changelog.run_logs import run_record, run_result

Kept = Mapping[tuple[str, Part], Scores]


class ComparisonContract:
    """Tests that the runs of every source pass when they are compared, each with each."""

    @pytest.fixture
    def compared(self, source: RunSource) -> Comparisons:
        return Comparisons(list(source.records()), read_once(kept_by(source)))

    def test_turned_round_it_has_the_opposite_sign(self, compared: Comparisons) -> None:
        for one, turned in compared.both_ways():
            assert_opposite(one, turned)

    def test_a_run_beside_itself_differs_by_nothing(self, compared: Comparisons) -> None:
        for record in compared.records:
            assert_nothing_differs(compare(record, record, compared.drawn))

    @pytest.fixture
    def broken(self) -> Collection[tuple[str, Part]]:
        """Scores that cannot be read, by run and split."""
        return ()

    def test_runs_are_compared_as_what_was_written(
        self, compared: Comparisons, expected: list[Any], kept: Kept, broken: Collection[tuple[str, Part]]
    ) -> None:
        written = Comparisons([run.record for run in expected], in_memory(kept, broken))
        for (one, _), (wanted, _) in zip(compared.both_ways(), written.both_ways(), strict=True):
            assert told(one) == told(wanted)


class Comparisons(NamedTuple):
    """Runs, with where their draws are."""

    records: list[RunRecord]
    drawn: DrawnOf

    def both_ways(self) -> Iterator[tuple[Comparison, Comparison]]:
        """Each with each, and the other way round."""
        for one, other in combinations(self.records, 2):
            yield compare(one, other, self.drawn), compare(other, one, self.drawn)


def in_memory(kept: Kept, broken: Collection[tuple[str, Part]]) -> DrawnOf:
    """Draws of what was written."""

    def drawn(record: RunRecord, split: Part) -> Drawn | Unpaired:
        if (record.name, split) in broken:
            return Unpaired(f"the scores of {record.id} on {split} cannot be read: it is damaged")
        found = kept.get((record.name, split))
        return Unpaired(f"{record.id} kept no scores of {split}") if found is None else found.drawn

    return drawn


def told(compared: Comparison) -> dict[str, Any]:
    """All that a comparison says, but for why a file cannot be read."""
    return {
        "reason": compared.reason,
        "same data": compared.same_data,
        "same weights": compared.same_weights,
        "settings": compared.settings,
        "results": compared.differences,
        "tested": {split: _tested(compared, split) for split in COMPARED},
        "verdict": re.sub("cannot be read: [^;]*", "cannot be read", verdict_of(compared)),
    }


def _tested(compared: Comparison, split: Part) -> object:
    found = compared.tested(split)
    return found.reason.partition(" cannot be read")[0] if isinstance(found, Unpaired) else dict(found)


def verdict_of(compared: Comparison) -> str:
    return verdict(compared.before, compared.after, drawn=compared.drawn).sentence


def assert_opposite(one: Comparison, turned: Comparison) -> None:
    """Whatever is said of two runs is said the other way round as well, each number with the opposite sign."""
    assert (one.same_weights, one.same_data) == (turned.same_weights, turned.same_data)
    assert (one.reason is None) == (turned.reason is None)
    assert {(each.key, each.before, each.after) for each in one.settings} == {
        (each.key, each.after, each.before) for each in turned.settings
    }
    assert [(each.split, each.metric, each.change) for each in one.differences] == [
        (each.split, each.metric, -each.change) for each in turned.differences
    ]
    for split in COMPARED:
        there, back = one.tested(split), turned.tested(split)
        if isinstance(there, Unpaired) or isinstance(back, Unpaired):
            assert type(there) is type(back)
        else:
            assert dict(there) == {metric: -each for metric, each in back.items()}


def assert_nothing_differs(compared: Comparison) -> None:
    """Of a run beside itself."""
    assert compared.settings == ()
    assert {each.change for each in compared.differences} <= {0.0}
    known = {one.weights_digest for one in compared.before.results if one.delivered}
    assert compared.same_weights == (len(known) == 1 and None not in known)
    for split in COMPARED:
        found = compared.tested(split)
        for each in () if isinstance(found, Unpaired) else found.values():
            assert (each.value, each.interval, each.told_apart) == (0.0, Interval(0.0, 0.0), False)


DIGESTS = st.sampled_from(["a" * 64, "b" * 64])
NUMBERS = st.floats(0.0, 1.0)


@st.composite
def two_runs(draw: st.DrawFn) -> Comparisons:
    """Two runs of any settings, data, weights and numbers; each may have kept the scores of each split, or not."""
    records, kept = [], {}
    for number in (0, 1):
        weights = draw(st.none() | DIGESTS)
        given_on = draw(st.sets(st.sampled_from(COMPARED)))
        results = [run_result(split, draw(NUMBERS), weights_digest=weights) for split in sorted(given_on)]
        if results and draw(st.integers(0, 5)) == 0:
            results[-1] = results[-1].model_copy(update={"selected_on": "test/auprc"})
        config = draw(st.dictionaries(st.sampled_from(["seed", "lr", "swa.start"]), st.integers(0, 2)))
        record = run_record(number, results=tuple(results), config=config, data_digest=draw(st.none() | DIGESTS))
        records.append(record)
        for split in draw(st.sets(st.sampled_from(COMPARED))):
            sizes = draw(st.sampled_from([(4, 5), (4, 5), (4, 3)]))
            numbers = [np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size))) for size in sizes]
            digest = f"{sizes}".ljust(64, "e")
            kept[record.id, split] = Drawn(weights, digest, {"auprc": Resampled(draw(NUMBERS), *numbers)})
    return Comparisons(records, lambda record, split: kept.get((record.id, split), Unpaired("kept no scores")))


@given(two_runs())
def test_any_two_runs_hold_the_contract(runs: Comparisons) -> None:
    for one, turned in runs.both_ways():
        assert_opposite(one, turned)
        if one.same_weights and one.reason is None:
            assert "hand on the same weights" in verdict_of(one) or "no verdict" in verdict_of(one)
    for record in runs.records:
        assert_nothing_differs(compare(record, record, runs.drawn))


def test_a_run_that_cannot_be_read_is_no_pair_and_spoils_no_other() -> None:
    one, other = run_record(0, val=0.3, data_digest="a" * 64), run_record(1, val=0.4, data_digest="a" * 64)

    def kept(run_id: str, split: Part) -> Drawn | None:
        raise RecordError("is damaged", where=run_id)

    found = compare(one, other, read_once(kept)).tested("val")
    assert isinstance(found, Unpaired)
    assert f"the scores of {one.id} on val cannot be read" in found.reason
