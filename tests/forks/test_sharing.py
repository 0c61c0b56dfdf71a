"""Forks: an epoch that several runs have in common is trained once, and nobody can tell from the results."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kag
from kag import names
from kag.forks.sharing import ShareOptions, Sharing
from kag.forks.states import SharedStates
from kag.spec import RunSpec, build_spec
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train.job import Job
from kag.weights.digest import weights_digest
from kag.weights.epochs import EpochWeights
from tests.train.conftest import TINY, MakeSpec, Train


@pytest.fixture
def trained_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every epoch that is really trained, in order."""
    trained: list[int] = []
    start = Job.on_train_epoch_start

    def counting(self: Job) -> None:
        trained.append(self.current_epoch)
        start(self)

    monkeypatch.setattr(Job, "on_train_epoch_start", counting)
    return trained


def same(folder: Path, one: RunRecord, other_folder: Path, other: RunRecord) -> None:
    assert one.results == other.results
    assert one.checkpoints == other.checkpoints
    assert (one.best_epoch, one.epochs_trained, one.status) == (other.best_epoch, other.epochs_trained, other.status)
    rows = [
        [
            {k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND}
            for row in RunFolder(path / record.id).history()
        ]
        for path, record in ((folder, one), (other_folder, other))
    ]
    assert rows[0] == rows[1]


def windows(make_spec: MakeSpec) -> list[RunSpec]:
    return [
        make_spec(epochs=6, **{"swa.start": start, "swa.window": window, "swa.anneal_epochs": 1})
        for start in (2, 3)
        for window in (1, 2)
    ]


def test_a_sweep_of_windows_trains_each_epoch_once(
    make_spec: MakeSpec, train: Train, tmp_path: Path, trained_epochs: list[int]
) -> None:
    alone = [train(spec, runs=tmp_path / "alone") for spec in windows(make_spec)]
    separate = len(trained_epochs)
    trained_epochs.clear()
    share = ShareOptions(tmp_path / "share", part_at=(2, 3))
    forked = [train(spec, runs=tmp_path / "forked", share=share) for spec in windows(make_spec)]
    for one, other in zip(alone, forked, strict=True):
        same(tmp_path / "alone", one, tmp_path / "forked", other)
    assert separate == 3 + 4 + 4 + 5
    assert trained_epochs == [0, 1, 2, 3, 2, 3, 4], "to 3, one more, from 2 to 4 without and with averaging, one more"


def test_what_is_kept_of_common_epochs_is_stored_once_and_gives_every_window(
    make_spec: MakeSpec, train: Train, tmp_path: Path
) -> None:
    first, second = (
        make_spec(**{"swa.start": 1, "swa.window": window, "swa.anneal_epochs": 1, "swa.keep_sums": True})
        for window in (1, 2)
    )
    alone = RunFolder(tmp_path / "alone" / train(second, runs=tmp_path / "alone").id)
    share = ShareOptions(tmp_path / "share", part_at=(1,))
    maker = RunFolder(tmp_path / "runs" / train(first, share=share).id)
    taker = RunFolder(tmp_path / "runs" / train(second, share=share).id)
    for epoch in range(2):
        assert maker.snapshot(epoch).samefile(taker.snapshot(epoch))
    for start, length in ((0, 3), (1, 2), (2, 1)):
        one, other = (weights_digest(EpochWeights(folder).mean(start, length)) for folder in (alone, taker))
        assert one == other


def test_runs_over_residues_share_their_epochs(
    make_spec: MakeSpec, train: Train, tmp_path: Path, trained_epochs: list[int]
) -> None:
    by_residue = {"data.grouping": "residue", "data.points_per_residue": 1, "swa.anneal_epochs": 1}
    specs = [make_spec(epochs=4, **{**by_residue, "swa.start": start, "swa.window": 1}) for start in (1, 2)]
    alone = [train(spec, runs=tmp_path / "alone") for spec in specs]
    trained_epochs.clear()
    forked = [
        train(spec, runs=tmp_path / "forked", share=ShareOptions(tmp_path / "share", part_at=(1,))) for spec in specs
    ]
    for one, other in zip(alone, forked, strict=True):
        same(tmp_path / "alone", one, tmp_path / "forked", other)
    assert trained_epochs == [0, 1, 1, 2]


def test_the_record_says_how_much_was_inherited_and_from_whom(
    make_spec: MakeSpec, train: Train, tmp_path: Path
) -> None:
    share = ShareOptions(tmp_path / "share", part_at=(2,))
    first = train(make_spec(**{"swa.start": 2, "swa.window": 1}), share=share)
    second = train(make_spec(**{"swa.start": 2, "swa.window": 2}), share=share)
    assert first.sources == ()
    assert [(source.run, source.epochs) for source in second.sources] == [(first.id, 3)]
    assert second.epochs_inherited == 3
    assert second.epochs_trained == 4


def test_a_later_step_of_pos_weight_shares_what_comes_before(
    make_spec: MakeSpec, train: Train, tmp_path: Path, trained_epochs: list[int]
) -> None:
    def spec(end: float) -> RunSpec:
        return make_spec(**{"loss.pos_weight": {"start": 5.0, "end": end, "epochs": 3, "shape": "step"}})

    alone = train(spec(9.0), runs=tmp_path / "alone")
    trained_epochs.clear()
    share = ShareOptions(tmp_path / "share", part_at=(3,))
    train(spec(7.0), share=share)
    forked = train(spec(9.0), share=share)
    assert trained_epochs == [0, 1, 2, 3, 3]
    same(tmp_path / "alone", alone, tmp_path / "runs", forked)


def test_a_different_beginning_shares_nothing(
    make_spec: MakeSpec, train: Train, tmp_path: Path, trained_epochs: list[int]
) -> None:
    share = ShareOptions(tmp_path / "share", part_at=(1,))
    train(make_spec(epochs=2), share=share)
    for changes in ({"seed": 4}, {"model.dropout": 0.2}, {"optimizer.lr": 2e-3}):
        trained_epochs.clear()
        train(make_spec(epochs=2, **changes), share=share)
        assert trained_epochs == [0, 1]


@pytest.fixture
def package_copy(tmp_path: Path) -> Path:
    """The sources of kag, to be edited."""
    copy = tmp_path / "kag"
    shutil.copytree(Path(kag.__file__).parent, copy, ignore=shutil.ignore_patterns("*.pyc", "static", "__pycache__"))
    return copy


def test_other_code_shares_nothing(
    make_spec: MakeSpec,
    train: Train,
    tmp_path: Path,
    trained_epochs: list[int],
    package_copy: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = ShareOptions(tmp_path / "share", part_at=(1,))
    train(make_spec(epochs=2), share=share)
    with (package_copy / "model" / "gate.py").open("a") as file:
        file.write("# another line\n")
    monkeypatch.setattr("kag.__file__", str(package_copy / "__init__.py"))
    code_digest.cache_clear()
    trained_epochs.clear()
    train(make_spec(epochs=2), share=share)
    code_digest.cache_clear()
    assert trained_epochs == [0, 1]


def test_storage_is_bounded(make_spec: MakeSpec, train: Train, tmp_path: Path) -> None:
    share = tmp_path / "share"
    train(make_spec(), share=ShareOptions(share, part_at=(1, 2, 3)))
    one = sum(file.stat().st_size for file in next(share.glob("*/about.json")).parent.rglob("*"))
    train(make_spec(seed=9), share=ShareOptions(share, part_at=(1, 2, 3), largest=int(2.5 * one)))
    kept = sorted(share.glob("*/about.json"))
    assert len(kept) == 2
    assert {json.loads(path.read_text())["epochs"] for path in kept} == {3}, "the deepest states save most"


def test_killed_while_storing_leaves_no_state(make_spec: MakeSpec, train: Train, tmp_path: Path) -> None:
    class Kill(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Kill

    share = ShareOptions(tmp_path / "share", part_at=(2,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kag.forks.states.os.rename", die)
        with pytest.raises(Kill):
            train(make_spec(), share=share)
    assert not list((tmp_path / "share").glob("*/about.json"))
    train(make_spec(), share=share)
    assert len(list((tmp_path / "share").glob("*/about.json"))) == 1
    assert not [path for path in (tmp_path / "share").iterdir() if path.is_dir() and path.name.startswith(".")]


def _hold(folder: str, ready: Any, stay: Any) -> None:
    """Make the state that comes next, and stay in the middle of it."""
    making = sharing_of(Path(folder))
    making.continue_from(None)
    ready.set()
    stay.wait()


class Waited(Exception):
    """A run would have had to wait."""


def sharing_of(folder: Path, check: Callable[[], None] = lambda: None) -> Sharing:
    spec = build_spec(TINY, {"data.file": "none.h5"})
    return Sharing(ShareOptions(folder, part_at=(2,)), spec, RunFolder(folder / "run"), "inputs", check)


def test_who_dies_while_making_a_state_lets_go_of_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.forks.sharing.POLL", 0.0)
    looks: list[int] = []

    def twice() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise Waited

    context = multiprocessing.get_context("fork")
    ready, stay = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path), ready, stay), daemon=True)
    other.start()
    ready.wait()
    with pytest.raises(Waited):
        sharing_of(tmp_path, twice).continue_from(None)
    other.kill()
    other.join()
    looks.clear()
    mine = sharing_of(tmp_path, twice)
    assert mine.continue_from(None) is None, "its maker is dead: nobody waits"
    looks.clear()
    with pytest.raises(Waited):
        sharing_of(tmp_path, twice).continue_from(None)
    mine.close()
    looks.clear()
    assert sharing_of(tmp_path, twice).continue_from(None) is None, "given up at the end of a run"


def test_what_is_stored_never_changes(make_spec: MakeSpec, train: Train, tmp_path: Path) -> None:
    share = ShareOptions(tmp_path / "share", part_at=(2,))
    train(make_spec(), share=share)
    states = SharedStates(tmp_path / "share")
    key = next(states.folder.glob("*/about.json")).parent.name
    about = states.about(key)
    before = (states.folder / key / "state.ckpt").read_bytes()
    train(make_spec(epochs=4, name="again"), share=share)
    assert states.about(key) == about
    assert (states.folder / key / "state.ckpt").read_bytes() == before
