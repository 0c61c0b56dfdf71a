"""Offline files of another program that are read by several processes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kag.changelog.collect import collect
from kag.changelog.markdown import render
from kag.changelog.siblings import Siblings
from kag.changelog.table import table
from kag.track import offline
from kag.track.offline import OfflineSource
from tests.track.test_offline import File

START = datetime(2025, 1, 1, tzinfo=UTC)


def written(folder: Path, number: int, steps: int = 9, forked_from: str = "") -> Path:
    start = START + timedelta(minutes=number)
    file = File(folder, f"{start:%Y%m%d_%H%M%S}", f"w{number}")
    part = file.add("run")
    part.run_id, part.display_name = f"w{number}", f"run{number}"
    part.start_time.FromDatetime(start)
    file.change(part.config, {"lr": 0.1 * (1 + number % 3), "seed": number})
    if forked_from:
        part.branch_point.run, part.branch_point.value = forked_from, 4
    for step in range(5 if forked_from else 0, steps):
        file.row(_step=step, loss=1 / (1 + step + number), accuracy=float(step == number % 7))
    file.change(file.add("summary"), {"loss": 0.5, "accuracy": 0.5})
    file.add("exit").exit_code = 0
    return file.write()


pytestmark = pytest.mark.usefixtures("two_cores")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Runs, of which the last was forked from the first, and number 20 has a value that is no JSON."""
    found = [written(tmp_path, number) for number in range(20)]
    odd = File(tmp_path, "20250101_002000", "w20")
    odd.run(lr=0.1)
    odd.add("history").item.add(key="loss", value_json="{")
    return [*found, odd.write(), written(tmp_path, 21, forked_from="w0")]


def told(siblings: Siblings) -> tuple[str, list[str]]:
    return render(table(siblings), siblings.metrics), [str(error) for error in siblings.broken]


def test_several_processes_find_what_one_finds_and_what_is_broken_stays_alone(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files[3].write_bytes(files[3].read_bytes()[:-20] + b"damage" * 20)
    files[5].unlink()
    files[5].mkdir()
    alone = collect(OfflineSource(tmp_path))
    monkeypatch.setattr("kag.track.offline.WORTH", 1)
    together = collect(OfflineSource(tmp_path))
    assert together.entries == alone.entries
    assert told(together) == told(alone)
    assert len(together.entries) == 19
    broken = [str(files[3]), f"{files[5]}: is no regular file", f"{files[20]}: holds a value that cannot be read"]
    assert all(any(text.startswith(one) for text in told(together)[1]) for one in broken)
    assert len(together.broken) == 3


def test_a_fork_has_the_rows_of_the_run_that_it_was_forked_from(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kag.track.offline.WORTH", 1)
    fork = collect(OfflineSource(tmp_path)).entries[-1]
    assert fork.record.wandb_id == "w21"
    assert (fork.courses["accuracy"].best, fork.courses["accuracy"].best_epoch) == (1.0, 0)


def test_a_file_that_grows_in_between_has_its_new_rows_in_the_history(files: list[Path], tmp_path: Path) -> None:
    found = OfflineSource(tmp_path).read(map)
    (first, *_) = found.runs.values()
    before = first.history()
    longer = written(tmp_path / "longer", 0, steps=12)
    files[0].write_bytes(longer.read_bytes())
    assert first.history()[: len(before)] == before
    assert len(first.history()) == 12


def test_each_file_is_read_once_for_the_record_and_once_for_the_history(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(offline, "read_bytes", lambda path: read.append(path) or path.read_bytes())
    collect(OfflineSource(tmp_path))
    assert Counter(read) == {file: 3 if file == files[0] else 2 for file in files}, "the first is that of the fork too"
