from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kag.errors import RecordError
from kag.finding import Severity
from kag.track.reading import parse_record
from kag.track.record import (
    Change,
    Checkpoint,
    Failure,
    Former,
    Found,
    GitFacts,
    Resume,
    RunRecord,
    Source,
    Status,
    told,
)
from kag.track.result import Result
from kag.track.stated import Stated
from kag.track.world import World

text = st.text(max_size=20)
number = st.floats(allow_nan=False, allow_infinity=False)
scalar = text | st.integers(-(2**53), 2**53) | number | st.booleans() | st.none()
maybe = st.none()
results = st.builds(
    Result,
    split=st.sampled_from(["train", "val", "test"]),
    metric=text,
    value=number,
    ci_low=maybe | number,
    ci_high=maybe | number,
    weights=maybe | st.sampled_from(["raw", "averaged", "averaged_recomputed", "blend"]),
    weights_digest=maybe | text,
    data_digest=maybe | text,
    epoch=maybe | st.integers(0, 10**6),
    selected_on=maybe | text,
    delivered=st.booleans(),
)
changes = st.builds(Change, key=text, before=scalar, after=scalar)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
moments = times.filter(lambda moment: 1 < moment.year < 9999).map(lambda moment: moment.replace(fold=0))
checkpoints = st.dictionaries(text, st.builds(Checkpoint, path=text, weights_digest=text), max_size=2)
worlds = st.builds(World, processes=maybe | st.integers(1, 64), hosts=st.lists(text, max_size=2).map(tuple))
formers = st.builds(
    Former,
    status=st.sampled_from(Status),
    end=maybe | moments,
    heartbeat=maybe | moments,
    config=st.dictionaries(text, scalar, max_size=3),
    added=st.lists(text, max_size=2).map(tuple),
    world=maybe | worlds,
    averaged_epochs=maybe | st.just((1, 2)),
    results=st.lists(results, max_size=2).map(tuple),
    checkpoints=checkpoints,
)
resumes = st.builds(
    Resume, when=maybe | moments, changes=st.lists(changes, max_size=2).map(tuple), before=maybe | formers
)
records = st.builds(
    RunRecord,
    id=text,
    name=text,
    status=st.sampled_from(Status),
    start=moments,
    end=maybe,
    change=maybe | text,
    tags=st.lists(text, max_size=3).map(tuple),
    config=st.dictionaries(text, scalar, max_size=5),
    parent=maybe | text,
    sources=st.lists(st.builds(Source, run=text, ratio=maybe | number), max_size=2).map(tuple),
    git=maybe | st.builds(GitFacts, commit=text, dirty=st.booleans(), touched=st.lists(text, max_size=2).map(tuple)),
    environment=st.dictionaries(text, scalar, max_size=3),
    heartbeat=maybe | moments,
    failure=maybe | st.builds(Failure, error=text, message=text, where=maybe | text),
    results=st.lists(results, max_size=4).map(tuple),
    checkpoints=checkpoints,
    resumes=st.lists(resumes, max_size=2).map(tuple),
    metrics=st.dictionaries(text, number, max_size=3),
    epochs_trained=maybe | st.integers(0, 10**6),
    world=maybe | worlds,
    found=maybe | st.builds(Found, mined_digest=maybe | text, averaged_epochs=maybe | st.just((1, 2))),
    stated=maybe | st.builds(Stated, row=maybe | st.integers(1, 99), cells=st.dictionaries(text, text, max_size=2)),
)


@given(records)
def test_a_record_survives_its_json(record: RunRecord) -> None:
    again = parse_record(record.model_dump_json(indent=2), where="r")
    assert again == record
    assert repr(again) == repr(record)


def test_a_number_that_is_none_stays_nan() -> None:
    result = Result(split="val", metric="loss", value=math.nan, weights="raw")
    again = Result.model_validate_json(result.model_dump_json())
    assert math.isnan(again.value)


def test_times_are_utc_and_need_a_zone() -> None:
    values = {"id": "a", "name": "a", "status": "planned"}
    local = datetime(2025, 10, 21, 14, 48, tzinfo=timezone(timedelta(hours=2)))
    record = RunRecord.model_validate({**values, "start": local})
    assert record.start.isoformat() == "2025-10-21T12:48:00+00:00"
    assert "2025-10-21T12:48:00Z" in record.model_dump_json()
    with pytest.raises(ValidationError, match="timezone"):
        RunRecord.model_validate({**values, "start": local.replace(tzinfo=None)})


def test_a_long_list_of_faults_is_cut() -> None:
    with pytest.raises(RecordError, match="and 3 more") as caught:
        parse_record('{"a": 1, "b": 1, "c": 1, "d": 1}', where="record.json")
    assert "id: Field required" in str(caught.value)


def test_what_preflight_said_can_be_read_or_the_record_cannot() -> None:
    values: dict[str, object] = {"id": "a", "name": "a", "status": "planned", "start": "2025-10-21T12:48:00Z"}
    said = [{"code": "swa_window", "severity": "note", "sentence": "swa averages epoch 4"}]
    record = RunRecord.model_validate({**values, "found": {"findings": said, "window": "1:2", "candidates": []}})
    assert [(one.code, one.severity) for one in record.preflight] == [("swa_window", Severity.NOTE)]
    assert told(record.found) == {"window": "1:2"}
    assert RunRecord.model_validate(values).preflight == ()
    for wrong in ("text", [{"code": "a"}], [{**said[0], "severity": "bad"}]):
        with pytest.raises(RecordError, match="found"):
            parse_record(json.dumps({**values, "schema_version": 2, "found": {"findings": wrong}}), where="r")
