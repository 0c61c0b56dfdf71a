"""A run that was killed on another host is told of alike by every command: since when it is silent, and where."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kag.track.folder import RunFolder
from kag.track.owner import Process, owner_text
from kag.track.record import Status
from kag.track.world import World
from kag.view.life import last_sign, silence, silences
from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag

SIGN = datetime(2025, 10, 8, 1, 2, 3, 456, tzinfo=UTC)
SAID = "no sign of life since 2025-10-08 01:02 UTC on gpu7"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = make_folder(tmp_path / "runs", run_record(7, "far", status=Status.RUNNING, world=World(hosts=("gpu7",))))
    writer = Process(host="gpu7", boot="another boot", namespace=1, pid=1, started=1)
    made.owner_file.write_text(owner_text(writer, "token", SIGN), encoding="utf-8")
    return made


def test_every_command_says_since_when_and_where(folder: RunFolder, kag: Kag) -> None:
    runs = folder.path.parent
    assert f"{folder.id}: {SAID}" in kag("runs", "list", "--runs", runs).out
    assert "2025-10-08 01:02:03 UTC on gpu7" in kag("runs", "show", "far", "--runs", runs).out
    assert f"killed, {SAID}" in kag("doctor", "far", "--runs", runs).out
    assert f"killed after 0 epochs, {SAID}" in kag("changelog", "--source", runs).out
    (record,) = json.loads(kag("runs", "list", "--json", "--runs", runs).out)
    assert (record["status"], record["heartbeat"]) == ("killed", "2025-10-08T01:02:03Z")
    assert kag("runs", "archive", "far", "--runs", runs).code == 0, "nobody trains it"
    assert f"{SAID}" in kag("runs", "list", "--archived", "--runs", runs).out, "its last sign is known still"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": Status.KILLED, "heartbeat": SIGN}, "no sign of life since 2025-10-08 01:02 UTC"),
        ({"status": Status.KILLED, "heartbeat": SIGN, "environment": {"hostname": "gpu7"}}, SAID),
        ({"status": Status.KILLED, "heartbeat": SIGN, "end": SIGN}, ""),
        ({"status": Status.KILLED}, ""),
        ({"status": Status.RUNNING, "heartbeat": SIGN}, ""),
        ({"status": Status.FINISHED, "heartbeat": SIGN}, ""),
    ],
)
def test_only_of_who_was_killed_without_a_word_it_is_said(fields: dict[str, Any], said: str) -> None:
    assert silence(run_record(7, **fields)) == said


def test_a_list_names_the_last_ones() -> None:
    silent = [run_record(day, status=Status.KILLED, heartbeat=SIGN) for day in range(5)]
    lines = list(silences([*silent, run_record(6)]))
    assert [line.split(":")[0] for line in lines[:3]] == [one.id for one in reversed(silent[2:])]
    assert lines[3] == "and of 2 more"
    assert last_sign(silent[0]) == "2025-10-08 01:02:03 UTC"
