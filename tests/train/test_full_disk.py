"""What is left of a run when the disk takes no more: a sentence, no half files, and weights that come out the same."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kag.errors import KagError, RecordError, StorageError
from kag.spec import RunSpec
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord, Status
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.train.conftest import MakeSpec

AVERAGED: dict[str, Any] = {"epochs": 2, "swa.start": 0, "swa.window": 2, "swa.keep_sums": True}


@pytest.fixture(scope="module")
def spec(make_spec: MakeSpec) -> RunSpec:
    return make_spec(**AVERAGED)


@pytest.fixture(scope="module")
def whole(spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """The run as it comes out where there is room."""
    return fit(spec, runs=tmp_path_factory.mktemp("whole") / "runs", console=RunConsole(quiet=True))


@pytest.fixture(autouse=True)
def _outside_any_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch of uncommitted changes would take what room there is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of no size yet."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None or not mounted(place, "size=1m"):
        pytest.skip("only root may mount a small disk")
    yield place
    gc.collect()  # an older torch leaves the file that it could not write to the collector
    subprocess.run(["umount", place], check=True)


def mounted(place: Path, options: str) -> bool:
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode == 0


def again(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The system refuses every byte of a file beyond this, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def half_files(place: Path) -> list[Path]:
    return list(place.rglob(".*.tmp"))


def digests(record: RunRecord) -> dict[str, str]:
    return {name: each.weights_digest for name, each in record.checkpoints.items()}


def require_resumed_the_same(spec: RunSpec, folder: RunFolder, whole: RunRecord) -> None:
    record = fit(spec, runs=folder.path.parent, resume=folder, console=RunConsole(quiet=True))
    assert digests(record) == digests(whole)
    assert [one.value for one in record.results] == [one.value for one in whole.results]
    assert [row["epoch"] for row in folder.history()] == [0, 1]


@pytest.mark.parametrize(("file", "size"), [("rehearsal.ckpt", 30_000), ("last.ckpt", 150_000)])
def test_a_checkpoint_that_is_refused_ends_the_run_in_a_sentence(
    spec: RunSpec, whole: RunRecord, runs: Path, file: str, size: int
) -> None:
    with files_no_larger_than(size), pytest.raises(StorageError) as caught:
        fit(spec, runs=runs, console=RunConsole(quiet=True))
    assert caught.value.exit_code == 1
    assert caught.value.what == "cannot be written: file too large"
    assert str(caught.value.where).endswith(file)
    (folder,) = RunFolder.all(runs)
    assert not half_files(runs)
    record = folder.read_record()
    assert record.status is Status.ABORTED
    assert record.failure is not None
    assert file in record.failure.message
    assert record.epochs_trained == 0
    require_resumed_the_same(spec, folder, whole)


@pytest.mark.parametrize("kilobytes", [4, 90, 240])
def test_a_full_disk_leaves_no_half_file_and_a_run_that_goes_on(
    spec: RunSpec, whole: RunRecord, disk: Path, kilobytes: int
) -> None:
    again(disk, f"size={kilobytes}k")
    with pytest.raises(StorageError, match="no space left on device") as caught:
        fit(spec, runs=disk / "runs", console=RunConsole(quiet=True))
    assert str(disk) in str(caught.value.where)
    assert "make room" in str(caught.value.remedy)
    assert not half_files(disk)
    folders = RunFolder.all(disk / "runs")
    assert [folder.path for folder in folders] == list((disk / "runs").iterdir()), "a folder without a record is no run"
    for folder in folders:
        assert as_it_stands(folder, folder.read_record()).status in (Status.ABORTED, Status.KILLED)
        again(disk, "size=10m")
        require_resumed_the_same(spec, folder, whole)


def test_what_ended_a_run_is_told_where_its_record_cannot_be_written(
    spec: RunSpec, whole: RunRecord, disk: Path, capfd: Any
) -> None:
    again(disk, "size=10m")

    class Console(RunConsole):
        """Makes the disk read-only for whoever opens a file anew, as an administrator does with a failing one."""

        def print(self, item: Any) -> None:
            super().print(item)
            if str(item).startswith("epoch   0"):
                subprocess.run(["mount", "--bind", disk, disk], check=True)
                # It is refused for as long as the state of the epoch is being written.
                while subprocess.run(["mount", "-o", "remount,ro,bind", disk], capture_output=True).returncode:
                    pass

    def train() -> None:
        with pytest.raises(StorageError, match="read-only file system") as caught:
            fit(spec, runs=disk / "runs", console=Console())
        assert str(caught.value.where).endswith("history.jsonl")

    # Nobody can take away there what says who trains: that it has ended shows by its process.
    child = multiprocessing.get_context("fork").Process(target=train)
    child.start()
    child.join()
    assert child.exitcode == 0
    subprocess.run(["umount", disk], check=True)
    told = capfd.readouterr().out.replace("\n", " ")
    assert "how the run ended is not in its record" in told
    (folder,) = RunFolder.all(disk / "runs")
    assert as_it_stands(folder, folder.read_record()).status is Status.KILLED
    require_resumed_the_same(spec, folder, whole)


def test_a_run_goes_on_where_its_lines_are_not_taken(
    spec: RunSpec, whole: RunRecord, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with suppress(OSError), open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        record = fit(spec, runs=runs, console=RunConsole())
    assert digests(record) == digests(whole)
    (told, _) = capsys.readouterr().err.splitlines()
    assert told == "the run goes on without its lines here: standard output: cannot be written: no space left on device"
    assert "epoch   1" in RunFolder(runs / record.id).console_file.read_text()


def test_a_run_whose_folder_is_taken_away_ends_in_a_sentence(spec: RunSpec, runs: Path, capsys: Any) -> None:
    class Console(RunConsole):
        def print(self, item: Any) -> None:
            super().print(item)
            if str(item).startswith("epoch   0"):
                shutil.rmtree(RunFolder.all(runs)[0].path)

    with pytest.raises(StorageError, match="no such file or directory"):
        fit(spec, runs=runs, console=Console())
    assert list(runs.iterdir()) == [], "nothing of it is made again"
    assert "continues it" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["dangling", "file"])
def test_a_folder_of_runs_that_is_none_is_refused(spec: RunSpec, runs: Path, kind: str) -> None:
    if kind == "file":
        runs.write_text("")
    else:
        runs.symlink_to("nowhere")
    with pytest.raises(RecordError) as caught:
        fit(spec, runs=runs, console=RunConsole(quiet=True))
    assert caught.value.exit_code == 2
    assert ("nowhere" if kind == "dangling" else "not a folder") in caught.value.what
    assert not (runs.parent / "nowhere").exists()


def test_a_failure_before_the_first_record_leaves_no_folder(
    spec: RunSpec, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: RunFolder, record: RunRecord) -> None:
        raise RecordError(f"no record for {folder.id}")

    monkeypatch.setattr(RunFolder, "write_record", refuse)
    with pytest.raises(KagError, match="no record for"):
        fit(spec, runs=runs, console=RunConsole(quiet=True))
    assert list(runs.iterdir()) == []
