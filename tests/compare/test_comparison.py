"""What may be compared, and what is said of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kag.compare.comparison import against_parent, compare, in_doubt, not_comparable
from kag.track.past import former
from kag.track.record import Change, Resume
from kag.track.world import World
from tests.changelog.run_logs import run_record, run_result

DATA = {"data_digest": "d" * 64}


def test_runs_of_one_data_set_are_compared_by_the_weights_that_they_hand_on() -> None:
    other = run_result("val", 0.9, delivered=False, weights="averaged")
    before = run_record(0, config={"seed": 1}, results=(run_result("val", 0.30), other), **DATA)
    after = run_record(1, config={"seed": 2}, results=(run_result("val", 0.35), run_result("test", 0.4)), **DATA)
    found = compare(before, after)
    assert found.reason is None
    assert found.same_data
    assert [(one.split, one.metric, one.change) for one in found.differences] == [("val", "auprc", pytest.approx(0.05))]
    assert [(change.key, change.before, change.after) for change in found.settings] == [("seed", 1, 2)]


def test_other_data_is_a_reason_not_to() -> None:
    before, after = run_record(0, val=0.3, **DATA), run_record(1, val=0.9, data_digest="e" * 64)
    found = compare(before, after)
    assert found.reason == f"{before.id} and {after.id} are on different data (dddddddddddd, eeeeeeeeeeee)"
    assert found.differences == ()
    assert found.difference("val") is None


def test_data_of_which_nobody_knows_may_be_other_data() -> None:
    unknown = run_record(0, val=0.3)
    found = compare(unknown, run_record(1, val=0.9, **DATA))
    assert (found.reason, found.same_data) == (f"the data of {unknown.id} are not known", False)


def test_where_nothing_is_known_of_the_data_of_either_the_doubt_is_said() -> None:
    pair = [run_record(0, val=0.3), run_record(1, val=0.9)]
    found = compare(*pair)
    assert (found.reason, found.same_data) == (None, False)
    assert in_doubt(pair) == "it is not known on what data these runs are"
    assert in_doubt(pair[:1]) is None
    assert in_doubt([pair[0], run_record(1, **DATA)]) is None, "the reason says it"


def test_many_runs_of_unknown_data_are_one_sentence() -> None:
    records = [run_record(0, **DATA), *(run_record(number) for number in range(1, 8))]
    listed = ", ".join(record.id for record in records[1:4])
    assert not_comparable(records) == (f"the data of {listed} and 4 more are not known",)


def test_another_program_names_its_data_sets() -> None:
    one = run_record(0, val=0.3, datasets=("points:v2", "labels:v0"))
    same = run_record(1, val=0.4, datasets=("labels:v0", "points:v2"))
    other = run_record(2, val=0.5, datasets=("labels:v0", "points:v3"))
    assert compare(one, same).same_data
    assert not_comparable([one, same, other]) == (
        f"{one.id} and {other.id} are on different data (labels:v0; points:v2, labels:v0; points:v3)",
    )


def test_a_run_is_set_beside_its_parent_as_that_stood_when_it_began() -> None:
    parent = run_record(0, val=0.3, config={"epochs": 12, "seed": 1}, **DATA)
    child = run_record(2, val=0.4, config={"epochs": 12, "seed": 2}, **DATA)
    before, longer = against_parent(parent, child), {"epochs": 14, "seed": 1}
    later = parent.model_copy(
        update={
            "config": longer,
            "results": (run_result("val", 0.9),),
            "resumes": (
                Resume(when=child.start + timedelta(hours=1), before=former(parent, {"epochs": 14, "seed": 1})),
            ),
        }
    )
    after = against_parent(later, child)
    assert [change.key for change in after.settings] == ["seed"]
    assert (after.settings, after.differences) == (before.settings, before.differences)
    assert [change.key for change in compare(later, child).settings] == ["epochs", "seed"], "as they stand"


@pytest.mark.parametrize("key", ["swa", "swa.start"])
def test_what_nobody_knows_of_a_parent_is_no_difference(key: str) -> None:
    resumes = (Resume(changes=(Change(key=key, before=None, after=4),)),)
    parent = run_record(0, config={"swa.start": 4, "seed": 1}, resumes=resumes)
    child = run_record(1, config={"swa.start": 4, "swa.window": 2, "seed": 2})
    found = against_parent(parent, child)
    assert found.unsure == resumes[0].changes
    assert "seed" in {change.key for change in found.settings}
    assert not {"swa", "swa.start"} & {change.key for change in found.settings}


@pytest.mark.parametrize("place", [0, 1])
def test_weights_that_were_chosen_on_test_are_compared_with_none(place: int) -> None:
    spoilt = (run_result("val", 0.3), run_result("test", 0.9, selected_on="test/auprc"))
    pair = [run_record(0, val=0.3, **DATA), run_record(1, val=0.4, **DATA)]
    pair[place] = pair[place].model_copy(update={"results": spoilt})
    found = compare(*pair)
    assert found.reason == f"{pair[place].id} chose its weights by test/auprc"
    assert found.differences == ()


@pytest.mark.parametrize(
    ("own", "other", "inside"),
    [((0.30, 0.25, 0.35), (0.34, None, None), True), ((0.30, 0.25, 0.35), (0.36, None, None), False)],
)
def test_an_interval_that_holds_the_other_number_tells_them_not_apart(
    own: tuple[float, float, float], other: tuple[float, None, None], inside: bool
) -> None:
    value, low, high = own
    results = run_result("val", value, ci_low=low, ci_high=high), run_result("val", other[0])
    for first, second in (results, results[::-1]):
        found = compare(run_record(0, results=(first,), **DATA), run_record(1, results=(second,), **DATA))
        difference = found.difference("val")
        assert difference is not None
        assert (difference.inside is not None) is inside
        assert difference.measured is (second.ci_low is not None)


def test_another_world_is_a_difference_that_the_settings_do_not_explain() -> None:
    one = World(processes=1, threads=2, accumulate=1, effective_batch=128, optimizer_steps=60)
    two = one.model_copy(update={"processes": 2, "threads": 1, "effective_batch": 256, "optimizer_steps": 30})
    before, after = run_record(0, config={"seed": 1}, world=one), run_record(1, config={"seed": 1}, world=two)
    assert {change.key: (change.before, change.after) for change in compare(before, after).settings} == {
        "world.processes": (1, 2),
        "world.threads": (2, 1),
        "world.effective_batch": (128, 256),
        "world.optimizer_steps": (60, 30),
    }
    batches = {"data.batch_size": 256}, {"data.batch_size": 128}
    doubled = two.model_copy(update={"processes": 1, "threads": 2})
    pair = (run_record(n, config=batches[n], world=world) for n, world in enumerate((doubled, one)))
    assert [change.key for change in compare(*pair).settings] == ["data.batch_size"]
    unknown = run_record(2, config={"seed": 1})
    assert compare(before, unknown).settings == ()
