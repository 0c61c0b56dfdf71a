"""What a run's outcome rests on, where two runs differ in it, and what is said of that."""

from __future__ import annotations

import math
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kag.track.record import Again, Change, Checkpoint, Found, GitFacts, Resume, RunRecord, Source, Status
from kag.track.world import World
from kag.view.again import again_text, compared, conditions, difference_lines, differences, epoch_apart, promise
from kag.view.recipe import recipe

COMMAND = "kag train --again r"


def run(**fields: Any) -> RunRecord:
    known: dict[str, Any] = {
        "world": World(processes=1, device="cpu", threads=4, precision="32-true"),
        "environment": {"python": "3.11.7", "package.torch": "2.9.0", "package.kag": "0.1.0", "hostname": "a"},
        "data_digest": "d" * 64,
        "git": GitFacts(commit="c" * 40),
        "found": Found(code_digest="e" * 64),
        **fields,
    }
    return RunRecord(id="r", name="r", status=Status.FINISHED, start=datetime(2026, 3, 1, tzinfo=UTC), **known)


def apart(first: RunRecord, second: RunRecord, patch: str | None = None) -> dict[str, tuple[Any, Any]]:
    found = differences(conditions(first, patch), conditions(second, None))
    return {change.key: (change.before, change.after) for change in found}


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"world": World(processes=1, device="cpu", threads=8)}, "threads", f"OMP_NUM_THREADS=8 {COMMAND}"),
        ({"world": World(processes=1, device="NVIDIA H200", threads=4)}, "device", "a machine with NVIDIA H200"),
        ({"world": World(processes=2, device="cpu", threads=4)}, "processes", "use 2 devices"),
        ({"data_digest": "0" * 64}, "data", f"{COMMAND} data.file=FILE"),
        ({"git": GitFacts(commit="1" * 40)}, "commit", f"git checkout {'1' * 40}"),
        ({"found": Found(code_digest="1" * 64)}, "code", "the commit of the run"),
        ({"found": Found(code_digest="e" * 64, mined_digest="2" * 64)}, "replay", "data.replay.indices=FILE"),
        ({"sources": (Source(run="p", weights_digest="3" * 64),)}, "start_from", "the former weights"),
        ({"sources": (Source(run="p", epochs=4),)}, "inherited", "on a CPU they are the same"),
        ({"resumes": (Resume(changes=(Change(key="epochs", before=4, after=6),)),)}, "resumed", "another run"),
    ],
)
def test_each_condition_that_differs_is_named_with_what_makes_it_the_same(
    fields: dict[str, Any], key: str, says: str
) -> None:
    first = run(**fields)
    found = differences(conditions(first, None), conditions(run(), None))
    assert [change.key for change in found] == [key]
    (line,) = difference_lines(found, first, None, COMMAND)
    assert line.startswith(f"  {key} ")
    assert says in line
    assert "not all the same" in promise(found, first)


@pytest.mark.parametrize(
    ("name", "before", "says"),
    [("python", "3.12.1", "use Python 3.12.1"), ("package.torch", "2.8.0+cpu", "pip install torch==2.8.0+cpu")],
)
def test_versions_are_conditions_and_what_no_number_rests_on_is_none(name: str, before: str, says: str) -> None:
    first = run(environment={**run().environment, name: before, "package.wandb": "0.18.7", "cpus": 64})
    found = differences(conditions(first, None), conditions(run(), None))
    assert [change.key for change in found] == [name.removeprefix("package.")]
    assert says in next(difference_lines(found, first, None, COMMAND))


def test_what_an_older_record_does_not_say_is_a_difference_without_a_remedy() -> None:
    first = run(found=Found())
    assert apart(first, run()) == {"code": (None, "e" * 64)}
    found = differences(conditions(first, None), conditions(run(), None))
    assert list(difference_lines(found, first, None, COMMAND)) == [f"  code none or unknown -> {'e' * 12}"]


def test_the_patch_is_applied_by_its_path_quoted_for_a_shell() -> None:
    first = run()
    assert apart(first, run(), patch="f" * 64) == {"uncommitted": ("f" * 64, None)}
    found = differences(conditions(first, "f" * 64), conditions(run(), None))
    (line,) = difference_lines(found, first, "my runs/r/uncommitted.patch", COMMAND)
    assert line.endswith("&& git apply 'my runs/r/uncommitted.patch'")


def test_bits_are_promised_of_a_cpu_alone() -> None:
    assert "bit for bit" in promise((), run())
    assert "the last digits can differ" in promise((), run(world=World(device="NVIDIA H200")))


def row(epoch: int, **values: float) -> dict[str, float]:
    return {"epoch": float(epoch), "val/auprc": 0.5, "samples_per_second": 100.0 + epoch, **values}


@pytest.mark.parametrize(
    ("first", "second", "epoch"),
    [
        ([row(0), row(1)], [row(0, samples_per_second=1.0), row(1)], None),
        ([row(0, loss=math.nan)], [row(0, loss=math.nan)], None),
        ([row(0), row(1)], [row(0), row(1, loss=0.1)], 1),
        ([row(0), row(1, loss=math.nan)], [row(0), row(1, loss=0.1)], 1),
        ([row(0), row(1), row(2)], [row(0), row(1)], 2),
        ([], [row(0)], 0),
    ],
)
def test_the_epoch_in_which_histories_part(first: Any, second: Any, epoch: int | None) -> None:
    assert epoch_apart(first, second) == epoch


@pytest.mark.parametrize(
    ("one", "other", "same", "says"),
    [
        ("a", "a", True, "r: the same weights, bit for bit"),
        ("a", "b", False, "r: other weights, the histories are the same"),
        (None, "b", None, "r: no weights to compare yet"),
    ],
)
def test_what_came_of_it(one: str | None, other: str | None, same: bool | None, says: str) -> None:
    records = [
        run(checkpoints={"delivered": Checkpoint(path="x", weights_digest=each)} if each else {})
        for each in (one, other)
    ]
    told = compared(Again(run="r"), (records[0], [row(0)]), (records[1], [row(0)]))
    assert (told.same, again_text(told)) == (same, says)
    parted = told.model_copy(update={"apart": 3, "differences": (Change(key="threads", before=1, after=2),)})
    assert again_text(parted).endswith("; not the same: threads")
    assert ("part in epoch 3" in again_text(parted)) == (same is False)


@pytest.mark.parametrize("git", [None, GitFacts(commit="c" * 40)])
def test_a_recipe_is_shell_that_names_commit_versions_threads_and_data(git: GitFacts | None) -> None:
    config = {"data.file": "/data of mine/sites.h5", "data.replay.indices": "/x/hard.json"}
    sources = (Source(run="parent", weights_digest="3" * 64),)
    record = run(git=git, config=config, sources=sources)
    lines = list(recipe(record, Path("/runs here/r"), patched=True))
    text = "\n".join(lines)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    assert "RUN='/runs here/r'" in text
    assert "DATA='/data of mine/sites.h5'" in text
    assert "torch==2.9.0" in text
    assert "python3.11 -m venv" in text
    assert "the run that it comes from, parent" in text
    assert (git is None) == ("kag[train]==0.1.0" in text)
    assert (git is None) != ('git apply "$RUN/uncommitted.patch"' in text)
    asked = 'data.file="$DATA" data.replay.indices="$LIST" --runs "$(dirname "$RUN")"'
    assert f'OMP_NUM_THREADS=4 kag train "$RUN/spec.yaml" {asked}' in lines
