"""Two groups of replicates: their means, and the difference that other seeds and other proteins would have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from kag.compare.comparison import compare
from kag.compare.groups import GroupComparison, compare_groups, group_against_parent
from kag.compare.paired import DrawnOf, Unpaired
from kag.compare.replicates import Replicates, replicates
from kag.names import Part
from kag.stats.bootstrap import Resampled
from kag.stats.paired import Difference
from kag.stats.replicates import replicate_difference
from kag.stats.scores import Drawn
from kag.track.past import former
from kag.track.record import Resume, RunRecord, Status
from tests.changelog.run_logs import run_result
from tests.compare.drawn_runs import EXAMPLES, UNITS
from tests.compare.test_replicates import own

BASE, WIDE = (0.30, 0.31, 0.32), (0.40, 0.42, 0.41)


def seeds(values: Sequence[float | None], config: Any = None, *, day: int = 0, **fields: Any) -> list[RunRecord]:
    """Runs of one setting, a seed each; one without a value was killed."""
    return [
        own(
            day + seed,
            seed,
            config,
            status=Status.KILLED if value is None else Status.FINISHED,
            results=() if value is None else (run_result("val", value, weights_digest=f"{day + seed:064d}"),),
            **fields,
        )
        for seed, value in enumerate(values)
    ]


def group(records: Sequence[RunRecord]) -> Replicates:
    (found,) = replicates(records)
    return found


def draws(record: RunRecord) -> Resampled:
    """Of the val AUPRC of a run; a seed does something of its own on each unit."""
    drawn = np.random.default_rng(int(record.results[0].weights_digest or 0))
    value = record.results[0].value
    return Resampled(value, value + 0.01 * drawn.normal(size=100), value + 0.001 * drawn.normal(size=UNITS))


def drawn(record: RunRecord, split: Part) -> Drawn | Unpaired:
    if split != "val" or not record.results:
        return Unpaired(f"{record.id} kept no scores of {split}")
    return Drawn(record.results[0].weights_digest, EXAMPLES, {"auprc": draws(record)})


def difference_of(
    before: Sequence[RunRecord], after: Sequence[RunRecord], at: DrawnOf = drawn
) -> Difference | Unpaired:
    return compare_groups(group(before), group(after), at).test("val")


def test_the_difference_is_that_of_the_means_over_seeds_and_examples() -> None:
    base, wide = seeds(BASE), seeds(WIDE, {"epochs": 9}, day=10)
    found = difference_of(base, wide)
    assert found == replicate_difference([draws(one) for one in base], [draws(one) for one in wide])
    assert isinstance(found, Difference)
    assert (found.value, found.over_seeds) == (pytest.approx(0.1), True)
    (number,) = compare_groups(group(base), group(wide)).differences
    assert (number.before.value, number.after.value) == (pytest.approx(0.31), pytest.approx(0.41))
    assert number.inside is None, "no interval of a seed is one of a mean"


def test_seeds_that_lie_far_apart_make_the_same_difference_no_difference() -> None:
    steady = difference_of(seeds(BASE), seeds((0.33, 0.34, 0.35), {"epochs": 9}, day=10))
    shaky = difference_of(seeds((0.21, 0.31, 0.41)), seeds((0.24, 0.34, 0.44), {"epochs": 9}, day=10))
    assert isinstance(steady, Difference)
    assert isinstance(shaky, Difference)
    assert steady.value == pytest.approx(shaky.value)
    assert (steady.told_apart, shaky.told_apart) == (True, False)


def test_a_seed_that_failed_has_no_part_and_its_group_is_still_one() -> None:
    base, wide = seeds(BASE), seeds((0.40, None, 0.44), {"epochs": 9}, day=10)
    compared = compare_groups(group(base), group(wide), drawn)
    assert isinstance(compared, GroupComparison)
    assert compared.seeds == (3, 2)
    found = compared.test("val")
    assert found == replicate_difference([draws(one) for one in base], [draws(wide[0]), draws(wide[2])])
    none = compare_groups(group(base), group(seeds((None, None), {"epochs": 9}, day=10)), drawn)
    assert none.test("val") == Unpaired(f"{none.after.id} and its replicates have no number on val")
    assert none.difference("val") is None


def test_of_a_seed_with_several_runs_the_newest_that_ended_well_counts() -> None:
    first = seeds(BASE)
    again = own(20, 1, results=(run_result("val", 0.5, weights_digest="9" * 64),))
    lost = own(21, 1, status=Status.KILLED, results=(run_result("val", 0.9),))
    wide = seeds(WIDE, {"epochs": 9}, day=10)
    found = difference_of([*first, again, lost], wide)
    assert found == replicate_difference([draws(one) for one in (first[0], again, first[2])], [*map(draws, wide)])


def test_one_run_beside_a_group_is_tested_by_its_very_weights() -> None:
    one, wide = seeds(BASE)[:1], seeds(WIDE, {"epochs": 9}, day=10)
    found = difference_of(one, wide)
    assert isinstance(found, Difference)
    assert not found.over_seeds
    assert found.value == pytest.approx(0.41 - 0.30)


def test_two_runs_alone_are_compared_as_ever() -> None:
    one, other = seeds(BASE)[:1], seeds(WIDE, {"epochs": 9}, day=10)[:1]
    assert compare_groups(group(one), group(other), drawn) == compare(one[0], other[0], drawn)


def test_the_seed_is_no_setting_of_a_group() -> None:
    found = compare_groups(group(seeds(BASE)), group(seeds(WIDE, {"epochs": 9}, day=10)[1:]))
    assert [change.key for change in found.settings] == ["epochs"]
    assert not found.seed_alone
    elsewhere = own(30, 7, world=None)
    alone = compare_groups(group(seeds(BASE)), group([elsewhere]))
    assert (alone.settings, alone.seed_alone) == ((), True)


@pytest.mark.parametrize(("side", "place"), [(0, 2), (1, 1)])
def test_a_group_is_as_comparable_as_all_of_its_runs(side: int, place: int) -> None:
    sides = [seeds(BASE), seeds(WIDE, {"epochs": 9}, day=10)]
    spoilt = sides[side][place]
    result = run_result("test", 0.9, selected_on="test/auprc")
    sides[side][place] = spoilt.model_copy(update={"results": (*spoilt.results, result)})
    found = compare_groups(*map(group, sides), drawn)
    assert found.reason == f"{spoilt.id} chose its weights by test/auprc"
    assert isinstance(found.test("val"), Unpaired)
    assert found.difference("val") is None


def test_a_seed_without_scores_is_the_reason_and_nothing_is_guessed() -> None:
    base, wide = seeds(BASE), seeds(WIDE, {"epochs": 9}, day=10)

    def without(record: RunRecord, split: Part) -> Drawn | Unpaired:
        return Unpaired(f"{record.id} kept no scores of val") if record.id == wide[1].id else drawn(record, split)

    def others(record: RunRecord, split: Part) -> Drawn | Unpaired:
        found = drawn(record, split)
        return found._replace(examples_digest="f" * 64) if record.id == wide[2].id else found

    assert difference_of(base, wide, without) == Unpaired(f"{wide[1].id} kept no scores of val")
    assert difference_of(base, wide, others) == Unpaired(
        f"{base[0].id} and {wide[2].id} scored other examples of val, or in other groups"
    )


def test_what_became_of_the_parent_later_changes_nothing_and_a_later_seed_of_it_counts() -> None:
    base, wide = seeds(BASE), seeds(WIDE, {"epochs": 9}, day=10)
    late = own(40, 9, results=(run_result("val", 0.34, weights_digest="9" * 64),))
    on = base[1].model_copy(
        update={
            "results": (run_result("val", 0.9, weights_digest="8" * 64),),
            "resumes": (Resume(when=wide[0].start + timedelta(hours=1), before=former(base[1], base[1].config)),),
        }
    )
    found = group_against_parent(group([base[0], on, base[2], late]), group(wide), drawn).test("val")
    assert isinstance(found, Difference)
    assert found.value == pytest.approx(0.41 - math.fsum((*BASE, 0.34)) / 4)
