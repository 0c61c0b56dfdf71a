"""Runs that no training made, in W&B: what is mirrored is what the folder says."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import wandb

from kag.spec.run import TrackSpec
from kag.track.folder import RunFolder
from kag.track.offline import OfflineSource
from kag.track.record import RunRecord, Source, Status
from kag.track.result import ExternalEvaluation, Result
from kag.track.scores_of_run import write_scores
from kag.track.wandb_run import begin, end, final_row, mirror_finished, mirror_record, start_client
from tests.track.made_scores import made_scores, same_scores

START = datetime(2025, 10, 21, tzinfo=UTC)
OFFLINE = TrackSpec(mode="offline", tags=("a",))


@pytest.fixture(autouse=True)
def _fresh_client() -> Iterator[None]:
    """The client reads its settings once and keeps a process of its own."""
    wandb.teardown()
    yield
    with contextlib.suppress(OSError):
        wandb.teardown()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "soup", START)


@pytest.fixture
def record(folder: RunFolder) -> RunRecord:
    """A blend as `kag blend` leaves it."""
    results = tuple(
        Result(split=split, metric="auprc", value=value, weights="blend", delivered=True)
        for split, value in (("val", 0.5), ("test", 0.25))
    )
    made = RunRecord(
        id=folder.id,
        name="soup",
        kind="blend",
        status=Status.FINISHED,
        start=START,
        end=START,
        config={"epochs": 8, "track.mode": "offline", "start_from": None},
        sources=(Source(run="a", ratio=0.5), Source(run="b", ratio=0.5)),
        results=results,
    )
    folder.write_record(made)
    return made


def test_the_mirror_of_a_blend_tells_what_the_folder_tells(
    folder: RunFolder, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "training")
    told: list[str] = []
    kept = mirror_finished(folder, record, OFFLINE, told.append)
    wandb.teardown()
    source = OfflineSource(tmp_path)
    assert list(source.records()) == [kept] == [folder.read_record()]
    assert kept == record.model_copy(update={"wandb_id": kept.wandb_id})
    assert kept.wandb_id not in (None, "training"), "the environment's run is a training"
    assert source.history(folder.id) == folder.history() == []
    assert told == []


def test_what_is_added_to_a_record_comes_to_its_mirror(folder: RunFolder, record: RunRecord, tmp_path: Path) -> None:
    told: list[str] = []
    kept = mirror_finished(folder, record, OFFLINE, told.append)
    seen = ExternalEvaluation(file="coach.h5", when=START, results=(record.results[0],))
    added = kept.model_copy(update={"evaluations": (seen,)})
    mirror_record(folder, added, OFFLINE, told.append)
    wandb.teardown()
    source = OfflineSource(tmp_path)
    assert list(source.records()) == [added]
    assert source.history(folder.id) == []
    assert told == []


def test_weights_that_no_epoch_made_are_logged_without_one(record: RunRecord) -> None:
    assert list(final_row(record).items()) == [("test/auprc", 0.25), ("val/auprc", 0.5)]
    trained = record.model_copy(update={"epochs_trained": 3})
    assert list(final_row(trained).items()) == [("epoch", 2.0), ("test/auprc", 0.25), ("val/auprc", 0.5)]
    assert final_row(record.model_copy(update={"results": ()})) == {}


def test_disabled_mirrors_nothing(folder: RunFolder, record: RunRecord) -> None:
    told: list[str] = []
    assert mirror_finished(folder, record, TrackSpec(mode="disabled"), told.append) == record
    assert mirror_finished(folder, record, TrackSpec(), told.append) == record, "the tests' environment says disabled"
    assert folder.read_record() == record
    assert not folder.wandb.exists()
    assert told == []


def test_settings_that_wandb_refuses_are_told_and_change_no_record(folder: RunFolder, record: RunRecord) -> None:
    told: list[str] = []
    assert mirror_finished(folder, record, TrackSpec(mode="offline", project="a/b"), told.append) == record
    assert folder.read_record() == record
    (line,) = told
    assert "tracked in its folder alone" in line


class Ending:
    """A run of W&B, as far as its end goes."""

    def __init__(self) -> None:
        self.summary: dict[str, str] = {}
        self.code: int | None = None

    def log(self, row: dict[str, float]) -> None:
        """Take a row."""

    def finish(self, exit_code: int) -> None:
        """Take the end."""
        self.code = exit_code


def test_the_scores_of_a_run_come_to_its_mirror_and_those_that_are_added_later_too(
    folder: RunFolder, record: RunRecord, tmp_path: Path
) -> None:
    told: list[str] = []
    write_scores(folder, [made_scores("val")])
    kept = mirror_finished(folder, record, OFFLINE, told.append)
    write_scores(folder, [made_scores("test")])
    mirror_record(folder, kept, OFFLINE, told.append)
    wandb.teardown()
    shutil.rmtree(folder.scores)
    source = OfflineSource(tmp_path)
    for split in ("val", "test"):
        assert same_scores(source.scores(folder.id, split), made_scores(split))
    assert source.scores(folder.id, "train") is None
    assert told == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.FINISHED, 0), (Status.EARLY_STOPPED, 0), (Status.ABORTED, 1), (Status.KILLED, 143)],
)
def test_the_exit_code_tells_a_sweep_whether_the_point_failed_or_was_interrupted(
    folder: RunFolder, record: RunRecord, status: Status, code: int
) -> None:
    run: Any = Ending()
    end(run, folder, record.model_copy(update={"status": status}))
    assert run.code == code


LOADED = """
import sys
from kag.spec.run import TrackSpec
from kag.track.wandb_run import load_client
load_client(TrackSpec(mode="disabled"))
print("wandb" in sys.modules)
load_client(TrackSpec(mode="offline"))
import wandb
before = set(sys.modules)
run = wandb.init(mode="offline", dir=sys.argv[1], settings=wandb.Settings(console="off", silent=True))
late = [name for name in sys.modules if name.startswith("wandb.sdk.launch") and name not in before]
print("torch" in sys.modules, late)
run.finish()
"""


def test_what_a_run_needs_of_the_client_is_loaded_before_it_begins_and_nothing_where_none_is_mirrored(
    tmp_path: Path,
) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "False []"]


def test_the_client_starts_meanwhile_and_the_run_begins_with_that_process(
    folder: RunFolder, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def starting() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "W&B's client"]

    start_client(TrackSpec(mode="disabled"))
    assert starting() == []
    assert "WANDB_SERVICE" not in os.environ
    start_client(OFFLINE)
    for thread in starting():
        thread.join()
    service = os.environ["WANDB_SERVICE"]
    told: list[str] = []
    assert mirror_finished(folder, record, OFFLINE, told.append).wandb_id
    assert os.environ["WANDB_SERVICE"] == service
    assert told == []


HOLDING = """
import sys, wandb
run = wandb.init(id="held", mode="offline", dir=sys.argv[1], settings=wandb.Settings(console="off", silent=True))
print("begun", flush=True)
sys.stdin.read()
run.finish()
"""


def test_a_run_whose_id_the_client_holds_is_told_and_stays_in_its_folder(
    folder: RunFolder, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a trial that its server refuses: the client holds on to its id, and the run cannot begin offline."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb.setup()
    told: list[str] = []
    words = [sys.executable, "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        assert begin(folder, record, OFFLINE, told.append, wandb_id="held") is None
        other.communicate()
    assert len(told) == 1
    assert "run ID held is in use" in told[0]
