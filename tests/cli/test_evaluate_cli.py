"""`kag eval` in this process: the same numbers as the run's record, and predictions that give them again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kag.data.read import read_sites
from kag.errors import RecordError
from kag.stats import metrics
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import Status
from kag.track.scores_of_run import scores_in, store_scores, write_scores
from tests.delivered import delivered
from tests.track.made_scores import same_scores


@pytest.fixture
def folder(averaged_run: RunFolder) -> RunFolder:
    return averaged_run


@pytest.fixture(autouse=True)
def _work(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.path.parent.parent)


def by_key(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["split"], row["metric"]): row for row in json.loads(text)}


def test_a_run_is_evaluated_as_its_record_says(kag: Any, folder: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "predictions.h5"
    done = kag("eval", "small", "--split", "val", "--split", "test", "--out", out, "--json")
    assert done.code == 0, done.error
    found, record = by_key(done.out), folder.read_record()
    assert {split for split, _ in found} == {"val", "test"}
    delivered = [result for result in record.results if result.delivered]
    assert len(found) == len(delivered)
    for result in delivered:
        assert found[result.split, result.metric] == result.model_dump(mode="json")
    sites = read_sites(Path(str(record.config["data.file"])))
    with h5py.File(out) as file:
        row_N, logit_N, label_N = (file[name][()] for name in ("row", "logit", "labels"))
        assert sorted(row_N) == sorted([*sites.index("val"), *sites.index("test")])
        assert np.array_equal(label_N, sites.label_N[row_N])
        assert file.attrs["weights_digest"] == delivered[0].weights_digest
        assert file.attrs["threshold"] == found["val", "threshold"]["value"]
        val_N = sites.split_N[row_N] == 1
    again = metrics.auprc(metrics.curve(logit_N[val_N], label_N[val_N]))
    assert again == pytest.approx(found["val", "auprc"]["value"], abs=1e-9)


def test_the_table_names_the_weights(kag: Any, folder: RunFolder) -> None:
    done = kag("eval", "small:averaged")
    assert done.code == 0, done.error
    record = folder.read_record()
    digest = record.checkpoints["averaged"].weights_digest
    (line,) = (line for line in done.out.splitlines() if digest[:8] in line)
    assert "averaged" in line.split()
    assert "val" in line.split()


def test_a_file_outside_a_run_says_no_more_than_it_knows(kag: Any, folder: RunFolder, tmp_path: Path) -> None:
    copied = tmp_path / "weights.ckpt"
    copied.write_bytes((folder.best).read_bytes())
    done = kag("eval", copied, "--json")
    assert done.code == 0, done.error
    row = by_key(done.out)["val", "auprc"]
    assert row["weights"] is None
    assert row["selected_on"] is None
    assert row["weights_digest"] == folder.read_record().checkpoints["best"].weights_digest


def test_test_alone_keeps_the_threshold_of_val(kag: Any, folder: RunFolder) -> None:
    alone = by_key(kag("eval", "small", "--split", "test", "--json").out)
    assert {split for split, _ in alone} == {"test"}
    assert alone["test", "iou"]["value"] == delivered(folder.read_record(), "test", "iou").value


@pytest.fixture
def own(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A copy of the run, to change."""
    shutil.copytree(folder.path.parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return RunFolder(tmp_path / "runs" / folder.id)


def test_a_run_of_an_older_kag_gets_its_scores(kag: Any, folder: RunFolder, own: RunFolder) -> None:
    shutil.rmtree(own.scores)
    done = kag("eval", "small", "--store")
    assert done.code == 0, done.error
    assert f"run {own.id} keeps its scores of val and test" in done.out
    for split in ("val", "test"):
        assert same_scores(scores_in(own.path, split), scores_in(folder.path, split))
    before = {path: path.stat().st_mtime_ns for path in own.scores.iterdir()}
    (own.scores / "test.npz").unlink()
    assert f"run {own.id} keeps its scores of test" in kag("eval", "small", "--store").out
    again = kag("eval", "small", "--store", "--split", "val", "--json")
    assert json.loads(again.out)
    assert f"run {own.id} has these scores already" in again.error
    assert (own.scores / "val.npz").stat().st_mtime_ns == before[own.scores / "val.npz"]


def test_scores_of_something_else_are_neither_kept_nor_replaced(kag: Any, own: RunFolder, tmp_path: Path) -> None:
    delivered = own.read_record().checkpoints["delivered"].weights_digest
    other = next(name for name, one in own.read_record().checkpoints.items() if one.weights_digest != delivered)
    val = scores_in(own.path, "val")
    assert val is not None
    kept = (own.scores / "val.npz").read_bytes()
    refused = kag("eval", f"small:{other}", "--store")
    assert (refused.code, refused.error.count("error:")) == (2, 1)
    assert f"what run {own.id} has delivered was evaluated with the weights {delivered[:12]}" in refused.error
    write_scores(own, [replace(val, data_digest="0" * 64)])
    changed = (own.scores / "val.npz").read_bytes()
    refused = kag("eval", "small", "--store")
    assert refused.code == 2
    assert "has other scores of val already" in refused.error
    assert (own.scores / "val.npz").read_bytes() == changed != kept
    (own.scores / "val.npz").write_bytes(b"PK")
    refused = kag("eval", "small", "--store")
    assert refused.code == 2
    assert "val.npz: is no npz file" in refused.error
    assert (own.scores / "val.npz").read_bytes() == b"PK"


def test_scores_are_drawn_anew_in_clusters(kag: Any, own: RunFolder) -> None:
    """As when somebody finds out later which proteins are homologues."""
    sites = read_sites(Path(str(own.read_record().config["data.file"])))
    Path("all.csv").write_text("protein,cluster\n" + "".join(f"{protein},one\n" for protein in sites.proteins))
    before = own.read_record()
    plain = scores_in(own.path, "val")
    done = kag("eval", "small", "--store", "--clusters", "all.csv")
    assert f"run {own.id} keeps its scores of val and test" in done.out
    found = scores_in(own.path, "val")
    assert plain is not None
    assert found is not None
    assert (found.examples_digest, found.weights_digest) == (plain.examples_digest, plain.weights_digest)
    assert (plain.clusters_digest, len(found.draws["auprc"].left_out_U)) == (None, 1)
    assert np.array_equal(found.value_N, plain.value_N)
    assert found.draws["auprc"].value == plain.draws["auprc"].value
    assert "the intervals of val and test in its record are of these clusters now" in done.out
    after = own.read_record()
    assert [result.value for result in after.results] == [result.value for result in before.results]
    assert before.model_copy(update={"results": after.results, "looks": after.looks}) == after
    measured = json.loads(kag("eval", "small", "--split", "val", "--clusters", "all.csv", "--json").out)
    intervals = {one["metric"]: (one["ci_low"], one["ci_high"]) for one in measured}
    delivered = [one for one in after.results if one.delivered and one.split == "val"]
    assert {one.metric: (one.ci_low, one.ci_high) for one in delivered} == intervals
    assert intervals["auprc"] not in {(one.ci_low, one.ci_high) for one in before.results if one.metric == "auprc"}
    for words in (["--clusters", "all.csv"], []):
        again = kag("eval", "small", "--store", *words).out
        assert "has these scores already" in again
        assert "intervals" not in again
        assert own.read_record().results == after.results
    own.write_record(before)
    again = kag("eval", "small", "--store", "--clusters", "all.csv").out
    assert "the intervals of val and test in its record are of these clusters now" in again
    assert own.read_record().results == after.results, "as after a call that was killed between the two"
    refused = kag("eval", "small", "--clusters", "gone.csv")
    assert (refused.code, "gone.csv: there is no such file" in refused.error) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["eval", "copy.ckpt", "--store"], "copy.ckpt: lies in no run"),
        (["eval", "small", "--store", "--data", "other.h5"], "scores of the data that it was trained on"),
        (["eval", "small", "--store", "--split", "train"], "delivered nothing that was evaluated on train"),
    ],
)
def test_only_what_a_run_has_delivered_is_kept_with_it(kag: Any, own: RunFolder, words: list[str], says: str) -> None:
    Path("copy.ckpt").write_bytes(own.best.read_bytes())
    done = kag(*words)
    assert done.code == 2
    assert says in done.error
    assert sorted(path.name for path in own.scores.iterdir()) == ["test.npz", "val.npz"]


def test_a_run_under_way_keeps_no_scores(own: RunFolder) -> None:
    val = scores_in(own.path, "val")
    assert val is not None
    with locked(own), pytest.raises(RecordError, match="being trained by another process"):
        store_scores(own, [val])
    running = own.read_record().model_copy(update={"status": Status.RUNNING})
    own.write_record(running.model_copy(update={"environment": {"hostname": "elsewhere"}}))
    with pytest.raises(RecordError, match="under way"):
        store_scores(own, [val])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["eval", "small", "--split", "tset"], "there is no split 'tset'"),
        (["eval", "nobody"], "nobody"),
        (["eval", "small:swa"], "has no checkpoint 'swa'"),
        (["eval", "small", "--data", "nowhere.h5"], "nowhere.h5"),
        (["eval", "small", "--out", "nowhere/predictions.h5"], "nowhere/predictions.h5: cannot be written"),
    ],
)
def test_a_mistake_is_one_message(kag: Any, words: list[str], says: str) -> None:
    done = kag(*words)
    assert done.code == 2
    assert says in done.error
    assert done.error.count("error:") == 1
    assert "Traceback" not in done.error
