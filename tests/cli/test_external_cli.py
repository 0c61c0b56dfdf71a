"""`kag eval --data` and `kag predict` on other files: whose threshold, which columns, what is kept with the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from malformed_files import replace

from kag.data.read import read_sites
from kag.data.sites import Purpose
from kag.data.synth import synthesise
from kag.text import digest
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import RunRecord, Status
from tests.cli.conftest import Kag
from tests.delivered import delivered

COLUMNS = 35


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other proteins than the run had, embedded alike."""
    path = tmp_path_factory.mktemp("external") / "coach.h5"
    synthesise(path, proteins=5, points_per_protein=40, embedding=16, seed=4)
    return path


@pytest.fixture
def folder(averaged_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The run, in a working folder of its own."""
    shutil.copytree(averaged_run.path.parent, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return RunFolder(tmp_path / "runs" / averaged_run.id)


Make = Callable[[str, Callable[[h5py.File], None]], Path]


@pytest.fixture
def make(sound: Path, tmp_path: Path) -> Make:
    """A copy of the benchmark with an edit."""

    def made(name: str, edit: Callable[[h5py.File], None]) -> Path:
        path = tmp_path / name
        shutil.copy(sound, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    return made


def only_test(file: h5py.File) -> None:
    replace(file, "split", np.full(len(file["split"]), 2, np.int8))


def no_split(file: h5py.File) -> None:
    del file["split"]


def no_labels(file: h5py.File) -> None:
    del file["labels"], file["split"]


def reordered(file: h5py.File) -> None:
    order = np.random.default_rng(0).permutation(COLUMNS)
    for name, values in (("tabular", file["tabular"][:][:, order]), ("feature_names", file["feature_names"][:][order])):
        replace(file, name, values)


def values(text: str) -> dict[tuple[str, str], float]:
    return {(row["split"], row["metric"]): row["value"] for row in json.loads(text)}


def test_a_benchmark_of_test_rows_is_evaluated_at_the_run_s_own_threshold(
    kag: Kag, folder: RunFolder, make: Make
) -> None:
    path, before = make("coach420.h5", only_test), folder.read_record()
    done = kag("eval", "small", "--data", path)
    assert done.code == 0, done.error
    sites, record = read_sites(path, Purpose.EVALUATION), folder.read_record()
    assert f"on coach420.h5 (data {digest(sites.digest)})" in done.out
    assert "*" not in "".join(line for line in done.out.splitlines() if " test " in line), "nothing is delivered here"
    (evaluation,) = record.evaluations
    assert evaluation.file == "coach420.h5"
    named = {(one.split, one.data_digest, one.weights_digest, one.delivered) for one in evaluation.results}
    assert named == {("test", sites.digest, delivered(before, "val").weights_digest, False)}
    found = {one.metric: one.value for one in evaluation.results}
    assert found["threshold"] == delivered(before, "val", "threshold").value
    *own, look = record.looks
    assert (tuple(own), look.by, look.data_digest) == (before.looks, "eval", sites.digest)
    assert record.model_copy(update={"evaluations": (), "looks": before.looks}) == before, "nothing else has changed"

    again = kag("eval", "small", "--data", path)
    assert "has this evaluation already" in again.out
    after = folder.read_record()
    assert (after.evaluations, len(after.looks)) == (record.evaluations, len(before.looks) + 2), (
        "what is found again is looked at again"
    )


def test_a_file_without_splits_is_one_set(kag: Kag, folder: RunFolder, make: Make) -> None:
    path = make("holo4k.h5", no_split)
    rows = json.loads(kag("eval", "small", "--data", path, "--json").out)
    assert {(row["file"], row["split"], row["delivered"]) for row in rows} == {(str(path), "all", False)}
    assert {one.split for one in folder.read_record().evaluations[0].results} == {"all"}
    refused = kag("eval", "small", "--data", path, "--split", "val")
    assert (refused.code, "has no val split" in refused.error, "nearest: all" in refused.error) == (2, True, True)


def test_every_split_that_is_there_is_a_look(kag: Kag, folder: RunFolder, sound: Path) -> None:
    done = kag("eval", "small", "--data", sound, "--json")
    assert {split for split, _ in values(done.out)} == {"train", "val", "test"}
    everything = values(kag("eval", "small", "--data", sound, "--split", "all", "--json").out)
    assert {split for split, _ in everything} == {"all"}
    looks = [one.results[0].split for one in folder.read_record().evaluations]
    assert looks == ["train", "val", "test", "all"]


def test_columns_in_another_order_give_the_same_bits(
    kag: Kag, folder: RunFolder, make: Make, sound: Path, tmp_path: Path
) -> None:
    mixed = make("mixed.h5", reordered)
    assert not np.array_equal(read_sites(mixed).tabular_NF, read_sites(sound).tabular_NF)
    logits = []
    for path in (sound, mixed):
        assert kag("predict", "small", "--data", path, "--out", tmp_path / "p.h5").code == 0
        with h5py.File(tmp_path / "p.h5") as file:
            logits.append(file["logit"][:])
    assert np.array_equal(*logits)
    plain, other = (values(kag("eval", "small", "--data", path, "--json").out) for path in (sound, mixed))
    assert plain == other


def test_data_that_the_weights_would_misread_are_refused(kag: Kag, folder: RunFolder, make: Make) -> None:
    def foreign(file: h5py.File) -> None:
        file["feature_names"][3] = "charge"

    def scaled(file: h5py.File) -> None:
        file["residue_embeddings"][...] = 6.0 * file["residue_embeddings"][:]

    before = folder.record_file.read_bytes()
    for name, edit, says in (
        ("foreign.h5", foreign, "missing synth.column03; foreign charge"),
        ("scaled.h5", scaled, "another embedding"),
    ):
        path = make(name, edit)
        for words in (["eval", "small", "--data", path], ["predict", "small", "--data", path, "--out", "p.h5"]):
            done = kag(*words)
            assert (done.code, says in done.error) == (2, True), done.error
    assert folder.record_file.read_bytes() == before
    assert not Path("p.h5").exists()


def test_columns_without_names_are_taken_in_place_and_it_is_said(
    kag: Kag, folder: RunFolder, make: Make, sound: Path
) -> None:
    def nameless(file: h5py.File) -> None:
        del file["feature_names"]

    done = kag("eval", "small", "--data", make("nameless.h5", nameless))
    assert done.code == 0
    assert done.out.count("warning:") == 1
    assert "their order cannot be checked" in done.out


def test_a_file_without_labels_is_predicted_and_not_evaluated(
    kag: Kag, folder: RunFolder, make: Make, sound: Path, tmp_path: Path
) -> None:
    path = make("new.h5", no_labels)
    refused = kag("eval", "small", "--data", path)
    assert (refused.code, "kag predict" in refused.error) == (2, True)
    done = kag("predict", "small", "--data", path, "--out", "predictions.h5", "--json")
    assert done.code == 0, done.error
    told = json.loads(done.out)
    threshold = delivered(folder.read_record(), "val", "threshold").value
    assert kag("eval", "small", "--data", sound, "--split", "all", "--out", "evaluated.h5").code == 0
    with h5py.File("predictions.h5") as file, h5py.File("evaluated.h5") as evaluated:
        assert set(evaluated) - set(file) == {"labels"}
        for name in set(file) - {"split"}:
            assert np.array_equal(file[name][:], evaluated[name][:]), name
        assert set(file["split"][:]) == {-1}
        assert file.attrs["threshold"] == threshold == told["threshold"]
        assert file.attrs["weights_digest"] == told["weights_digest"]
        assert told["positives"] == (file["logit"][:] >= threshold).sum()
        assert told["points"] == len(file["logit"]) == 200
    assert folder.read_record().evaluations[0].file == sound.name, "a prediction is no look"
    assert len(folder.read_record().evaluations) == 1


def test_the_run_s_own_data_are_its_own_wherever_they_lie(
    kag: Kag, folder: RunFolder, synthetic_file: Path, tmp_path: Path
) -> None:
    shutil.copy(synthetic_file, tmp_path / "moved.h5")
    before = folder.record_file.read_bytes()
    done = kag("eval", "small", "--data", "moved.h5", "--split", "test", "--json")
    (auprc,) = (row for row in json.loads(done.out) if row["metric"] == "auprc")
    assert auprc == delivered(folder.read_record(), "test").model_dump(mode="json")
    assert folder.record_file.read_bytes() == before
    refused = kag("eval", "small", "--split", "all")
    assert (refused.code, "seen some of these rows" in refused.error) == (2, True)


def test_the_threshold_is_chosen_anew_where_no_record_has_it_or_nothing_is_scored(
    kag: Kag, folder: RunFolder, make: Make, tmp_path: Path
) -> None:
    path = make("coach420.h5", only_test)
    kept = values(kag("eval", "small", "--data", path, "--json").out)
    shutil.copy(folder.checkpoints / "delivered.ckpt", tmp_path / "stray.ckpt")
    assert values(kag("eval", "stray.ckpt", "--data", path, "--json").out) == kept
    spec_elsewhere(tmp_path / "stray.ckpt")
    refused = kag("eval", "stray.ckpt", "--data", path)
    assert (refused.code, "nobody knows the threshold" in refused.error) == (2, True)
    assert kag("predict", "stray.ckpt", "--data", path, "--out", "p.h5").code == 0
    with h5py.File("p.h5") as file:
        assert "threshold" not in file.attrs


def spec_elsewhere(path: Path) -> None:
    """Let a checkpoint name a data file that is not there."""
    import torch

    content = torch.load(path, weights_only=True)
    spec = json.loads(content["spec"])
    spec["data"]["file"] = "gone.h5"
    torch.save(content | {"spec": json.dumps(spec)}, path)


def test_a_run_under_way_is_left_alone_and_its_weights_are_evaluated(kag: Kag, folder: RunFolder, make: Make) -> None:
    path, before = make("coach420.h5", only_test), folder.record_file.read_bytes()
    with locked(folder):
        done = kag("eval", "small", "--data", path, "--json")
    assert done.code == 0
    assert values(done.out)
    assert "not kept with the run" in done.error
    assert folder.record_file.read_bytes() == before


def test_the_benchmark_is_shown_under_its_name(kag: Kag, folder: RunFolder, make: Make) -> None:
    kag("eval", "small", "--data", make("coach420.h5", only_test))
    kag("eval", "small:averaged", "--data", make("coach420.h5", only_test))
    shown = kag("runs", "show", "small").out
    assert "Evaluated on coach420.h5" in shown
    told = kag("doctor", "small").out
    assert "on `coach420.h5` (test), look 1 at it" in told
    assert "look 2 at it" in told
    (row,) = json.loads(kag("changelog", "--json").out)
    assert [one["file"] for one in row["record"]["evaluations"]] == ["coach420.h5", "coach420.h5"]
    assert "`coach420.h5`" in kag("changelog").out


def test_check_says_what_a_file_is_for(kag: Kag, folder: RunFolder, make: Make) -> None:
    for name, edit, says, refusal in (
        ("only_test.h5", only_test, "no train split and no val split: for evaluation only", "the train split is empty"),
        ("no_split.h5", no_split, "no splits: for evaluation only", "`split`: the dataset is missing"),
        ("no_labels.h5", no_labels, "no splits and no labels: for prediction only", "the dataset is missing"),
    ):
        path = make(name, edit)
        done = kag("data", "check", path)
        assert (done.code, says in done.out) == (0, True), done.out
        assert json.loads(kag("data", "check", path, "--json").out)["purpose"] in says
        spec = folder.spec_file
        refused = kag("train", spec, f"data.file={path}", "name=other")
        assert (refused.code, refusal in refused.error, "remedy" in refused.error) == (2, True, True), refused.error
    assert [each.id for each in RunFolder.all(Path("runs"))] == [folder.id]


def test_a_killed_run_s_best_weights_can_be_evaluated(kag: Kag, folder: RunFolder, make: Make) -> None:
    record = folder.read_record()
    killed: dict[str, Any] = {"status": Status.KILLED, "results": (), "checkpoints": {}}
    folder.write_record(record.model_copy(update=killed))
    done = kag("eval", "small:best", "--data", make("coach420.h5", only_test))
    assert done.code == 0, done.error
    (evaluation,) = folder.read_record().evaluations
    threshold = next(one.value for one in evaluation.results if one.metric == "threshold")
    raw = (one for one in record.results if (one.split, one.metric, one.weights) == ("val", "threshold", "raw"))
    assert threshold == next(raw).value


def test_records_of_before_have_no_evaluations(folder: RunFolder) -> None:
    content = json.loads(folder.record_file.read_text())
    del content["evaluations"]
    assert RunRecord.model_validate(content).evaluations == ()
