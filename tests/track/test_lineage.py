"""What another program's run stands on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kag.track.mirror import in_order, record_of
from kag.track.mirrored import START_KEY, Mirrored, Used
from kag.track.record import RunRecord, Source, Status

START = datetime(2025, 10, 20, 17, 0, tzinfo=UTC)


def run(name: str, minute: int, **known: Any) -> Mirrored:
    """A run, called `name`, with the W&B id `w-name`."""
    given = {"config": {}, "summary": {}, **known}
    return Mirrored(f"w-{name}", name, START + timedelta(minutes=minute), Status.FINISHED, **given)


def records(*runs: Mirrored) -> dict[str, RunRecord]:
    """Name of a run -> its record among the others."""
    found = in_order((record_of(one), one) for one in runs)
    return {one.display_name: record for record, one in found.values()}


FIRST = run("first", 0)


@pytest.mark.parametrize(
    "word",
    ["first", "w-first", "2025-10-20_17-00-00_first", "somebody/project/w-first", "/somebody/project/runs/w-first"],
)
@pytest.mark.parametrize("key", ["parent", "parent_run", "resume_from"])
def test_a_word_of_the_config_names_the_parent_and_is_no_setting(key: str, word: str) -> None:
    child = records(FIRST, run("child", 1, config={key: word, "lr": 0.1}))["child"]
    assert (child.parent, child.config) == ("2025-10-20_17-00-00_first", {"lr": 0.1})


@pytest.mark.parametrize("word", ["resnet", 3, None, "child", "w-child", ["first"]])
def test_a_word_that_names_no_other_run_is_a_setting(word: Any) -> None:
    child = records(FIRST, run("child", 1, config={"parent": word}))["child"]
    assert child.parent is None
    assert "parent" in child.config


def test_a_name_means_the_newest_run_before() -> None:
    runs = (run("a", 0), run("a", 2), run("child", 3, config={"parent": "a"}), run("a", 4))
    runs = tuple(replace(one, wandb_id=f"w{place}") for place, one in enumerate(runs))
    assert records(*runs)["child"].parent == "2025-10-20_17-02-00_a"


def test_a_fork_stands_on_the_run_that_it_was_forked_from() -> None:
    said = {"branch_point": {"run_id": "w-first", "step": 2}}
    child = records(FIRST, run("child", 1, config={"_wandb": said, "parent": "night"}))["child"]
    assert child.parent == "2025-10-20_17-00-00_first"
    assert child.sources == (Source(run="2025-10-20_17-00-00_first"),)
    gone = records(run("child", 1, config={"_wandb": said}))["child"]
    assert (gone.parent, gone.sources) == ("w-first", (Source(run="w-first"),)), "it is gone, the fork is not"


def test_a_run_that_was_taken_back_stands_on_nothing_and_was_resumed() -> None:
    said = {"branch_point": {"run_id": "w-first", "step": 2}, "t": {"3": [72]}, "e": {"a": {"startedAt": "2025-10-21"}}}
    back = records(run("first", 0, config={"_wandb": said}))["first"]
    assert (back.parent, back.sources, back.start) == (None, (), START)
    assert [resume.when for resume in back.resumes] == [datetime(2025, 10, 21, tzinfo=UTC)]


def model(name: str, number: str, made_by: str | None = None) -> Used:
    """A version of a model."""
    return Used(name, "model", number, made_by)


def test_a_model_that_another_run_logged() -> None:
    child = records(FIRST, run("child", 1, used=(model("weights:v3", "A", "w-first"),)))["child"]
    assert child.parent == "2025-10-20_17-00-00_first"
    assert child.sources == (Source(run="2025-10-20_17-00-00_first", checkpoint="weights:v3"),)


def test_two_models_of_two_runs_make_no_one_parent() -> None:
    used = (model("b:v0", "B", "w-second"), model("a:v0", "A", "w-first"))
    child = records(FIRST, run("second", 1), run("child", 2, used=used))["child"]
    assert child.parent is None
    assert [source.run for source in child.sources] == ["2025-10-20_17-00-00_first", "2025-10-20_17-01-00_second"]


def test_in_files_the_maker_is_known_by_the_name_of_what_it_logged() -> None:
    first = replace(FIRST, made=("weights",))
    runs = (first, run("child", 1, used=(model("weights:latest", "A"),)), run("other", 2, used=(model("x:v0", "B"),)))
    found = records(*runs)
    assert found["child"].parent == found["first"].id
    assert found["child"].sources[0].checkpoint == "weights@A", "which version that was, no file says"
    assert (found["other"].parent, found["other"].sources) == (None, ())
    two = records(first, run("second", 1, made=("weights",)), run("child", 2, used=(model("weights:v1", "A"),)))
    assert two["child"].sources == (), "either of the two may have logged it"


def test_data_sets_are_told_apart_by_version() -> None:
    used = {
        "a": (Used("points:v0", "dataset", "P0"), Used("code:v1", "code", "C")),
        "b": (Used("points:latest", "dataset", "P0"),),
        "c": (Used("points:latest", "dataset", "P1"), Used("grid:v2", "dataset", "G")),
    }
    found = records(*(run(name, place, used=some) for place, (name, some) in enumerate(used.items())))
    assert {name: record.datasets for name, record in found.items()} == {
        "a": ("points:v0",),
        "b": ("points:v0",),
        "c": ("grid:v2", "points@P1"),
    }


def test_what_kag_wrote_says_its_lineage_itself() -> None:
    own = RunRecord(id="2025-10-20_17-01-00_own", name="own", status="running", start=START, parent="elsewhere")
    config = {START_KEY: own.model_dump_json(), "parent": "first", "_wandb": {"branch_point": {"run_id": "w-first"}}}
    assert records(FIRST, run("own", 1, config=config))["own"].parent == "elsewhere"
