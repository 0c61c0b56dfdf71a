"""Records of the layout before: of the landed code (`records_1`, one of each kind), and of `runs/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kag.errors import RecordError
from kag.spec.retired import RETIRED
from kag.track import history
from kag.track.reading import parse_record
from kag.track.record import SCHEMA, RunRecord
from kag.track.rows import epochs, steps
from kag.track.upgrade import UPGRADES
from tests.committed import RUNS

OLD = Path(__file__).parent / "records_1"
FILES = [*sorted(OLD.glob("*.json")), *(folder / "record.json" for folder in RUNS)]
SAME = ("id", "name", "kind", "status", "start", "end", "change", "tags", "data_digest", "parent", "sources", "git")
SAME += ("failure", "best_epoch", "checkpoints", "resumes", "sweep", "wandb_id")


def old(name: str) -> tuple[dict[str, Any], RunRecord]:
    text = (OLD / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text), parse_record(text, where=name)


def test_every_version_before_has_an_upgrade() -> None:
    assert sorted(UPGRADES) == list(range(1, SCHEMA))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name[:25] + file.stem)
def test_nothing_is_lost(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    before, record = json.loads(text), parse_record(text, where=str(file))
    after = json.loads(record.model_dump_json())
    after["resumes"] = [resume["changes"] for resume in after["resumes"]]
    assert {key: after[key] for key in SAME} == {key: before[key] for key in SAME}
    imported = before["kind"] == "imported"
    results = [{**one, "metric": {"loss": "bce"}.get(one["metric"], one["metric"])} for one in before["results"]]
    assert after["results"] == results, "a result called loss was the cross-entropy in which all points weigh the same"
    kept = {key: value for key, value in before["spec"].items() if imported or key not in RETIRED}
    assert record.config == kept
    part = record.stated if imported else record.found
    assert part is not None
    said = json.loads(part.model_dump_json())
    for key, value in before["facts"].items():
        if key not in ("swa", "inherited_epochs"):
            assert contains(said[key], value), key
    assert (record.stated is None) is not imported
    assert parse_record(record.model_dump_json(), where="again") == record, "written as the new layout"


def contains(new: Any, before: Any) -> bool:
    """Whether a typed part says all that a free one did; it may say more, as None."""
    if isinstance(before, dict):
        return all(contains(new[key], value) for key, value in before.items())
    if isinstance(before, list):
        return len(new) == len(before) and all(map(contains, new, before))
    return bool(new == before)


def test_an_average_and_what_was_inherited() -> None:
    assert old("window")[1].found.averaged_epochs == (2, 3)
    content, fork = old("fork")
    assert content["facts"]["inherited_epochs"] == fork.epochs_inherited == 2


def test_the_world_of_a_run_on_a_processor_is_known() -> None:
    content, record = old("plain")
    assert content["spec"]["trainer.devices"] == "auto"
    assert record.world is not None
    assert (record.world.processes, record.world.device, record.world.threads) == (1, "cpu", 1)
    assert record.world.effective_batch == 128
    assert "threads" not in record.environment


def test_the_world_of_a_run_on_all_gpus_of_a_machine_is_not() -> None:
    content, _ = old("plain")
    content["environment"]["device"] = "NVIDIA H100"
    record = parse_record(json.dumps(content), where="r")
    assert record.world is not None
    assert (record.world.processes, record.world.effective_batch, record.world.device) == (None, None, "NVIDIA H100")


def test_epochs_are_unknown_where_nobody_counted_them() -> None:
    assert old("soup")[1].epochs_trained is None
    assert old("broken")[1].epochs_trained == 0
    row = (RUNS[0] / "record.json").read_text(encoding="utf-8")
    assert parse_record(row, where="row").epochs_trained is None


def test_a_newer_layout_is_refused_in_one_sentence() -> None:
    content, _ = old("plain")
    with pytest.raises(RecordError) as caught:
        parse_record(json.dumps({**content, "schema_version": SCHEMA + 1, "surprise": 1}), where="record.json")
    assert str(caught.value).splitlines() == [
        f"record.json: was written by a newer kag (record layout {SCHEMA + 1}, this one reads up to {SCHEMA})",
        "  remedy:  update kag",
    ]


def test_val_was_measured_as_training_went() -> None:
    content, record = old("plain")
    assert record.world is not None
    assert record.world.validation == content["spec"]["trainer.precision"] == "32-true"
    content["spec"]["trainer.precision"] = "bf16-mixed"
    mixed = parse_record(json.dumps(content), where="r").world
    assert mixed is not None
    assert (mixed.precision, mixed.validation) == ("bf16-mixed", "bf16-mixed")


def test_the_loss_of_another_program_keeps_its_name() -> None:
    number = {"split": "val", "metric": "loss", "value": 0.5, "weights": None}
    content = json.loads(RunRecord(id="a", name="a", status="planned", start="2025-10-21T12:48:00Z").model_dump_json())
    record = parse_record(json.dumps({**content, "schema_version": 2, "results": [number]}), where="r")
    assert [result.metric for result in record.results] == ["loss"]


def test_a_row_without_bce_has_it_under_loss_and_no_row_mixes_both(tmp_path: Path) -> None:
    """Up to layout 2 `val/loss` was the unweighted cross-entropy; a resumed run has rows of both kinds."""
    before = {"epoch": 0.0, "train/loss": 2.0, "val/loss": 0.5, "val_averaged/loss": 0.4}
    after = {"epoch": 1.0, "train/loss": 1.9, "val/loss": 1.7, "val/bce": 0.45}
    expected = [{"epoch": 0.0, "train/loss": 2.0, "val/bce": 0.5, "val_averaged/bce": 0.4}, after]
    for row in (before, after):
        history.append(tmp_path / "history.jsonl", row)
    assert history.read(tmp_path / "history.jsonl") == expected
    assert epochs([before, after]) == expected
    foreign = [{**row, "_step": float(step)} for step, row in enumerate((before, after))]
    assert steps(foreign) == foreign, "what another program logs means what it says"
    history.truncate(tmp_path / "history.jsonl", 1)
    assert json.loads((tmp_path / "history.jsonl").read_text()) == before, "the file keeps every byte"


@pytest.mark.parametrize(
    "broken", [{"results": 3}, {"results": [7]}, {"results": [{"weights": "raw"}]}, {"world": "x"}]
)
def test_what_is_broken_is_said_not_upgraded(broken: dict[str, Any]) -> None:
    content = {"schema_version": 2, "id": "a", "name": "a", "status": "planned", "start": "2025-10-21T12:48:00Z"}
    with pytest.raises(RecordError, match=f"is not a run record: {next(iter(broken))}"):
        parse_record(json.dumps(content | broken), where="r")
