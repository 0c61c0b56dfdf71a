from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kag.errors import RecordError
from kag.track.mirror import in_order, known_runs, record_of
from kag.track.mirrored import END_KEY, START_KEY, Mirrored
from kag.track.reading import parse_record
from kag.track.record import SCHEMA, RunRecord, Status

START = datetime(2025, 10, 20, 17, 19, 10, tzinfo=UTC)
RUN = Mirrored("w1", "eager fox/7", START, Status.KILLED, {}, {}, ("a",), "note", "sweep1")


def test_a_foreign_run_gives_what_wandb_knows() -> None:
    config = {"optimizer": {"lr": 1e-3}, "hidden": [8, 4], "swa.start": 20, "_wandb": {"t": {}}, "wandb_version": 1}
    summary = {"epoch": 9, "val/auprc": 0.3, "test/auprc": "NaN", "val/f1": {"min": 0}, "_runtime": 4, "best": 1}
    record = record_of(replace(RUN, config=config, summary=summary))
    assert (record.id, record.name) == ("2025-10-20_17-19-10_eager-fox-7", "eager-fox-7")
    assert record.config == {"optimizer.lr": 1e-3, "hidden": "[8, 4]", "swa.start": 20}
    assert (record.status, record.epochs_trained, record.tags) == (Status.KILLED, 10, ("a",))
    assert math.isnan(record.metrics.pop("test/auprc"))
    assert record.metrics == {"epoch": 9, "val/auprc": 0.3, "best": 1, "val/f1.min": 0}
    assert (record.found, record.stated, record.world) == (None, None, None)
    assert (record.sweep, record.wandb_id) == ("sweep1", "w1")
    first, second = record.results
    assert (first.split, first.metric, first.value) == ("val", "auprc", 0.3)
    assert math.isnan(second.value)
    assert {result.weights for result in record.results} == {None}
    assert not any(result.delivered for result in record.results)
    assert (record.best_epoch, record.git, record.end, record.data_digest) == (None, None, None, None)


def test_a_script_that_counts_no_epochs_has_trained_an_unknown_number() -> None:
    record = record_of(replace(RUN, config={"lr": 0.1, "layers": [1, {"a": 2}]}, summary={"loss": "Infinity", "t": {}}))
    assert record.epochs_trained is None
    assert record.metrics == {"loss": math.inf}
    assert record.config == {"lr": 0.1, "layers": '[1, {"a": 2}]'}
    again = parse_record(record.model_dump_json(), where="r")
    assert again == record, "an infinite number survives its JSON"


def test_a_run_named_like_a_run_keeps_its_id() -> None:
    record = record_of(replace(RUN, display_name="2025-10-17_12-51-53_oct17"))
    assert (record.id, record.name) == ("2025-10-17_12-51-53_oct17", "oct17")


@pytest.mark.parametrize("start", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_a_foreign_run_that_makes_no_record_is_named_and_leaves_the_others(start: datetime) -> None:
    odd = replace(RUN, wandb_id="w2", start=start)
    found = known_runs([lambda: odd, lambda: RUN], lambda _: [], lambda *_: None)
    assert [known.record.wandb_id for known in found.runs.values()] == ["w1"]
    (broken,) = found.broken
    assert str(broken).startswith("W&B run w2: what W&B knows of it makes no record: start: ")


def test_a_run_without_usable_name_is_called_by_its_wandb_id() -> None:
    assert record_of(replace(RUN, display_name="/ /")).id == "2025-10-20_17-19-10_w1"


def test_foreign_runs_of_one_name_and_second_stay_apart() -> None:
    found = in_order((record_of(run), run) for run in (replace(RUN, wandb_id="w2"), RUN))
    assert list(found) == ["2025-10-20_17-19-10_eager-fox-7", "2025-10-20_17-19-10_eager-fox-7-w2"]
    assert [record.id for record, _ in found.values()] == list(found)


def begun(**changes: Any) -> RunRecord:
    values = {"id": "2025-10-20_17-19-10_a", "name": "a", "status": "running", "start": START, **changes}
    return RunRecord.model_validate(values)


def test_a_run_that_never_ended_takes_its_state_from_wandb() -> None:
    config = {START_KEY: begun().model_dump_json(exclude={"config"}), "epochs": 80}
    run = replace(RUN, config=config, summary={"epoch": 4, "val/auprc": 0.2}, heard=START)
    told = begun(epochs_trained=5, config={"epochs": 80}, wandb_id="w1")
    assert record_of(run) == told.model_copy(update={"status": Status.KILLED, "heartbeat": START})
    assert record_of(replace(run, status=Status.RUNNING)) == told, "it may give a sign any time"


def test_the_record_at_the_end_is_the_record() -> None:
    ended = begun(status="finished", epochs_trained=80, config={"epochs": 80}, wandb_id="w1")
    summary = {END_KEY: ended.model_dump_json(), "epoch": 4}
    assert record_of(replace(RUN, config={START_KEY: begun().model_dump_json()}, summary=summary)) == ended


def test_a_record_of_a_newer_kag_is_refused() -> None:
    newer = begun().model_dump_json().replace(f'"schema_version":{SCHEMA}', f'"schema_version":{SCHEMA + 1}')
    with pytest.raises(RecordError, match="W&B run w1, summary kag/record: was written by a newer kag"):
        record_of(replace(RUN, summary={END_KEY: newer}))
