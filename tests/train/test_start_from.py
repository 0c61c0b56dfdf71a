"""Starting from another run: what is taken over, what is said of it, and whose weights are evaluated at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from kag.errors import CheckpointError, DataError, RecordError
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train.job import Job
from kag.weights.checkpoint import read_checkpoint
from kag.weights.digest import weights_digest
from tests.train.conftest import MakeSpec, Train, Trained, placed


@pytest.fixture
def parent(make_spec: MakeSpec, trained: Trained, runs: Path) -> RunRecord:
    return placed(trained(make_spec()), runs).read_record()


def first_state(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The network's state when the first epoch begins."""
    seen: dict[str, torch.Tensor] = {}
    start = Job.on_train_epoch_start

    def looking(self: Job) -> None:
        if not seen:
            seen.update({name: value.clone() for name, value in self.network.state_dict().items()})
        start(self)

    monkeypatch.setattr(Job, "on_train_epoch_start", looking)
    return seen


def test_the_child_begins_with_the_parent_s_weights(
    make_spec: MakeSpec, train: Train, runs: Path, parent: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = first_state(monkeypatch)
    train(make_spec(name="child", epochs=1, seed=8, **{"start_from.run": parent.id}))
    given = read_checkpoint(runs / parent.id / "checkpoints" / "best.ckpt").network
    assert weights_digest(seen) == weights_digest(given), "the trained classifier bias and the statistics among them"


def test_what_is_evaluated_at_the_end_is_the_child_s(
    make_spec: MakeSpec, train: Train, runs: Path, parent: RunRecord
) -> None:
    """F4: the predecessor tested the checkpoint that a run had started from.

    The child's learning rate is so small that its val AUPRC can hardly differ: only the weights tell the two apart.
    """
    slow = {"optimizer.lr": 1e-9, "optimizer.schedule.kind": "constant", "optimizer.weight_decay": 0.0}
    child = train(make_spec(name="child", epochs=2, **{"start_from.run": parent.id, **slow}))
    parents = {result.weights_digest for result in parent.results}
    assert not parents & {result.weights_digest for result in child.results}
    best = read_checkpoint(runs / child.id / "checkpoints" / "best.ckpt")
    assert {result.weights_digest for result in child.results} == {best.weights_digest}
    assert best.spec.name == "child"
    assert child.checkpoints["delivered"].weights_digest == best.weights_digest


def test_lineage_and_differences_are_told_and_stored(
    make_spec: MakeSpec, train: Train, runs: Path, parent: RunRecord
) -> None:
    settings = {"start_from.run": "tiny", "model.dropout": 0.3, "loss.pos_weight": 45}
    child = train(make_spec(name="child", epochs=1, **settings))
    best = parent.checkpoints["best"]
    assert [(s.run, s.checkpoint, s.weights_digest) for s in child.sources] == [
        (parent.id, "best.ckpt", best.weights_digest)
    ]
    assert child.parent == parent.id
    keys = {change.key: (change.before, change.after) for change in child.found.changes_from_source}
    assert keys["model.dropout"] == (0.1, 0.3)
    assert keys["loss.pos_weight"] == ("auto", 45.0)
    assert "seed" not in keys


def test_any_epoch_that_is_kept_can_be_begun_with(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    kept = train(make_spec(name="kept", **{"swa.start": 1, "swa.window": 1, "swa.keep_sums": True}))
    first = read_checkpoint(RunFolder(runs / kept.id).snapshot(0))
    child = train(make_spec(name="child", epochs=1, start_from={"run": "kept", "checkpoint": "epoch_0"}))
    told = [(source.run, source.checkpoint, source.weights_digest) for source in child.sources]
    assert told == [(kept.id, "epoch_0.ckpt", first.weights_digest)]
    start = {"run": "kept", "checkpoint": "epoch_0", "keep": "everything"}
    with pytest.raises(CheckpointError, match="weights alone"):
        train(make_spec(name="child", epochs=3, start_from=start))


def test_differences_are_printed_before_training(
    make_spec: MakeSpec, train: Train, parent: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    from kag.train.console import RunConsole

    spec = make_spec(name="child", epochs=1, **{"start_from.run": "tiny", "model.dropout": 0.3})
    train(spec, console=RunConsole())
    out = capsys.readouterr().out
    assert out.index(f"starts from {parent.id}") < out.index("model.dropout 0.1 -> 0.3") < out.index("epoch   0")


def test_everything_goes_on_where_the_parent_ended(
    make_spec: MakeSpec, train: Train, runs: Path, tmp_path: Path
) -> None:
    """With all state kept and nothing changed but the end, the child is the run that had been longer from the start."""
    constant = {"optimizer.schedule.kind": "constant"}
    long = train(make_spec(epochs=4, **constant), runs=tmp_path / "long")
    train(make_spec(name="short", epochs=2, **constant))
    kept = {"start_from": {"run": "short", "checkpoint": "last", "keep": "everything"}}
    child = train(make_spec(name="child", epochs=4, **constant, **kept))
    rows = RunFolder(runs / child.id).history()
    expected = RunFolder(tmp_path / "long" / long.id).history()
    assert [row["epoch"] for row in rows] == [2, 3]
    for row, other in zip(rows, expected[2:], strict=True):
        assert {k: v for k, v in row.items() if k != "samples_per_second"} == {
            k: v for k, v in other.items() if k != "samples_per_second"
        }


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        ({"run": "nobody"}, RecordError, "nobody"),
        ({"run": "tiny", "checkpoint": "epoch_9.ckpt"}, CheckpointError, "nearest: best, delivered, last"),
        ({"run": "tiny", "checkpoint": "../../elsewhere.ckpt"}, CheckpointError, "outside the run"),
        ({"run": "tiny", "keep": "everything"}, CheckpointError, "start_from.checkpoint: last"),
    ],
)
def test_what_cannot_be_started_from_is_refused(
    make_spec: MakeSpec,
    train: Train,
    runs: Path,
    parent: RunRecord,
    start: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    (runs.parent / "elsewhere.ckpt").write_bytes(b"")
    with pytest.raises(error) as found:
        train(make_spec(name="child", start_from=start))
    assert words in str(found.value)
    assert [path.name for path in runs.iterdir()] == [parent.id]


def test_weights_of_another_shape_are_refused_with_the_list(
    make_spec: MakeSpec, train: Train, runs: Path, parent: RunRecord
) -> None:
    with pytest.raises(CheckpointError) as found:
        train(make_spec(name="child", **{"start_from.run": "tiny", "model.hidden": [16, 4]}))
    assert "classifier.logit.weight: float32[1, 4] in the first, float32[1, 8] in the second" in str(found.value)
    assert len(list(runs.iterdir())) == 1


def test_data_that_the_weights_would_misread_are_refused(
    make_spec: MakeSpec, train: Train, runs: Path, parent: RunRecord, synthetic_file: Path, tmp_path: Path
) -> None:
    def reordered(file: h5py.File) -> None:
        file["tabular"][:, :2] = file["tabular"][:][:, [1, 0]]
        file["feature_names"][:2] = file["feature_names"][:2][::-1]

    def renamed(file: h5py.File) -> None:
        file["tabular"][0, 0] += 1.0
        file["feature_names"][0] = "charge"

    def scaled(file: h5py.File) -> None:
        file["residue_embeddings"][...] = 6.0 * file["residue_embeddings"][:]

    for edit, words in (
        (reordered, "another order"),
        (renamed, "missing synth.column00; foreign charge"),
        (scaled, "another embedding"),
    ):
        path = tmp_path / f"{edit.__name__}.h5"
        shutil.copy(synthetic_file, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        with pytest.raises(DataError, match=words):
            train(make_spec(name="child", **{"start_from.run": "tiny", "data.file": str(path)}))
    assert [path.name for path in runs.iterdir()] == [parent.id]


def test_mined_samples_of_other_data_are_refused(make_spec: MakeSpec, train: Train, runs: Path, tmp_path: Path) -> None:
    from kag.data.mined import Mined, write_mined

    file = tmp_path / "hard.json"
    content: dict[str, Any] = {"data_digest": "0" * 64, "split": "train", "indices": [1], "run": "r"}
    write_mined(file, Mined(weights_digest="1" * 64, **content))
    with pytest.raises(DataError, match=r"other data|belong"):
        train(make_spec(**{"data.replay": {"indices": str(file)}}))
    assert not runs.exists()
