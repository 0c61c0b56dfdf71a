"""A record gives back what it said before it was resumed, and says nothing of what nobody wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.track.past import as_of, attempts, before_resume, former, time_spent
from kag.track.reading import parse_record
from kag.track.record import Change, Checkpoint, Found, Resume, RunRecord, Status
from kag.track.result import Result
from kag.track.world import World
from kag.view.tables import details, facts

START = datetime(2025, 10, 1, tzinfo=UTC)

settings = st.dictionaries(
    st.sampled_from(["epochs", "seed", "swa", "swa.start", "swa.window", "model.gate.penalty.weight.start"]),
    st.sampled_from([None, True, 1, 1.0, 12, "auto", "[1, 2]"]),
)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def scored(value: float) -> tuple[Result, ...]:
    return (Result(split="val", metric="auprc", value=value, weights="raw", delivered=True),)


def run(**fields: Any) -> RunRecord:
    basic = {"id": "2025-10-01_00-00-00_run", "name": "run", "status": Status.FINISHED, "start": START, "end": day(0.5)}
    return RunRecord.model_validate({**basic, "config": {"epochs": 12}, "results": scored(0.4), **fields})


def resumed(record: RunRecord, when: datetime, config: dict[str, Any], **after: Any) -> RunRecord:
    """The record as kag writes it when the run goes on, and what it became then."""
    changes = tuple(Change(key=key, before=record.config.get(key), after=value) for key, value in config.items())
    resume = Resume(when=when, changes=changes, before=former(record, config))
    return record.model_copy(update={"config": config, "end": None, "resumes": (*record.resumes, resume), **after})


@given(settings, settings)
def test_going_on_can_be_taken_back_to_the_last_setting(before: dict[str, Any], after: dict[str, Any]) -> None:
    record = run(
        config=before,
        world=World(processes=2),
        best_epoch=3,
        epochs_trained=12,
        found=Found(spec_digest="a", averaged_epochs=(2, 3), window="2:2"),
        checkpoints={"best": Checkpoint(path="b", weights_digest="w")},
    )
    later = resumed(
        record,
        day(2),
        after,
        status=Status.ABORTED,
        results=scored(0.5),
        epochs_trained=14,
        best_epoch=13,
        world=World(processes=1),
        found=Found(spec_digest="b", window="2:2"),
        checkpoints={},
    )
    again = before_resume(parse_record(later.model_dump_json(), where="r"))
    assert again == record
    assert again is not None
    assert [(key, type(value)) for key, value in sorted(again.config.items())] == [
        (key, type(value)) for key, value in sorted(before.items())
    ]


def test_a_run_that_was_resumed_twice_stood_three_times() -> None:
    first = run()
    second = resumed(first, day(2), {"epochs": 14}, end=day(3), results=scored(0.5))
    third = resumed(second, day(4), {"epochs": 16}, end=day(5), results=scored(0.6))
    assert [(one.begun, one.record) for one in attempts(third)] == [(day(0), first), (day(2), second), (day(4), third)]
    for moment, stood in ((0, first), (1.9, first), (2, second), (3.9, second), (4, third), (9, third)):
        assert as_of(third, day(moment)).record == stood
    assert as_of(third, day(1)).unsure == ()


def test_an_attempt_that_was_killed_is_recorded_as_killed_with_its_last_sign() -> None:
    killed = run(status=Status.RUNNING, end=None, results=(), heartbeat=day(0.25))
    later = resumed(killed, day(2), {"epochs": 12}, status=Status.FINISHED, end=day(2.5), heartbeat=None)
    stood = as_of(later, day(1)).record
    assert (stood.status, stood.heartbeat, stood.results) == (Status.KILLED, day(0.25), ())
    assert time_spent(later) == timedelta(days=0.75)


OLD = (Resume(changes=(Change(key="epochs", before=12, after=14),)),)


def test_of_a_resume_without_a_time_only_what_is_certain_is_said() -> None:
    record = run(end=day(3), config={"epochs": 14, "seed": 1}, resumes=OLD, world=World(processes=2))
    assert as_of(record, day(3)).record is record, "it had ended: all resumes lie before"
    past = as_of(record, day(2))
    assert past.unsure == OLD[0].changes
    assert (past.record.config, past.record.results, past.record.world) == ({"seed": 1}, (), None)
    assert time_spent(record) is None


def test_a_resume_of_this_kag_bounds_those_of_an_older_one() -> None:
    old = run(end=day(3), config={"epochs": 14}, resumes=OLD)
    record = resumed(old, day(5), {"epochs": 16}, end=day(6), results=scored(0.6))
    assert as_of(record, day(4)).record == old
    assert as_of(record, day(2)).unsure == OLD[0].changes
    assert [one.begun for one in attempts(record)] == [None, day(5)]
    assert time_spent(record) is None


def test_what_a_ramp_or_a_section_was_is_unknown_as_a_whole() -> None:
    changes = (
        Change(key="model.gate.penalty.weight", before="0.3 to 0.1 in 5", after="0.3"),
        Change(key="swa", before=None, after="start 4, window 2"),
    )
    config = {"swa.start": 4, "swa.window": 2, "model.gate.penalty.weight.start": 0.3, "swab": 1}
    assert as_of(run(config=config, resumes=(Resume(changes=changes),)), day(0.1)).record.config == {"swab": 1}


def test_a_row_of_a_hand_kept_log_was_stated_once() -> None:
    row = run(kind="imported", end=None, resumes=OLD)
    assert as_of(row, day(0)).record is row
    assert [one.begun for one in attempts(row)] == [START]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (run(), "12 h 00 min"),
        (run(end=None), None),
        (run(end=START), "0 s"),
        (resumed(run(), day(9), {"epochs": 14}, end=day(9.25)), "18 h 00 min"),
        (resumed(run(), day(9), {"epochs": 14}), None),
        (resumed(run(status=Status.RUNNING, end=None), day(9), {"epochs": 12}, end=day(10)), None),
        (run(resumes=OLD, end=day(3)), None),
    ],
)
def test_a_duration_is_the_time_that_the_run_ran(record: RunRecord, words: str | None) -> None:
    assert facts(record).get("duration") == words


def test_a_person_sees_when_a_run_went_on_and_when_it_fell_silent() -> None:
    record = resumed(run(resumes=OLD), day(9), {"epochs": 14}, end=day(9.25))
    shown = [[cell.text for cell in row] for row in details(record)["Resumed with"].rows]
    assert shown == [["1", "epochs 12 -> 14"], ["2", "2025-10-10 00:00 UTC: epochs 12 -> 14"]]
    assert "last sign of life" not in facts(record)
    killed = run(status=Status.KILLED, end=None, heartbeat=day(0.25))
    assert facts(killed)["last sign of life"] == "2025-10-01 06:00:00 UTC"
    assert facts(killed)["duration"] == "6 h 00 min"
