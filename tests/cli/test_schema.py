"""What scripts rely on: a run has one shape in every answer, and `kag schema record` is what that shape is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kag.cli.sweep_result import SweepResult
from kag.sweep import TrialState
from kag.sweep.progress import Progress
from kag.sweep.trial import Trial
from kag.text import json_text
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.track.schema import record_schema
from tests.changelog.run_logs import epochs, make_folder, run_record

PUBLISHED = Path(__file__).with_name("record.schema.json")
WORDS = ("title", "description", "default")
"""What a schema says to people."""


def published() -> dict[str, Any]:
    """The schema that scripts have."""
    found: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return found


def fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Every field by its part of the record, and what its values are; `Status` and such have only values."""
    parts = {"RunRecord": schema, **schema["$defs"]}
    found: dict[str, Any] = {name: plain(part) for name, part in parts.items() if "properties" not in part}
    for name, part in parts.items():
        for field, values in part.get("properties", {}).items():
            found[f"{name}.{field}"] = (plain(values), field in part["required"])
    return found


def plain(node: Any) -> Any:
    """A schema without the words for people."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key not in WORDS}
    return [plain(value) for value in node] if isinstance(node, list) else node


def lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Fields that are gone or hold other values, though the schema has the name under which scripts know it."""
    if before["$id"] != after["$id"]:
        return []
    now = fields(after)
    return [name for name, values in fields(before).items() if now.get(name) != values]


def test_a_run_keeps_its_shape() -> None:
    assert lost(published(), record_schema()) == [], (
        "scripts read these fields. Adding fields is free; to take one away, or to change what it holds, "
        "give `SCHEMA` in kag/track/record.py a new number and upgrade older records in kag/track/upgrade.py"
    )


def test_what_is_new_is_published() -> None:
    assert fields(published()) == fields(record_schema()), f"kag schema record > {PUBLISHED.name} keeps what was added"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda schema: schema["properties"].pop("parent"), "RunRecord.parent"),
        (lambda schema: schema["$defs"]["Result"]["properties"].pop("ci_low"), "Result.ci_low"),
        (lambda schema: schema["properties"].update(best_epoch={"type": "string"}), "RunRecord.best_epoch"),
        (lambda schema: schema["$defs"]["Status"]["enum"].append("lost"), "Status"),
        (lambda schema: schema["required"].remove("status"), "RunRecord.status"),
        (lambda schema: schema["properties"].update(colour={"type": "string"}), None),
        (lambda schema: schema["properties"]["parent"].update(description="other words"), None),
    ],
)
def test_what_scripts_would_miss_is_told(change: Any, named: str | None) -> None:
    changed = deepcopy(published())
    change(changed)
    assert lost(published(), changed) == ([named] if named else [])
    assert lost(published(), {**changed, "$id": "urn:kag:record:99"}) == []


def test_both_schemas_say_what_they_are_written_in(kag: Any) -> None:
    for words, identity in (((), "urn:kag:spec"), (("spec",), "urn:kag:spec"), (("record",), record_schema()["$id"])):
        schema = json.loads(kag("schema", *words).out)
        Draft202012Validator.check_schema(schema)
        assert (schema["$schema"], schema["$id"]) == (Draft202012Validator.META_SCHEMA["$id"], identity)
    assert kag("schema", "run").code == 2


def test_a_spec_fits_the_schema_of_specs(kag: Any) -> None:
    validator = Draft202012Validator(json.loads(kag("schema").out))
    assert list(validator.iter_errors({"name": "a", "data": {"file": "a.h5"}, "epochs": 3})) == []
    assert [error.json_path for error in validator.iter_errors({"name": "a", "data": {"file": 1}})] == ["$.data.file"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of which one diverged, one ended badly and one goes on."""
    monkeypatch.chdir(tmp_path)
    nan = run_record(1, "second", val=math.nan, sweep="s1", wandb_id="s1-0", metrics={"loss": math.inf})
    failed = {"error": "ValueError", "message": "ä"}
    make_folder(tmp_path / "runs", run_record(0, "first", val=0.3, failure=None), history=epochs(0.1, 0.3, math.nan))
    make_folder(tmp_path / "runs", nan, history=epochs(math.nan, math.inf), notes="α")
    make_folder(tmp_path / "runs", run_record(2, "third", status="aborted", failure=failed))
    fourth = make_folder(tmp_path / "runs", run_record(3, "fourth", status="running", sweep="s1"))
    fourth.append_history({"epoch": 0, "loss": -math.inf})
    return tmp_path / "runs"


def strict(text: str) -> Any:
    """What every parser of JSON takes: without NaN and infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def records_in(page: Any) -> list[Any]:
    """Every run of an answer."""
    if isinstance(page, dict):
        if "schema_version" in page:
            return [page]
        return [each for value in page.values() for each in records_in(value)]
    return [each for value in page for each in records_in(value)] if isinstance(page, list) else []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("runs", "list"), {"first", "second", "third", "fourth"}),
        (("runs", "show", "second"), {"second"}),
        (("runs", "compare", "first", "second"), {"first", "second"}),
        (("runs", "compare", "second", "third"), {"second", "third"}),
        (("runs", "watch"), {"fourth"}),
        (("changelog",), {"first", "second", "third", "fourth"}),
        (("doctor", "second"), {"second"}),
        (("report", "first", "second"), {"first", "second"}),
        (("report", "third"), {"third"}),
    ],
)
def test_a_run_has_one_shape_wherever_it_is(kag: Any, runs: Path, words: tuple[str, ...], names: set[str]) -> None:
    done = kag(*words, "--json")
    assert done.code == 0, done.error
    found = records_in(strict(done.out))
    assert {record["name"] for record in found} == names
    validator = Draft202012Validator(record_schema())
    for record in found:
        assert list(validator.iter_errors(record)) == []
        assert RunRecord.model_validate(record).id == record["id"]


def test_the_best_trial_of_a_sweep_is_a_run_like_any_other(runs: Path) -> None:
    leader = Trial(id=0, params={"a": math.nan}, state=TrialState.FINISHED, value=0.4, run="s1-0")
    now = Progress(states={TrialState.FINISHED: 1}, best=leader, metric="m", expected=1, epochs=None, seconds_left=None)
    record = RunFolder(runs / run_record(1, "second").id).read_record()
    result = SweepResult("kag/p/s1", now, {}, {}, (), None, leader=record)
    page = strict(json_text(result.page()))
    assert (page["best"]["run"], page["best"]["params"]) == (record.id, {"a": None})
    assert list(Draft202012Validator(record_schema()).iter_errors(page["best"]["record"])) == []
    elsewhere = result._replace(leader=None).page()["best"]
    assert (elsewhere["run"], elsewhere["record"]) == ("s1-0", None)


def test_an_error_is_a_sentence_beside_an_empty_answer(kag: Any, runs: Path) -> None:
    for words in (("runs", "show", "nope"), ("doctor", "nope"), ("report", "nope"), ("changelog", "--tag", "nope")):
        done = kag(*words, "--json")
        assert (done.code, done.out) == (2, ""), words
        assert done.error.startswith("error: "), words


def test_json_that_every_parser_takes() -> None:
    page = {"nan": math.nan, "far": [-math.inf, 1.5], "file": Path("a"), "when": datetime(2026, 1, 2, tzinfo=UTC)}
    assert strict(json_text(page)) == {"nan": None, "far": ["-inf", 1.5], "file": "a", "when": "2026-01-02T00:00:00Z"}
    assert json_text({"α": "\udc80"}).isascii()
    assert "α" in json_text({"α": 1}, ascii_only=False)
