"""What a new run asks of earlier ones is read once, and is what their records say, whoever wrote them meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kag.spec.flat import flat
from kag.spec.run import default_spec
from kag.track import folder as folders
from kag.track.folder import RunFolder
from kag.track.generated import is_generated
from kag.track.record import Found, RunRecord, Status
from kag.track.world import World
from kag.view import earlier as room
from kag.view.alike import likeness
from kag.view.earlier import FEW, FILE, alike, best_epochs, default_parent, earlier, earlier_runs

START = datetime(2026, 3, 1, tzinfo=UTC)


def record(place: int, **fields: Any) -> RunRecord:
    start = START + timedelta(hours=place)
    known = {"id": folders.run_id("a", start), "name": "a", "status": Status.FINISHED, "start": start}
    return RunRecord(**{**known, "data_digest": "d", "best_epoch": place, **fields})


def write(runs: Path, made: RunRecord) -> RunRecord:
    path = runs / made.id
    path.mkdir(parents=True, exist_ok=True)
    RunFolder(path).write_record(made)
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Records that were read."""
    found: list[Path] = []
    plain = folders.read_text

    def counted(path: Path) -> str:
        found.append(path)
        return plain(path)

    monkeypatch.setattr(folders, "read_text", counted)
    return found


@pytest.mark.parametrize("number", [0, 200])
def test_a_run_reads_what_has_come_since_however_many_there_are(tmp_path: Path, read: list[Path], number: int) -> None:
    made = [write(tmp_path, record(place)) for place in range(number)]
    assert earlier_runs(tmp_path) == ([earlier(one) for one in made], [])
    assert len(read) == number
    for more in range(1, FEW + 4):
        read.clear()
        made.append(write(tmp_path, record(number + more)))
        assert earlier_runs(tmp_path) == ([earlier(one) for one in made], [])
        assert 1 <= len(read) <= FEW + 1


def test_what_has_changed_gone_or_broken_is_seen_at_once(tmp_path: Path) -> None:
    made = [write(tmp_path, record(place, status=Status.KILLED)) for place in range(2 * FEW)]
    earlier_runs(tmp_path)
    assert (tmp_path / FILE).is_file()
    made[3] = write(tmp_path, made[3].model_copy(update={"status": Status.FINISHED, "best_epoch": 77}))
    gone, broken = made.pop(7), made.pop(8)
    (tmp_path / gone.id / "record.json").unlink()
    (tmp_path / broken.id / "record.json").write_text("{")
    for _ in range(2):
        found, faults = earlier_runs(tmp_path)
        assert found == [earlier(one) for one in made]
        assert [broken.id in str(fault) for fault in faults] == [True], "it is told each time"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "kag-earlier", "code": "x", "runs": {}}', b"\xff"])
def test_a_list_that_is_none_of_this_code_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    made = [write(tmp_path, record(place)) for place in range(2 * FEW)]
    (tmp_path / FILE).write_bytes(content)
    assert earlier_runs(tmp_path)[0] == [earlier(one) for one in made]


def test_what_other_code_has_told_is_told_anew(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(2 * FEW):
        write(tmp_path, record(place))
    earlier_runs(tmp_path)
    read.clear()
    monkeypatch.setattr(room, "TELLING", ("view/alike",))
    earlier_runs(tmp_path)
    assert len(read) == 2 * FEW


def test_a_list_that_cannot_be_written_is_not_missed_and_one_that_is_there_is_no_code(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    made = [write(tmp_path, record(place)) for place in range(2 * FEW)]
    assert earlier_runs(tmp_path)[0] == [earlier(one) for one in made]
    (tmp_path / FILE).rmdir()
    earlier_runs(tmp_path)
    assert is_generated(tmp_path / FILE)
    assert json.loads((tmp_path / FILE).read_text())["runs"].keys() == {one.id for one in made}


def test_no_folder_has_no_runs(tmp_path: Path) -> None:
    assert earlier_runs(tmp_path / "none") == ([], [])


def own(place: int, seed: int, **fields: Any) -> RunRecord:
    config = {**flat(default_spec()), "seed": seed}
    return record(place, config=config, found=Found(code_digest="c"), world=World(processes=1), **fields)


def test_the_parent_is_the_newest_of_the_name_that_is_no_trial_no_failure_and_no_replicate() -> None:
    runs = [
        own(1, 1, data_digest="e"),
        own(2, 2, name="b"),
        own(3, 3, status=Status.ABORTED),
        own(4, 4, sweep="s"),
        own(5, 5),
    ]
    told = [earlier(run) for run in runs]
    like = alike(likeness(own(6, 6)))
    assert like == told[4].alike != told[0].alike
    assert default_parent(told, "a", "d", like) == runs[0].id, "of its name, on other data"
    assert default_parent(told, "c", "e", like) == runs[0].id, "on its data"
    assert default_parent(told, "a", "d", None) == runs[4].id
    assert default_parent(told[3:], "a", "d", like) is None
    assert best_epochs(told, "d") == (2, 3, 4, 5)
