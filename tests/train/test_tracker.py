"""The mirror in W&B: where it goes, that it tells the same as the run folder, and that no run dies of it."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb

from kag import names
from kag.spec import flat
from kag.track import wandb_run
from kag.track.folder import RunFolder
from kag.track.mirrored import START_KEY
from kag.track.offline import OfflineSource
from kag.track.record import RunRecord, Status
from kag.track.scores_of_run import scores_in
from kag.track.wandb_log import pieces
from kag.track.wandb_run import final_row, hosts_with_key, is_online
from kag.train.job import Job
from kag.view.words import find_run
from tests.needs import needs
from tests.test_names import constants as keys_written_once
from tests.track.made_scores import same_scores
from tests.train.conftest import MakeSpec, Train

OFFLINE = {"track.mode": "offline", "epochs": 2}
HOST = frozenset({"api.wandb.ai"})


PUBLIC = "https://api.wandb.ai"


@pytest.fixture(autouse=True)
def _fresh_client() -> Iterator[None]:
    """The client reads its settings once and keeps a process of its own."""
    end_of_the_client()
    yield
    end_of_the_client()


def end_of_the_client() -> None:
    """Wait until everything is on the disk; a test may have killed the client's process."""
    with contextlib.suppress(OSError):
        wandb.teardown()


@pytest.mark.parametrize(
    ("mode", "environ", "server", "keys", "expected"),
    [
        ("online", {}, PUBLIC, frozenset(), True),
        ("online", {"WANDB_MODE": "offline"}, PUBLIC, frozenset(), True),
        ("offline", {"WANDB_API_KEY": "k", "WANDB_MODE": "online"}, PUBLIC, HOST, False),
        ("auto", {}, PUBLIC, frozenset(), False),
        ("auto", {}, PUBLIC, HOST, True),
        ("auto", {}, "https://api.forge.coreweave.com", HOST, True),
        ("auto", {}, PUBLIC, frozenset({"elsewhere"}), False),
        ("auto", {}, "http://tracking:8080", frozenset(), True),
        ("auto", {"WANDB_API_KEY": "k"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_IDENTITY_TOKEN_FILE": "token"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_BASE_URL": "http://tracking:8080"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_MODE": "offline", "WANDB_API_KEY": "k"}, PUBLIC, HOST, False),
        ("auto", {"WANDB_MODE": "offline", "WANDB_BASE_URL": "http://tracking:8080"}, PUBLIC, HOST, False),
        ("auto", {"WANDB_MODE": "dryrun", "WANDB_API_KEY": "k"}, PUBLIC, HOST, False),
        ("auto", {"WANDB_MODE": "online"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_MODE": "shared"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_MODE": "", "WANDB_API_KEY": "k"}, PUBLIC, frozenset(), True),
        ("auto", {"WANDB_MODE": "", "WANDB_API_KEY": "", "WANDB_BASE_URL": ""}, PUBLIC, frozenset(), False),
    ],
)
def test_where_a_run_is_mirrored(
    mode: str, environ: dict[str, str], server: str, keys: frozenset[str], expected: bool
) -> None:
    assert is_online(mode, environ, server, keys) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine api.wandb.ai\n  login user\n  password secret\n", HOST),
        ("", frozenset()),
        ("machine\n", frozenset()),
        ("password without a machine", frozenset()),
        (None, frozenset()),
    ],
)
def test_hosts_that_a_person_has_a_key_for(tmp_path: Path, text: str | None, expected: frozenset[str]) -> None:
    path = tmp_path / "netrc"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    assert hosts_with_key(path) == expected


def only(runs: Path) -> tuple[OfflineSource, RunRecord, RunFolder]:
    """What the W&B file of the only run says, and its folder."""
    end_of_the_client()
    source, folder = OfflineSource(runs), find_run(runs, "tiny")
    (mirrored,) = source.records()
    return source, mirrored, folder


def messages(runs: Path) -> list[Any]:
    """The records of the only W&B file."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    (file,) = runs.rglob("run-*.wandb")
    return [Record.FromString(piece) for piece in pieces(file.read_bytes(), where=str(file))]


def rows(records: list[Any]) -> list[dict[str, Any]]:
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]


def exit_codes(records: list[Any]) -> list[int]:
    return [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"]


def test_the_mirror_tells_what_the_folder_tells(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    spec = make_spec(**OFFLINE, **{"track.tags": ["a", "b"]})
    record = train(spec)
    source, mirrored, folder = only(runs)
    assert mirrored == record == folder.read_record()
    assert record.wandb_id is not None
    assert source.history(record.id) == folder.history()
    for split in ("val", "test"):
        assert same_scores(source.scores(record.id, split), scores_in(folder.path, split))
    found = messages(runs)
    assert exit_codes(found) == [0]
    _config_is_flat(found, flat(spec))
    _epoch_is_the_axis(found)
    _objective_comes_last(rows(found), record)


def _config_is_flat(found: list[Any], expected: dict[str, Any]) -> None:
    (run,) = (record.run for record in found if record.WhichOneof("record_type") == "run")
    config = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in run.config.update}
    assert {
        key: value for key, value in config.items() if key not in ("_wandb", START_KEY) and not key.startswith("world.")
    } == expected
    assert (config["world.processes"], config["world.threads"]) == (1, torch.get_num_threads())
    assert list(run.tags) == ["a", "b"]
    assert run.project == "kag"


def _epoch_is_the_axis(found: list[Any]) -> None:
    metrics = [record.metric for record in found if record.WhichOneof("record_type") == "metric"]
    assert [metric.step_metric for metric in metrics if metric.glob_name == "*"] == [names.EPOCH]


def _objective_comes_last(logged: list[dict[str, Any]], record: RunRecord) -> None:
    *epochs, last = ({key: value for key, value in row.items() if not key.startswith("_")} for row in logged)
    assert [row[names.EPOCH] for row in epochs] == [0, 1]
    constants = set(keys_written_once().values())
    assert constants <= set(epochs[0])
    delivered = [result for result in record.results if result.delivered]
    expected = {names.evaluation(result.split, result.metric): result.value for result in delivered}
    assert last == expected | {names.EPOCH: 1}
    assert names.OBJECTIVE in last
    assert list(final_row(record))[-1] == names.OBJECTIVE


@needs("wandb", "0.31", "JSON from the inspector of a run's file")
def test_the_inspector_of_the_client_shows_the_keys(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    train(make_spec(**OFFLINE))
    _, _, folder = only(runs)
    (file,) = runs.rglob("run-*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    items = [line["history"]["item"] for line in shown if line["type"] == "history"]
    assert len(items) == 3
    assert set(folder.history()[0]) <= set(items[0])


def test_a_failed_run_ends_with_code_1(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Job.training_step

    def broken(self: Job, batch: Any, batch_idx: int) -> Any:
        if self.current_epoch == 1:
            raise ZeroDivisionError("planted")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Job, "training_step", broken)
    with pytest.raises(ZeroDivisionError):
        train(make_spec(**OFFLINE))
    _, mirrored, folder = only(runs)
    assert mirrored == folder.read_record()
    assert mirrored.status is Status.ABORTED
    assert mirrored.failure is not None
    assert mirrored.failure.message == "planted"
    found = messages(runs)
    assert exit_codes(found) == [1]
    assert [row[names.EPOCH] for row in rows(found)] == [0], "no row of weights that were never delivered"


def test_without_a_server_the_run_goes_on_offline(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(wandb_run, "INIT_TIMEOUT", 1.0)
    record = train(make_spec(epochs=1, **{"track.mode": "auto"}))
    _, mirrored, folder = only(runs)
    assert [path.name.split("-")[0] for path in (folder.path / "wandb").glob("*run-*")] == ["offline"]
    assert record.status is Status.FINISHED
    assert mirrored == record
    warnings = [line for line in folder.console_file.read_text().splitlines() if line.startswith("warning: no W&B")]
    assert len(warnings) == 1
    assert "wandb sync" in warnings[0]


@pytest.mark.parametrize("error", [wandb.errors.CommError("gone"), BrokenPipeError("gone")])
def test_a_lost_mirror_is_told_once(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls: list[int] = []

    def lost(self: wandb.Run, row: dict[str, float]) -> None:
        calls.append(len(calls))
        raise error

    monkeypatch.setattr(wandb.Run, "log", lost)
    record = train(make_spec(**OFFLINE))
    folder = find_run(runs, "tiny")
    assert record.status is Status.FINISHED
    assert len(folder.history()) == 2
    assert calls == [0], "nothing is logged once it is lost"
    assert folder.console_file.read_text().count("W&B was lost (gone)") == 1


def test_a_client_that_dies_takes_no_run_with_it(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Job.on_train_epoch_start

    def killing(self: Job) -> None:
        begin(self)
        if self.current_epoch == 1:
            killed.extend(kill_clients())

    killed: list[int] = []
    monkeypatch.setattr(Job, "on_train_epoch_start", killing)
    record = train(make_spec(**OFFLINE))
    folder = find_run(runs, "tiny")
    assert len(killed) == 1
    assert record.status is Status.FINISHED
    assert len(folder.history()) == 2
    assert folder.console_file.read_text().count("W&B was lost") == 1


def kill_clients() -> list[int]:
    """Kill the W&B processes of this process with -9."""
    children = [int(word) for path in Path("/proc/self/task").glob("*/children") for word in path.read_text().split()]
    clients = [child for child in children if b"wandb-core" in Path(f"/proc/{child}/cmdline").read_bytes()]
    for client in clients:
        os.kill(client, signal.SIGKILL)
    # W&B waits for its process only if it can still talk to it.
    for process in gc.get_objects():
        if type(process) is subprocess.Popen and process.pid in clients:
            process.wait()
    return clients


def test_settings_that_wandb_refuses_stop_no_run(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    record = train(make_spec(epochs=1, **{"track.mode": "offline", "track.project": "a/b"}))
    assert record.status is Status.FINISHED
    assert record.wandb_id is None
    assert "the run is tracked in its folder alone" in find_run(runs, "tiny").console_file.read_text()


def test_disabled_leaves_no_trace(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    record = train(make_spec(epochs=1, **{"track.mode": "auto"}))
    assert record.wandb_id is None
    assert not (runs / record.id / "wandb").exists()
