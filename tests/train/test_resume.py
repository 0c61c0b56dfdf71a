"""A resumed run is the uninterrupted run, bit for bit, and nothing restored overrides the spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kag import names
from kag.data.mined import Mined, write_mined
from kag.data.sites import Sites
from kag.errors import RecordError, SpecError
from kag.spec import RunSpec
from kag.spec.load import read_spec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.recorder import EpochRecorder
from kag.view.words import find_run
from kag.weights.checkpoint import build_network, read_checkpoint
from kag.weights.epochs import EpochWeights
from tests.devices import on_gpus, use
from tests.train.conftest import MakeSpec, Train, Trained, placed
from tests.weights.former_sums import add_to_sums


class Kill(BaseException):
    """Stands for `kill -9`: nothing of kag handles it (tests/train/test_kill.py sends the real one)."""


def rows(folder: RunFolder) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND} for row in folder.history()]


def numbers(record: RunRecord) -> Any:
    return record.results, record.checkpoints, record.best_epoch, record.epochs_trained, record.status


def epochs_of(folder: RunFolder) -> dict[int, str]:
    return {epoch: read_checkpoint(path).weights_digest for epoch, path in folder.snapshots().items()}


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """The run of a spec that dies at the end of an epoch, before or after its state is written; each dies once."""
    folder, known = tmp_path_factory.mktemp("dead"), dict[tuple[str, int, str], RunFolder]()

    def run(spec: RunSpec, epoch: int, when: str) -> RunFolder:
        write, key = EpochRecorder._save_state, (spec.model_dump_json(), epoch, when)

        def dying(self: EpochRecorder, trainer: Any) -> None:
            if when == "after":
                write(self, trainer)
            if trainer.current_epoch == epoch:
                raise Kill
            if when == "before":
                write(self, trainer)

        if key not in known:
            runs = folder / str(len(known))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(EpochRecorder, "_save_state", dying)
                with pytest.raises(Kill):
                    fit(spec, runs=runs, console=RunConsole(quiet=True))
            known[key] = find_run(runs, spec.name)
        return known[key]

    return run


@pytest.fixture
def killed(dead: Callable[..., RunFolder], runs: Path) -> Any:
    """What is left of such a run, to go on with."""

    def run(spec: RunSpec, *, epoch: int, when: str = "before") -> RunFolder:
        return placed(dead(spec, epoch, when), runs)

    return run


@pytest.mark.parametrize(
    ("device", "epoch", "when"),
    [*(("cpu", epoch, when) for epoch in (0, 2, 3) for when in ("before", "after")), on_gpus(2, "before")],
)
def test_a_resumed_run_equals_the_uninterrupted_one(
    make_spec: MakeSpec,
    train: Train,
    trained: Trained,
    killed: Any,
    device: str,
    epoch: int,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(device, monkeypatch)
    spec = make_spec()
    whole = trained(spec)
    folder = killed(spec, epoch=epoch, when=when)
    resumed = train(spec, resume=folder)
    assert rows(folder) == rows(whole)
    assert numbers(resumed) == numbers(whole.read_record())
    assert [resume.changes for resume in resumed.resumes] == [()]


def test_an_average_over_steps_goes_on_bit_for_bit(
    make_spec: MakeSpec, train: Train, trained: Trained, killed: Any
) -> None:
    spec = make_spec(ema={"decay": 0.9})
    whole, folder = trained(spec), killed(spec, epoch=2)
    resumed = train(spec, resume=folder)
    assert rows(folder) == rows(whole)
    assert numbers(resumed) == numbers(whole.read_record())


def test_an_average_over_steps_may_begin_with_a_resume(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    folder = killed(make_spec(), epoch=2)
    record = train(make_spec(ema={"decay": 0.9}), resume=folder, accept=["ema"])
    assert (record.status, record.epochs_trained) == (Status.FINISHED, 4)


def test_a_run_folder_with_keys_that_do_nothing_any_more_is_resumed(
    make_spec: MakeSpec, train: Train, killed: Any
) -> None:
    spec = make_spec()
    folder = killed(spec, epoch=1)
    text = folder.spec_file.read_text()
    assert "\ntrainer:\n" in text
    folder.spec_file.write_text(text.replace("\ntrainer:\n", "\ntrainer:\n  strategy: ddp\n"))
    loaded, retired = read_spec(folder.spec_file)
    assert (loaded, retired) == (spec, ("trainer.strategy",))
    record = train(loaded, resume=folder, retired=retired)
    assert (record.status, [resume.changes for resume in record.resumes]) == (Status.FINISHED, [()])
    assert folder.spec_file.read_text() == text, "the folder's copy has lost them"


@pytest.fixture
def windowed(make_spec: MakeSpec, trained: Trained) -> tuple[RunSpec, RunFolder]:
    """A run with an averaging window that keeps its epochs and was never interrupted."""
    spec = make_spec(**{"swa.start": 2, "swa.window": 2, "swa.keep_sums": True})
    return spec, trained(spec)


@pytest.mark.parametrize("epoch", [1, 2])
def test_resume_around_and_inside_the_averaging_window(
    windowed: tuple[RunSpec, RunFolder], train: Train, killed: Any, epoch: int
) -> None:
    spec, whole = windowed
    folder = killed(spec, epoch=epoch)
    folder.snapshot(9).write_bytes(b"of a longer future")
    resumed = train(spec, resume=folder)
    assert rows(folder) == rows(whole)
    assert numbers(resumed) == numbers(whole.read_record())
    assert epochs_of(folder) == epochs_of(whole)
    assert list(epochs_of(folder)) == [0, 1, 2, 3]


def test_a_run_that_kept_sums_goes_on_with_snapshots_and_gives_every_window(
    windowed: tuple[RunSpec, RunFolder], train: Train, killed: Any
) -> None:
    spec, whole = windowed
    folder = killed(spec, epoch=2)
    for epoch, path in folder.snapshots().items():
        add_to_sums(folder.sums, build_network(read_checkpoint(path)), epoch=epoch)
        path.unlink()
    resumed = train(spec, resume=folder)
    assert resumed.epochs_trained == 4
    assert list(folder.snapshots()) == [2, 3]
    assert [path.name for path in sorted(folder.sums.iterdir())] == ["epoch_0000.pt", "epoch_0001.pt"]
    for start, length in [(0, 1), (0, 4), (1, 2), (1, 3), (2, 2)]:
        mixed, plain = (EpochWeights(one).mean(start, length) for one in (folder, whole))
        torch.testing.assert_close(mixed, plain, rtol=1e-6, atol=1e-7)


def test_a_stopped_run_that_died_does_not_train_on(
    make_spec: MakeSpec, train: Train, trained: Trained, killed: Any
) -> None:
    spec = make_spec(epochs=8, **{"early_stopping.patience": 2, "early_stopping.min_delta": 1.0})
    whole = trained(spec).read_record()
    folder = killed(spec, epoch=2, when="after")
    resumed = train(spec, resume=folder)
    assert numbers(resumed) == numbers(whole)
    assert resumed.status is Status.EARLY_STOPPED


@pytest.mark.parametrize(("epoch", "when"), [(1, "after"), (2, "after"), (3, "before"), (4, "after")])
def test_what_early_stopping_counts_of_the_average_survives(
    make_spec: MakeSpec, train: Train, trained: Trained, killed: Any, epoch: int, when: str
) -> None:
    stopping = {"early_stopping.patience": 2, "early_stopping.min_delta": 1.0}
    spec = make_spec(epochs=8, **{"swa.start": 2, "swa.window": 5, **stopping})
    whole = trained(spec).read_record()
    assert (whole.status, whole.epochs_trained) == (Status.EARLY_STOPPED, 5)
    resumed = train(spec, resume=killed(spec, epoch=epoch, when=when))
    assert numbers(resumed) == numbers(whole)


def test_a_changed_spec_is_refused_with_the_list(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    folder = killed(make_spec(), epoch=1)
    before = folder.record_file.read_bytes()
    changed = make_spec(**{"model.dropout": 0.3, "optimizer.lr": 2e-3})
    with pytest.raises(SpecError) as error:
        train(changed, resume=folder, accept=["model.dropout"])
    assert "optimizer.lr: 0.001 -> 0.002" in str(error.value)
    assert "model.dropout: " not in str(error.value)
    assert "--accept optimizer.lr" in str(error.value)
    assert folder.record_file.read_bytes() == before


def test_accepted_changes_are_recorded_and_hold(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    """F5: a restored patience overrode the new one; F9: OneCycle could not be made longer."""
    folder = killed(make_spec(**{"early_stopping.patience": 2, "early_stopping.min_delta": 1.0}), epoch=1)
    changed = make_spec(epochs=6, **{"early_stopping.patience": 9, "early_stopping.min_delta": 1.0})
    record = train(changed, resume=folder, accept=["epochs", "early_stopping"])
    assert record.epochs_trained == 6, "the old patience of 2 would have stopped it after epoch 2"
    assert {(change.key, change.before, change.after) for change in record.resumes[0].changes} == {
        ("epochs", 4, 6),
        ("early_stopping.patience", 2, 9),
    }


def test_a_resume_in_another_world_says_so(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    folder = killed(make_spec(), epoch=3, when="after")
    before = folder.read_record().world
    other, now = (before.threads or 0) + 1, torch.get_num_threads()
    record = train(make_spec(**{"trainer.threads": other}), resume=folder)
    assert torch.get_num_threads() == now, "as many as before"
    assert record.world == before.model_copy(update={"threads": other})
    assert [(change.key, change.before, change.after) for change in record.resumes[0].changes] == [
        ("world.threads", before.threads, other)
    ]


def test_a_resume_leaves_the_trained_bias_alone(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    """F10: the predecessor put the prior back at each resume."""
    folder = killed(make_spec(), epoch=1, when="after")
    state = torch.load(folder.last, weights_only=True)
    trained = state["network"]["classifier.logit.bias"]
    assert float(trained) != 0.0
    with pytest.MonkeyPatch.context() as patch:
        seen: list[float] = []

        def look(self: EpochRecorder, trainer: Any, module: Any) -> None:
            seen.append(float(module.network.classifier.logit.bias.detach()))

        patch.setattr(EpochRecorder, "on_train_start", look, raising=False)
        train(make_spec(), resume=folder)
    assert seen == [float(trained)]


def test_a_finished_run_is_not_resumed(make_spec: MakeSpec, train: Train, trained: Trained, runs: Path) -> None:
    folder = placed(trained(make_spec(epochs=1)), runs)
    with pytest.raises(RecordError, match="nothing to resume"):
        train(make_spec(epochs=1), resume=folder)


def test_other_data_is_refused(
    make_spec: MakeSpec, train: Train, killed: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from kag.data.synth import synthesise

    other = tmp_path_factory.mktemp("other") / "other.h5"
    synthesise(other, proteins=12, points_per_protein=60, embedding=16, seed=9)
    folder = killed(make_spec(), epoch=1)
    with pytest.raises(RecordError, match="was trained on data"):
        train(make_spec(**{"data.file": str(other)}), resume=folder)


def test_a_mined_list_that_was_made_anew_is_refused(
    make_spec: MakeSpec, train: Train, killed: Any, sites: Sites, tmp_path: Path
) -> None:
    file = tmp_path / "hard.json"
    train_N = sites.index("train").tolist()
    for rows_M in (train_N[:5], train_N[5:9]):
        write_mined(
            file, Mined(data_digest=sites.digest, split="train", indices=rows_M, run="r", weights_digest="0" * 64)
        )
        if rows_M == train_N[:5]:
            folder = killed(make_spec(**{"data.replay": {"indices": str(file)}}), epoch=1)
    with pytest.raises(RecordError, match="mined samples"):
        train(make_spec(**{"data.replay": {"indices": str(file)}}), resume=folder)


def test_a_run_is_trained_by_one_process_at_a_time(make_spec: MakeSpec, train: Train, killed: Any) -> None:
    from kag.track.hold import locked

    folder = killed(make_spec(), epoch=1)
    with locked(folder), pytest.raises(RecordError, match="another process"):
        train(make_spec(), resume=folder)
