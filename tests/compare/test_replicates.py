"""Which runs are replicates of one another, and what is said of their numbers together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.compare.replicates import Spread, replicates
from kag.spec.flat import flat
from kag.spec.run import default_spec
from kag.track.past import former
from kag.track.record import Change, Found, GitFacts, Resume, RunRecord, Source, Status
from kag.track.world import World
from kag.view.alike import likeness, seed_of
from kag.view.results import headline
from kag.view.words import NamedRuns
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import START, run_record

SPEC = {**flat(default_spec()), "epochs": 80}
WORLD = World(processes=1, device="cpu", precision="32-true", threads=1)
FOUND = Found(code_digest="c" * 64)
GIT = GitFacts(commit="a" * 40)


def own(number: int, seed: int = 1, config: Any = None, **fields: Any) -> RunRecord:
    """A training of kag's own, of which all is known."""
    basic = {"data_digest": "d" * 64, "world": WORLD, "found": FOUND}
    return run_record(number, f"run{number}", config={**SPEC, "seed": seed, **(config or {})}, **{**basic, **fields})


def program(number: int, seed: Any = 1, config: Any = None, **fields: Any) -> RunRecord:
    """A run of another program that tells its data and its code."""
    basic = {"data_digest": "data-1", "git": GIT, "environment": {"program": "train.py"}}
    return foreign(number, f"run{number}", config={"lr": 0.1, "seed": seed, **(config or {})}, **{**basic, **fields})


def groups(*records: RunRecord, seed_keys: tuple[str, ...] = ()) -> list[list[str]]:
    """The names of the runs of each group."""
    return [[run.name for run in one.runs] for one in replicates(records, seed_keys)]


def alike(one: RunRecord, other: RunRecord) -> bool:
    return len(replicates([one, other])) == 1


def resumed(record: RunRecord, **config: Any) -> RunRecord:
    changes = tuple(Change(key=key, before=record.config[key], after=value) for key, value in config.items())
    resume = Resume(when=START + timedelta(days=9), changes=changes, before=former(record, record.config))
    return record.model_copy(update={"resumes": (resume,), "config": {**record.config, **config}})


@pytest.mark.parametrize("make", [own, program])
def test_runs_that_differ_in_the_seed_alone_are_one_group(make: Callable[..., RunRecord]) -> None:
    assert groups(make(0, 1), make(1, 2), make(2, 3)) == [["run0", "run1", "run2"]]


DESCRIBED = {"name": "b", "change": "why", "parent": "x", "data.file": "/b.h5", "track.mode": "offline"}
MOVED = {"data.replay.indices": "/elsewhere/list.json"}


@pytest.mark.parametrize(
    "other",
    [
        own(1, 2, DESCRIBED, tags=("a",), change="why", parent="x", sweep="s", group="g"),
        own(1, 2, world=WORLD.model_copy(update={"hosts": ("b",), "job": "7"})),
        own(1, 2, git=GIT),
        own(1, 2, environment={"hostname": "b"}),
        own(1, 2, status=Status.ABORTED),
        own(1, 2, sources=(Source(run="x", weights_digest="e" * 64, epochs=2),)),
        resumed(own(1, 2)),
    ],
)
def test_what_describes_a_run_or_cannot_change_a_number_is_left_aside(other: RunRecord) -> None:
    assert alike(own(0, 1), other)


@pytest.mark.parametrize(
    "other",
    [
        own(1, 2, {"epochs": 9}),
        own(1, 2, data_digest="e" * 64),
        own(1, 2, world=WORLD.model_copy(update={"processes": 2})),
        own(1, 2, found=Found(code_digest="f" * 64)),
        own(1, 2, MOVED, found=Found(code_digest="c" * 64, mined_digest="1")),
        own(1, 2, sources=(Source(run="x", weights_digest="e" * 64),)),
        resumed(own(1, 2, {"epochs": 9}), epochs=SPEC["epochs"]),
        own(1, 2, kind="blend"),
        program(1, 2),
    ],
)
def test_what_can_change_a_number_makes_another_result(other: RunRecord) -> None:
    assert not alike(own(0, 1), other)


def test_a_moved_list_is_the_same_list() -> None:
    found = Found(code_digest="c" * 64, mined_digest="1")
    lists = [{"data.replay.indices": f"/{place}/list.json"} for place in "ab"]
    assert alike(own(0, 1, lists[0], found=found), own(1, 2, lists[1], found=found))
    unknown = [own(number, number, config, found=FOUND) for number, config in enumerate(lists)]
    assert not alike(*unknown), "nobody knows what was in it"


@pytest.mark.parametrize("lost", [{"data_digest": None}, {"world": None}, {"found": Found()}])
def test_what_kags_own_run_does_not_tell_makes_no_replicates(lost: dict[str, Any]) -> None:
    assert not alike(own(0, 1, **lost), own(1, 2, **lost))


def test_what_is_written_by_hand_or_draws_nothing_has_no_replicates() -> None:
    rows = [run_record(n, kind="imported", config={"seed": n}, data_digest="d" * 64) for n in range(2)]
    assert len(replicates(rows)) == 2
    blends = [own(n, n, kind="blend") for n in range(2)]
    assert len(replicates(blends)) == 2


@pytest.mark.parametrize(
    "other",
    [
        program(1, 2, {"lr": 0.2}),
        program(1, 2, {"width": 8}),
        program(1, 2, {"data.file": "other.csv"}),
        program(1, 2, data_digest="data-2"),
        program(1, 2, data_digest=None),
        program(1, 2, git=None),
        program(1, 2, git=GitFacts(commit="b" * 40)),
        program(1, 2, git=GitFacts(commit="a" * 40, dirty=True)),
        program(1, 2, environment={"program": "evaluate.py"}),
        program(1, 2, environment={"program": "train.py", "gpu": "H200"}),
        program(1, None),
    ],
)
def test_another_program_is_held_to_its_commit_data_and_settings(other: RunRecord) -> None:
    assert not alike(program(0, 1), other)


@pytest.mark.parametrize("key", ["seed", "random_seed", "random_state", "rng_seed", "init.seed", "model.random_state"])
def test_the_seed_of_another_program_is_found_by_its_name(key: str) -> None:
    bare = {"lr": 0.1}
    pair = [program(n, config=bare).model_copy(update={"config": {**bare, key: n}}) for n in range(2)]
    assert [seed_of(record) for record in pair] == ["0", "1"]
    assert alike(*pair)


def test_a_person_names_the_seed_of_another_program() -> None:
    pair = [program(n, 1, {"trial": n}) for n in range(2)]
    assert groups(*pair) == [["run0"], ["run1"]]
    assert groups(*pair, seed_keys=("trial",)) == [["run0", "run1"]]
    differ = [program(n, n, {"trial": n}) for n in range(2)]
    assert groups(*differ, seed_keys=("trial",)) == [["run0"], ["run1"]], "what is named alone is the seed"
    assert groups(own(0, 1), own(1, 2), seed_keys=("trial",)) == [["run0", "run1"]], "kag's own is known"


def test_a_run_that_tells_no_seed_is_nobodys_replicate() -> None:
    pair = [program(n).model_copy(update={"config": {"lr": 0.1}}) for n in range(2)]
    assert [seed_of(one) for one in pair] == [None, None]
    assert not alike(*pair)


@pytest.mark.parametrize(
    ("lost", "untold"),
    [
        ({"data_digest": None}, ("data",)),
        ({"git": None}, ("code", "uncommitted changes")),
        ({"git": GitFacts(commit="a" * 40, dirty=True)}, ("uncommitted changes",)),
    ],
)
def test_what_no_run_of_a_program_tells_is_taken_to_be_the_same_and_said(
    lost: dict[str, Any], untold: tuple[str, ...]
) -> None:
    pair = [program(0, 1, **lost), program(1, 2, **lost)]
    (group,) = replicates(pair)
    assert group.untold == untold
    assert len(replicates([*pair, own(2, 1)])) == 2, "kag's own says nothing of another program"
    assert len(replicates([*pair, program(2, 3)])) == 3, "where one tells it, the others may differ"


def test_runs_at_two_commits_stay_two_whatever_was_not_committed() -> None:
    pair = [program(n, n, git=GitFacts(commit=commit * 40, dirty=True)) for n, commit in enumerate("ab")]
    assert not alike(*pair)


def value(record: RunRecord) -> float | None:
    found = headline(record, "val")
    return found.value if found else None


def test_the_spread_is_over_seeds() -> None:
    runs = [own(0, 1, val=0.2), own(1, 2, val=0.4), own(2, 3, status=Status.KILLED), own(3, 2, val=0.3)]
    (group,) = replicates(runs)
    assert list(group.by_seed) == ["1", "2", "3"]
    found = group.spread(value)
    assert (found.n, found.of, found.low, found.high) == (2, 3, 0.2, 0.3), "a seed counts once, with its newest run"
    assert found.mean == pytest.approx(0.25)
    assert found.sd == pytest.approx(0.05 * 2**0.5)
    (one,) = replicates(runs[:1])
    assert one.spread(value) == Spread(1, 1, 0.2, None, 0.2, 0.2)
    assert one.spread(lambda _: float("nan")) == Spread(0, 1, None, None, None, None)


def test_a_run_that_did_not_end_well_has_no_number_here() -> None:
    (group,) = replicates([own(0, 1, val=0.2), own(1, 2, val=0.9, status=Status.RUNNING)])
    assert group.spread(value).n == 1


KINDS = st.sampled_from(
    [
        {"make": own},
        {"make": own, "config": {"epochs": 9}},
        {"make": own, "data_digest": None},
        {"make": own, "world": None},
        {"make": own, "kind": "blend"},
        {"make": program},
        {"make": program, "data_digest": None},
        {"make": program, "git": None},
        {"make": program, "git": GitFacts(commit="a" * 40, dirty=True)},
        {"make": program, "config": {"lr": 0.2, "rng_seed": 3}},
    ]
)
DRAWN = st.lists(st.tuples(KINDS, st.sampled_from([1, 2, 3])), max_size=9)


def drawn(kinds: Iterable[tuple[dict[str, Any], int]]) -> list[RunRecord]:
    found = []
    for number, (kind, seed) in enumerate(kinds):
        fields = dict(kind)
        found.append(fields.pop("make")(number, seed, **fields))
    return found


@given(DRAWN, st.randoms(use_true_random=False))
def test_it_parts_the_runs_whatever_their_order(kinds: list[tuple[dict[str, Any], int]], draw: Any) -> None:
    records = drawn(kinds)
    found = replicates(records)
    assert sorted(run.id for one in found for run in one.runs) == sorted(record.id for record in records)
    shuffled = list(records)
    draw.shuffle(shuffled)
    assert replicates(shuffled) == found
    newest = [max((run.start, run.id) for run in one.runs) for one in found]
    assert newest == sorted(newest)


@given(DRAWN)
def test_replicates_are_those_that_are_the_same_but_for_the_seed(kinds: list[tuple[dict[str, Any], int]]) -> None:
    """Two runs are in one group only if their likeness is one; with runs of other seeds beside them they stay so."""
    records = drawn(kinds)
    for group in replicates(records):
        assert len({likeness(run) for run in group.runs}) == 1
        alone = replicates(group.runs)
        assert [run.id for run in alone[0].runs] == [run.id for run in group.runs]
    later = [
        record.model_copy(update={"id": f"{record.id}-2", "start": record.start + timedelta(days=99)})
        for record in records
    ]
    both = replicates([*records, *later])
    again = [[run.id for run in one.runs if run.id in {record.id for record in records}] for one in both]
    assert sorted(filter(None, again)) == sorted([run.id for run in one.runs] for one in replicates(records))


def test_the_run_before_is_no_replicate() -> None:
    records = [program(0, 1), program(1, 1, {"lr": 0.2}), program(2, 2, {"lr": 0.2}), program(3, 3, {"lr": 0.2})]
    known = NamedRuns([*records, program(4, 1)])
    before = [known.run_before(record) for record in records]
    assert [one and one.name for one in before] == [None, "run0", "run0", "run0"]
    last = known.run_before(known.by_id[program(4, 1).id])
    assert last is not None
    assert last.name == "run3"


def test_the_run_before_is_one_of_the_group_if_that_has_another_than_replicates() -> None:
    records = [program(0, 1, {"lr": 0.3}), program(1, 1, group="g"), program(2, 2, group="g"), program(3, 1, {"lr": 9})]
    known = NamedRuns(records)
    before = [known.run_before(record) for record in records]
    assert [one and one.name for one in before] == [None, "run0", "run0", "run2"]
