"""How often a test set was looked at, and by how many weights: counted over records, whatever their order."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kag.track.past import former
from kag.track.record import Found, Resume, RunRecord
from kag.track.result import ExternalEvaluation, Look
from kag.view.looks import looks_at_test, looks_told, sets_looked_at
from tests.changelog.run_logs import run_record, run_result

WHEN = datetime(2025, 10, 21, tzinfo=UTC)
DATA, WEIGHTS = st.sampled_from("de"), st.sampled_from("uvw")

looks = st.builds(
    Look, when=st.just(WHEN), by=st.just("eval"), split=st.sampled_from(["test", "all"]), data_digest=DATA,
    weights_digest=WEIGHTS, file=st.none(),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> list[RunRecord]:
    """Runs with looks that were written down, and with test numbers, some of them of before that was done."""
    made = []
    for number in range(draw(st.integers(0, 4))):
        tested = draw(st.none() | st.tuples(DATA, WEIGHTS))
        named = {"data_digest": tested[0], "weights_digest": tested[1]} if tested else {}
        results = [run_result("test", 0.4, **named)] if tested else []
        made.append(
            run_record(
                number, results=results, looks=draw(st.lists(looks, max_size=4)), found=Found(), epochs_trained=3
            )
        )
    return made


@given(runs=records())
def test_every_look_counts_once_and_every_weights_once(runs: list[RunRecord]) -> None:
    expected: dict[tuple[str, str], list[str | None]] = {}
    for run in runs:
        known = [(one.data_digest, one.split, one.weights_digest) for one in run.looks]
        stated = [(str(one.data_digest), "test", one.weights_digest) for one in run.results]
        for data, split, weights in [*known, *(one for one in stated if one not in known)]:
            expected.setdefault((data, split), []).append(weights)
    found = {(one.data_digest, one.split): (one.looks, one.weights) for one in sets_looked_at(runs)}
    assert found == {key: (len(weights), len(set(weights))) for key, weights in expected.items()}
    assert sets_looked_at(runs[::-1]) == sets_looked_at(runs)
    assert all(1 <= weights <= times for times, weights in found.values())


def test_what_was_before_a_resume_and_on_other_data_was_a_look_too() -> None:
    before = run_record(
        found=Found(), epochs_trained=3, results=[run_result("test", 0.4, data_digest="d", weights_digest="u")]
    )
    seen = ExternalEvaluation(
        file="coach.h5", when=WHEN, results=(run_result("all", 0.3, data_digest="e", weights_digest="v"),)
    )
    record = before.model_copy(
        update={
            "resumes": (Resume(when=WHEN, before=former(before, before.config)),),
            "results": (run_result("test", 0.5, data_digest="d", weights_digest="v"),),
            "evaluations": (seen,),
        }
    )
    assert [(one.data_digest, one.weights_digest) for one in looks_at_test(record)] == [
        ("d", "u"),
        ("d", "v"),
        ("e", "v"),
    ]
    assert looks_told([record]) == [
        "Looks at the test split of data `d`: 2 times, by 2 different sets of weights.",
        "Looks at all rows of data `e` (`coach.h5`): once, by 1 set of weights.",
    ]


def test_numbers_without_a_data_digest_are_said_to_be_unknown() -> None:
    stated = [run_record(day, results=[run_result("test", 0.4)], kind="imported") for day in (1, 2)]
    assert looks_told(stated[:1]) == [
        "1 run states a test number without a data digest: which test set was looked at, and how often, is not known."
    ]
    assert looks_told(stated)[0].startswith("2 runs state test numbers without")
    assert looks_told([run_record(val=None)]) == []
