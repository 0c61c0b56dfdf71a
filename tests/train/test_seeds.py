"""`kag train --seeds`: each seed is the run of a call of its own, and the same call goes on wherever it was ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kag import names
from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.errors import Diverged, Interrupted, RecordError, SpecError
from kag.spec import RunSpec, build_spec, spec_text
from kag.track.edit import set_archived
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import Failure, RunRecord, Status
from kag.train import seeds as seeds_module
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from kag.train.seeds import SeedRun, left_to_do, train_seeds, trouble_of
from tests import warm
from tests.train.conftest import TINY, MakeSpec, placed

ROOT = Path(__file__).parents[2]
SEEDS = (3, 4)
Seeds = Callable[..., list[SeedRun]]


@pytest.fixture(scope="module")
def spec(synthetic_file: Path) -> RunSpec:
    return build_spec(TINY, {"data.file": str(synthetic_file), "epochs": 2})


@pytest.fixture(scope="module")
def apart(spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of separate calls."""
    runs = tmp_path_factory.mktemp("apart")
    for seed in SEEDS:
        fit(spec.model_copy(update={"seed": seed}), runs=runs, console=RunConsole(quiet=True))
    return runs


@pytest.fixture
def first(apart: Path, runs: Path) -> RunFolder:
    """A copy of the run of the first seed, alone."""
    found = {folder.read_record().config["seed"]: folder for folder in RunFolder.all(apart)}
    return placed(found[SEEDS[0]], runs)


@pytest.fixture
def seeds(spec: RunSpec, runs: Path) -> Seeds:
    """Train the seeds to the end of the call."""

    def run(*seeds: int, of: RunSpec = spec, **options: Any) -> list[SeedRun]:
        given = {"runs": runs, "console": lambda: RunConsole(quiet=True), **options}
        return list(train_seeds(of, seeds or SEEDS, **given))

    return run


def whole(folder: RunFolder) -> dict[str, Any]:
    """What of a run must not depend on how it was called, or ended and went on."""
    record = folder.read_record()
    assert record.found is not None
    return {
        "config": record.config,
        "results": record.results,
        "checkpoints": record.checkpoints,
        "found": record.found,
        "parent": record.parent,
        "ended": (record.status, record.epochs_trained, record.best_epoch),
        "spec": folder.spec_file.read_text(),
        "history": [{k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND} for row in folder.history()],
    }


def all_of(runs: Path) -> list[dict[str, Any]]:
    """The runs of a folder, by seed."""
    return sorted(map(whole, RunFolder.all(runs)), key=lambda one: int(one["config"]["seed"]))


def test_each_is_the_run_of_a_call_of_its_own(
    seeds: Seeds, runs: Path, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []

    def reads(*args: Any, **options: Any) -> Sites:
        times.append(1)
        return open_sites(*args, **options)

    monkeypatch.setattr("kag.train.inputs.open_sites", reads)
    done = seeds()
    assert [(one.seed, one.trouble) for one in done] == [(3, None), (4, None)]
    assert times == [1], "the data are read once"
    assert all_of(runs) == all_of(apart)
    digests = {record.checkpoints["delivered"].weights_digest for _, record, _ in done if record}
    assert len(digests) == 2
    logs = [(folder.id, folder.console_file.read_text()) for folder in RunFolder.all(runs)]
    assert all(text.count("run ") == 1 and run in text for run, text in logs), "each has a log of its own"


def test_the_same_call_trains_nothing_again(
    seeds: Seeds, apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in sorted(apart.rglob("*")) if path.is_file()}
    monkeypatch.setattr(seeds_module, "fit", None)
    done = seeds(runs=apart, console=RunConsole)
    said = capsys.readouterr().out.splitlines()
    ids = {folder.read_record().config["seed"]: folder.id for folder in RunFolder.all(apart)}
    assert [(one.seed, one.record and one.record.id, one.trouble) for one in done] == [
        (3, ids[3], None),
        (4, ids[4], None),
    ]
    assert said[:2] == [f"seed {seed} is there: {ids[seed]}, finished" for seed in SEEDS]
    assert "--new" in said[2]
    assert before == {path: path.read_bytes() for path in sorted(apart.rglob("*")) if path.is_file()}


def signalled_in(seed: int, *, at_epoch: int = 1) -> Callable[[Job, Any, int], Any]:
    step = Job.training_step

    def wrapped(self: Job, batch: Any, batch_idx: int) -> Any:
        if (self.spec.seed, self.current_epoch, batch_idx) == (seed, at_epoch, 0):
            signal.raise_signal(signal.SIGTERM)
        return step(self, batch, batch_idx)

    return wrapped


def test_the_same_call_goes_on_with_the_one_that_was_interrupted(seeds: Seeds, runs: Path, apart: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "training_step", signalled_in(3))
        with pytest.raises(Interrupted):
            seeds()
    (killed,) = RunFolder.all(runs)
    assert killed.read_record().status is Status.KILLED
    done = seeds()
    assert [one.trouble for one in done] == [None, None]
    assert done[0].record is not None
    assert (done[0].record.id, len(done[0].record.resumes)) == (killed.id, 1)
    assert all_of(runs) == all_of(apart)


def test_a_seed_that_fails_is_named_and_the_others_go_on(seeds: Seeds, runs: Path) -> None:
    step, faults = Job.training_step, {3: Diverged("not finite"), 4: torch.OutOfMemoryError("CUDA out of memory")}

    def fails(self: Job, batch: Any, batch_idx: int) -> Any:
        if self.spec.seed in faults:
            raise faults[self.spec.seed]
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "training_step", fails)
        done = seeds(3, 4, 5)
    told = [one.trouble for one in done]
    assert told == ["Diverged: not finite", "OutOfMemoryError: CUDA out of memory", None]
    assert len(RunFolder.all(runs)) == 3
    before = RunFolder.all(runs)[0].record_file.read_bytes()
    again = seeds(3, 4, 5)
    assert [one.trouble for one in again] == [told[0], None, None], "the same input would diverge again"
    assert RunFolder.all(runs)[0].record_file.read_bytes() == before
    assert [one.record and len(one.record.resumes) for one in again] == [0, 1, 0]


def test_what_keeps_the_first_from_beginning_is_no_fault_of_a_seed(
    seeds: Seeds, first: RunFolder, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise SpecError("no memory")

    monkeypatch.setattr("kag.train.loop.require_memory_for_weights", refuses)
    with pytest.raises(SpecError, match="no memory"):
        seeds(3, 4)
    assert len(RunFolder.all(runs)) == 1


def test_a_run_that_another_process_trains_is_left_alone(seeds: Seeds, first: RunFolder, runs: Path) -> None:
    first.write_record(first.read_record().model_copy(update={"status": Status.RUNNING, "end": None}))
    with locked(first):
        before = first.record_file.read_bytes()
        assert seeds(3)[0].trouble == "another process trains it"
        with pytest.raises(RecordError, match="under way"):
            seeds(3, new=True)
        assert first.record_file.read_bytes() == before
    assert len(RunFolder.all(runs)) == 1


def test_new_archives_what_is_there_and_trains_anew(
    seeds: Seeds, first: RunFolder, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = first.read_record()
    (again,) = seeds(3, new=True, console=RunConsole)
    assert f"kag runs archive {first.id} --undo --runs {runs}" in capsys.readouterr().out
    assert again.record is not None
    assert again.record.id != first.id
    assert again.record.checkpoints == before.checkpoints
    assert first.read_record().archived
    assert seeds(3) == [again], "the archived one counts no more"
    set_archived(RunFolder(runs / again.record.id), archived=True)
    set_archived(first, archived=False)
    assert seeds(3)[0].record == before


def test_no_replicate_is_the_parent_of_another(seeds: Seeds, runs: Path, spec: RunSpec, make_spec: MakeSpec) -> None:
    other = fit(make_spec(epochs=1), runs=runs, console=RunConsole(quiet=True))
    done = seeds(of=spec)
    assert [one.record and one.record.parent for one in done] == [other.id, other.id]
    child = fit(make_spec(epochs=1, name="child"), runs=runs, console=RunConsole(quiet=True))
    assert child.parent is not None
    assert child.parent in {one.record and one.record.id for one in done}, "but of a run that differs in more"


def test_a_run_of_other_settings_or_code_is_none_of_them(
    seeds: Seeds, apart: Path, monkeypatch: pytest.MonkeyPatch, make_spec: MakeSpec
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(seeds_module, "_fit", lambda ground, seed, folder, console: asked.append(seed))
    other = make_spec(epochs=2, **{"optimizer.lr": 2e-3})
    assert [one.trouble for one in seeds(runs=apart, of=other)] == ["it has not begun"] * 2
    assert asked == [3, 4]
    monkeypatch.setattr("kag.train.opening.code_digest", lambda *_: "0" * 64)
    seeds(runs=apart)
    assert asked == [3, 4, 3, 4]


def test_the_name_of_a_run_does_not_matter(seeds: Seeds, apart: Path, make_spec: MakeSpec) -> None:
    named = make_spec(epochs=2, name="called-otherwise", change="in words", **{"track.tags": ["a"]})
    assert [one.record and one.record.name for one in seeds(runs=apart, of=named)] == ["tiny", "tiny"]


def test_several_processes_are_refused_in_a_sentence(seeds: Seeds, runs: Path, make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match="--seeds trains runs of one process one after another"):
        seeds(of=make_spec(**{"trainer.devices": 2}))
    assert not runs.exists()


def test_what_is_left_to_do(apart: Path) -> None:
    done = RunFolder.all(apart)[0].read_record()

    def ended(status: Status, error: str | None = None) -> RunRecord:
        failure = Failure(error=error, message="why") if error else None
        return done.model_copy(update={"status": status, "failure": failure})

    assert left_to_do(None) == "begin"
    assert [left_to_do(ended(status)) for status in (Status.FINISHED, Status.EARLY_STOPPED)] == ["nothing"] * 2
    assert left_to_do(ended(Status.RUNNING)) == "nothing"
    again = [ended(Status.KILLED, "Interrupted"), ended(Status.KILLED), ended(Status.ABORTED, "StorageError")]
    again += [ended(Status.ABORTED, "OutOfMemoryError"), ended(Status.ABORTED, "Any")]
    assert {left_to_do(record) for record in again} == {"resume"}
    alike = [ended(Status.ABORTED, error) for error in ("Diverged", "RehearsalFailed", "SpecError")]
    assert {left_to_do(record) for record in alike} == {"nothing"}
    assert trouble_of(ended(Status.ABORTED, "Diverged")) == "Diverged: why"
    assert trouble_of(done) is None


@pytest.mark.slow(30, "a run of several seeds that is killed anywhere ends as one that was not")
def test_killed_at_drawn_moments_it_ends_as_if_nothing_had_happened(spec: RunSpec, apart: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(spec_text(spec))
    driver = [sys.executable, str(Path(__file__).with_name("seeds_driver.py")), str(tmp_path / "spec.yaml"), "3,4"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = warm.run(driver, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["hits"]) >= 4
    assert {seed for _, seed in told["hits"]} == {3, 4}
    assert all_of(tmp_path / "runs") == all_of(apart)
