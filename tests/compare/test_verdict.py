"""Whether one run is better than another, in one sentence that claims nothing that was not tested."""

from __future__ import annotations

from typing import Any

import pytest

from kag.compare.judge import verdict, verdicts
from kag.compare.replicates import Replicates, replicates
from kag.track.record import RunRecord
from kag.view.metrics import Metric
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import run_record, run_result
from tests.compare.test_groups import BASE, WIDE, drawn, seeds

DATA = {"data_digest": "d" * 64}
LOSS = Metric("loss", "min", "best", "by its name")
SCORE = Metric("score", None, "last", "asked for")


def own(number: int, value: float | None, width: float | None = None, **fields: Any) -> RunRecord:
    bounds = {} if width is None or value is None else {"ci_low": value - width, "ci_high": value + width}
    results = () if value is None else (run_result("val", value, **bounds), run_result("test", 0.99 - value))
    return run_record(number, f"r{number}", results=results, **{**DATA, **fields})


def test_the_higher_one_by_how_much_with_intervals_and_what_differs() -> None:
    a, b = (
        own(0, 0.30, 0.02, config={"swa.start": 4, "seed": 1}),
        own(1, 0.35, 0.02, config={"swa.start": 7, "seed": 1}),
    )
    found = verdict(a, b)
    assert found.sentence == (
        f"{b.id} has the higher val AUPRC: 0.350 [0.330, 0.370] against 0.300 [0.280, 0.320], by 0.050; "
        "each lies outside the other's 95 % interval, as far as known; "
        "unpaired, the scores of the runs are not at hand: the difference itself is not tested; "
        "they differ in: swa.start 4 -> 7"
    )
    assert (found.higher, found.apart) == (b.id, True)
    turned = verdict(b, a)
    assert turned.higher == b.id
    assert turned.sentence.startswith(f"{b.id} has the higher val AUPRC: 0.350")
    assert turned.sentence.endswith("swa.start 7 -> 4")


def test_numbers_inside_an_interval_are_not_told_apart() -> None:
    found = verdict(own(0, 0.30, 0.1), own(1, 0.35, 0.01))
    assert found.apart is False
    assert "not distinguishable by their own 95 % intervals" in found.sentence
    assert "better" not in found.sentence


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({}, {"data_digest": "e" * 64}, "are on different data (dddddddddddd, eeeeeeeeeeee)"),
        ({}, {"data_digest": None}, "are not known"),
        ({"data_digest": None, "datasets": ("a:v1",)}, {"data_digest": None, "datasets": ("a:v2",)}, "(a:v1, a:v2)"),
    ],
)
def test_what_must_not_be_compared_is_not(one: dict[str, Any], other: dict[str, Any], why: str) -> None:
    found = verdict(own(0, 0.3, 0.01, **one), own(1, 0.9, 0.01, **other))
    assert found.sentence.startswith("not comparable: ")
    assert why in found.sentence
    assert "higher" not in found.sentence
    assert (found.higher, found.apart, found.as_json()["comparable"], found.as_json()["difference"]) == (
        *(None, None, False),
        None,
    )


def test_weights_that_were_chosen_on_test_are_compared_with_none() -> None:
    spoilt = own(1, 0.4).model_copy(update={"results": (run_result("val", 0.9, selected_on="test/auprc"),)})
    assert verdict(own(0, 0.3), spoilt).sentence == f"not comparable: {spoilt.id} chose its weights by test/auprc"


def test_another_programs_runs_by_the_goal_of_their_metric() -> None:
    a, b = foreign(0, "base", config={"lr": 0.1}), foreign(1, "low", config={"lr": 0.01})
    values = {a.id: {SCORE: 1.0, LOSS: 0.52344}, b.id: {SCORE: 2.0, LOSS: 0.52341}}
    found = verdict(a, b, [SCORE, LOSS], values)
    assert found.sentence == (
        f"{b.id} has the lower loss: 0.52341 against 0.52344, by 3.0e-05; no interval is known; "
        "unpaired, loss is of no split: the difference itself is not tested; "
        "it is not known on what data these runs are; they differ in: lr 0.1 -> 0.01"
    )
    page = found.as_json()
    assert (page["metric"], page["goal"], page["higher"], page["comparable"]) == ("loss", "min", a.id, None)
    assert page["changes"] == [{"key": "lr", "before": 0.1, "after": 0.01}]
    alone = verdict(a, b, [SCORE], values)
    assert alone.sentence.startswith(f"{b.id} has the higher score: 2 against 1, by 1; no interval")


def test_what_is_missing_is_said() -> None:
    a, b = own(0, 0.3), own(1, None, status="running")
    assert verdict(a, b).sentence.startswith(f"no verdict: {b.id} has no val AUPRC; {b.id} is running; ")
    neither = verdict(own(0, None), b)
    assert neither.sentence.startswith(f"no verdict: {a.id} and {b.id} have no val AUPRC")
    assert neither.as_json()["values"] is None
    assert verdict(foreign(0), foreign(1), []).sentence.startswith("no verdict: ")
    assert verdict(a, a).sentence == f"{a.id} is named twice"


def test_equal_numbers_other_code_and_the_seed_alone() -> None:
    def git(commit: str) -> dict[str, str]:
        return {"commit": commit * 40}

    same = verdict(own(0, 0.3, config={"seed": 1}), own(1, 0.3, config={"seed": 2}))
    assert (same.higher, "have the same val AUPRC, 0.300" in same.sentence) == (None, True)
    assert same.sentence.endswith("nothing but the seed differs: seed 1 -> 2")
    code = verdict(own(0, 0.3, git=git("a")), own(1, 0.4, git=git("b")))
    assert code.sentence.endswith("they differ in: commit aaaaaaaaaa -> bbbbbbbbbb")
    assert verdict(own(0, 0.3), own(1, 0.4)).sentence.endswith("nothing is known to differ between them")


def test_groups_are_judged_by_their_means_once_and_their_runs_are_named() -> None:
    base, wide = seeds(BASE), seeds((*WIDE, None), {"epochs": 9}, day=10)
    groups = replicates([*base, *wide])
    (found,) = verdicts([*base, *wide], groups, drawn=drawn)
    assert found.values == pytest.approx((0.31, 0.41))
    tested = found.as_json()["paired"]["val/auprc"]
    low, high = tested["interval"]
    assert found.sentence == (
        f"{wide[0].id} (3 of 4 seeds) is better: higher val AUPRC, mean 0.410 against mean 0.310; "
        f"paired difference +0.100 [{low:+.3f}, {high:+.3f}], P(higher) {tested['p_higher']:.2f}, over 3 and 3 seeds; "
        f"{wide[3].id} is killed; they differ in: epochs {base[0].config['epochs']} -> 9; "
        f"compared are {', '.join(one.id for one in base)} with {', '.join(one.id for one in wide)}"
    )
    assert found.as_json()["intervals"] == [None, None]
    (untested,) = verdicts([*base, *wide], groups)
    assert untested.apart is None
    assert "by 0.100; unpaired, the scores of the runs are not at hand: the difference itself" in untested.sentence


def test_a_run_against_replicates_and_replicates_alone() -> None:
    base, (alone,) = seeds(BASE), seeds(WIDE[:1], {"epochs": 9}, day=10)
    (found,) = verdicts([*base, alone], replicates([*base, alone]), drawn=drawn)
    assert f"{alone.id} is better: higher val AUPRC, 0.400 against mean 0.310; " in found.sentence
    assert ", over 3 and 1 seeds, so of these weights alone; " in found.sentence
    each = verdicts(base, replicates(base), drawn=drawn)
    assert [(one.before.id, one.after.id) for one in each] == [(base[0].id, base[1].id), (base[0].id, base[2].id)]
    assert all("nothing but the seed differs: seed 0 -> " in one.sentence for one in each)


def test_the_same_seed_once_more_is_judged_by_itself() -> None:
    first, again, other = (
        own(number, value, config={"seed": 1, "lr": lr})
        for number, value, lr in ((0, 0.3, 1), (1, 0.4, 1), (2, 0.5, 2))
    )
    found = verdicts([first, other, again], [Replicates((first, again)), Replicates((other,))])
    assert [(one.before.id, one.after.id) for one in found] == [(first.id, other.id), (first.id, again.id)]
    assert not any("compared are" in one.sentence for one in found)
    assert verdicts([]) == verdicts([first]) == ()


def test_a_group_without_a_number_and_one_that_must_not_be_compared() -> None:
    base, none = seeds(BASE), seeds((None, None), {"epochs": 9}, day=10)
    (found,) = verdicts([*base, *none], replicates([*base, *none]))
    assert found.sentence.startswith(f"no verdict: {none[0].id} (0 of 2 seeds) has no val AUPRC; ")
    other = seeds(WIDE, {"epochs": 9}, day=10, data_digest="e" * 64)
    (apart,) = verdicts([*base, *other], replicates([*base, *other]))
    assert apart.sentence.startswith(f"not comparable: {base[0].id} and {other[0].id} are on different data")
