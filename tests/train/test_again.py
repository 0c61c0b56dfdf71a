"""`kag train --again`: the same run gives the same weights, and what is not the same about it has a name."""

from __future__ import annotations

import multiprocessing
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kag.data.mined import Mined, write_mined
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.errors import DataError, RecordError, SpecError
from kag.spec.load import load_spec
from kag.track.folder import RunFolder
from kag.track.record import Again, Change, RunRecord
from tests.train.conftest import MakeSpec, Train, Trained, placed

Repeat = Callable[..., RunRecord]


@pytest.fixture
def first(trained: Trained, make_spec: MakeSpec, runs: Path) -> RunFolder:
    return placed(trained(make_spec(epochs=2)), runs)


@pytest.fixture
def repeat(train: Train) -> Repeat:
    """Train a run again, as its stored spec has it but for overrides."""

    def run(folder: RunFolder, *overrides: str, **options: Any) -> RunRecord:
        return train(load_spec(folder.spec_file, overrides), again=folder, **options)

    return run


def of(record: RunRecord) -> Again:
    assert record.again is not None
    return record.again


def changed(record: RunRecord) -> set[str]:
    return {change.key for change in of(record).differences}


def test_another_process_gets_the_same_weights_and_both_say_so(first: RunFolder, repeat: Repeat, runs: Path) -> None:
    child = multiprocessing.get_context("fork").Process(target=repeat, args=(first,))
    child.start()
    child.join()
    assert child.exitcode == 0
    _, second = RunFolder.all(runs)
    before, after = first.read_record(), second.read_record()
    assert after.again == Again(run=first.id, same=True)
    assert after.results == before.results
    assert after.checkpoints == before.checkpoints
    assert (after.parent, after.id != before.id) == (first.id, True)
    said = second.console_file.read_text()
    assert "the results will be the same bit for bit" in said
    assert f"again {first.id}: the same weights, bit for bit" in said
    assert first.read_record() == before, "the first one is left alone"


def test_other_threads_are_named_with_what_makes_them_the_same(first: RunFolder, repeat: Repeat, runs: Path) -> None:
    world = first.read_record().world
    assert world is not None
    threads = world.threads or 0
    record = repeat(first, f"trainer.threads={threads + 2}")
    assert of(record).differences == (Change(key="threads", before=threads, after=threads + 2),)
    said = RunFolder(runs / record.id).console_file.read_text()
    command = f"OMP_NUM_THREADS={threads} kag train --again {first.id} --runs {runs}"
    assert f"threads {threads} -> {threads + 2}: {command}" in said


def test_other_data_in_the_place_of_the_runs_is_refused_unless_accepted(
    train: Train, make_spec: MakeSpec, repeat: Repeat, runs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "sites.h5"
    synthesise(data, proteins=8, points_per_protein=50, embedding=16)
    folder = RunFolder(runs / train(make_spec(epochs=1, **{"data.file": str(data)})).id)
    synthesise(data, proteins=8, points_per_protein=50, embedding=16, seed=5)
    with pytest.raises(RecordError, match="what it reads is not the same") as refused:
        repeat(folder)
    assert "--accept data" in str(refused.value)
    assert "data.file=FILE" in str(refused.value)
    assert [one.id for one in RunFolder.all(runs)] == [folder.id]
    assert len(list(runs.iterdir())) == 1, "a refused run leaves no folder"
    record = repeat(folder, accept=["data"])
    assert (changed(record), of(record).same, of(record).apart) == ({"data"}, False, 0)


def test_data_and_list_that_were_moved_together_with_the_run_are_found(
    train: Train, make_spec: MakeSpec, repeat: Repeat, tmp_path: Path
) -> None:
    there, here = tmp_path / "cluster", tmp_path / "laptop"
    (there / "files").mkdir(parents=True)
    data, hard = there / "files" / "sites.h5", there / "files" / "hard.json"
    synthesise(data, proteins=8, points_per_protein=50, embedding=16)
    replay_of(read_sites(data), hard)
    overrides = {"data.file": str(data), "data.replay": {"indices": str(hard), "period": 1}}
    spec = make_spec(epochs=1, **overrides)
    run = train(spec, runs=there / "runs")
    there.rename(here)
    folder = RunFolder(here / "runs" / run.id)
    stored = folder.spec_file.read_text()
    record = repeat(folder, runs=here / "runs")
    assert of(record) == Again(run=run.id, same=True)
    assert record.config["data.file"] == str(here / "files" / "sites.h5")
    assert record.config["data.replay.indices"] == str(here / "files" / "hard.json")
    assert folder.spec_file.read_text() == stored
    replay_of(read_sites(here / "files" / "sites.h5"), here / "files" / "hard.json", rows=3)
    with pytest.raises(DataError, match="no such file"):
        repeat(folder, runs=here / "runs")


def replay_of(sites: Sites, file: Path, rows: int = 5) -> None:
    indices = sites.index("train").tolist()[:rows]
    listed = Mined(data_digest=sites.digest, split="train", indices=indices, run="r", weights_digest="0" * 64)
    write_mined(file, listed)


def test_another_commit_and_uncommitted_changes_are_named_with_the_command(
    train: Train, make_spec: MakeSpec, repeat: Repeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    git(code, "init", "-q")
    (code / "model.py").write_text("alpha = 1\n")
    commit = committed(code)
    (code / "model.py").write_text("alpha = 2\n")
    monkeypatch.chdir(code)
    runs = tmp_path / "tracked"
    folder = RunFolder(runs / train(make_spec(epochs=1), runs=runs).id)
    assert folder.patch_file.is_file()
    later = committed(code)
    record = repeat(folder, runs=runs)
    assert {one.key: (one.before, one.after) for one in of(record).differences if one.key == "commit"} == {
        "commit": (commit, later)
    }
    assert changed(record) == {"commit", "uncommitted"}
    assert of(record).same is True, "the network is kag's, and has not changed"
    said = RunFolder(runs / record.id).console_file.read_text()
    restore = f"git checkout {commit} && git apply {folder.patch_file}"
    assert restore in said
    subprocess.run(restore, shell=True, check=True, cwd=code)
    assert changed(repeat(folder, runs=runs)) == set()


def git(top: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(["git", *identity, *words], cwd=top, capture_output=True, text=True, check=True).stdout


def committed(top: Path) -> str:
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "step")
    return git(top, "rev-parse", "HEAD").strip()


def test_another_setting_is_another_run_unless_it_is_accepted(first: RunFolder, repeat: Repeat, runs: Path) -> None:
    with pytest.raises(SpecError, match=r"model\.dropout: 0\.1 -> 0\.2"):
        repeat(first, "model.dropout=0.2")
    assert len(list(runs.iterdir())) == 1
    record = repeat(first, "model.dropout=0.2", "name=other", accept=["model.dropout"])
    assert (record.name, changed(record), of(record).same) == ("other", {"model.dropout"}, False)


def test_other_weights_of_the_parent_are_refused(train: Train, make_spec: MakeSpec, repeat: Repeat, runs: Path) -> None:
    parent = RunFolder(runs / train(make_spec(name="parent", epochs=2)).id)
    start = {"start_from": {"run": parent.id, "checkpoint": "last.ckpt"}}
    child = RunFolder(runs / train(make_spec(name="child", epochs=1, **start)).id)
    assert of(repeat(child)).same is True
    # The parent goes on: its last state is another one.
    train(load_spec(parent.spec_file, ["epochs=3"]), resume=parent, accept=["epochs"])
    with pytest.raises(RecordError, match="--accept start_from"):
        repeat(child)


def test_a_run_that_went_on_is_compared_at_its_end_too(
    first: RunFolder, repeat: Repeat, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kag.train.recorder import EpochRecorder

    class Kill(BaseException):
        pass

    def dying(self: EpochRecorder, trainer: Any) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(EpochRecorder, "_save_state", dying)
        with pytest.raises(Kill):
            repeat(first)
    second = RunFolder.all(runs)[-1]
    assert second.read_record().again == Again(run=first.id)
    done = train(load_spec(second.spec_file), resume=second)
    assert done.again == Again(run=first.id, same=True)
