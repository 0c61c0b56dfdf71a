"""`kag windows`, `kag blend` and `kag mine`, and the lineage of what they make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from kag.changelog.collect import collect
from kag.changelog.diagnose import diagnose
from kag.cli.main import app
from kag.compare.selection import worth_told
from kag.spec import build_spec
from kag.text import three_decimals
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Source, Status
from kag.track.result import Result, Selection
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.view.words import find_run
from kag.weights import bench as bench_module
from kag.weights import evaluate as evaluate_module
from kag.weights.checkpoint import read_checkpoint
from kag.weights.epochs import EpochWeights
from kag.weights.given import bench_for, given_weights
from kag.weights.kinship import origins
from tests.cli.conftest import Kag
from tests.delivered import delivered
from tests.train.conftest import TINY

Train = Callable[..., RunRecord]


def kag_json(*words: str | Path) -> Any:
    """Run a command that must succeed, with --json, and read what it prints."""
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "runs"


@pytest.fixture(scope="module")
def train(runs: Path, synthetic_file: Path) -> Train:
    """Train a tiny run: `train("one", epochs=2, **{"seed": 5})`."""

    def run(name: str, **overrides: Any) -> RunRecord:
        spec = build_spec(TINY, {"data.file": str(synthetic_file), "name": name, "epochs": 2, **overrides})
        return fit(spec, runs=runs, console=RunConsole(quiet=True))

    return run


@pytest.fixture(scope="module")
def hard(runs: Path) -> Path:
    return runs.parent / "hard.json"


@pytest.fixture(scope="module")
def base(train: Train) -> RunRecord:
    return train("base", epochs=3)


@pytest.fixture(scope="module")
def tuned(train: Train, base: RunRecord) -> RunRecord:
    """A fine-tune of `base`."""
    return train("tuned", seed=11, **{"start_from.run": base.id, "optimizer.schedule.max_lr": 8e-3})


@pytest.fixture(scope="module")
def replayed(train: Train, base: RunRecord, runs: Path, hard: Path) -> RunRecord:
    """Another fine-tune of `base`: what it missed is replayed, and its last epochs are averaged."""
    done = CliRunner().invoke(app, ["mine", base.id, "--out", str(hard), "--runs", str(runs)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    replay = {"data.replay.indices": str(hard), "data.replay.repeat": 3, "data.replay.until": 2}
    swa = {"swa.start": 2, "swa.window": 2, "swa.keep_sums": True, "swa.lr": 1e-3}
    return train("replayed", epochs=4, seed=12, **{"start_from.run": base.id}, **replay, **swa)


@pytest.fixture(scope="module")
def halves(tuned: RunRecord, replayed: RunRecord, runs: Path) -> RunRecord:
    """Half `tuned`, half `replayed`."""
    printed = kag_json("blend", tuned.id, replayed.id, "--weights", "0.5,0.5", "--name", "halves", "--runs", runs)
    return find_run(runs, printed["run"]).read_record()


def ids(runs: Path) -> list[str]:
    return [folder.id for folder in RunFolder.all(runs)]


def test_every_row_of_a_chain_is_tested_on_its_own_weights(
    base: RunRecord, tuned: RunRecord, replayed: RunRecord, halves: RunRecord, runs: Path
) -> None:
    rows = [base, tuned, replayed, halves]
    digests = [delivered(row, "test").weights_digest for row in rows]
    assert len(set(digests)) == len(rows), "no two rows are tested on the same weights"
    for row, digest in zip(rows, digests, strict=True):
        kept = find_run(runs, row.id).path / row.checkpoints["delivered"].path
        assert digest == delivered(row, "val").weights_digest == read_checkpoint(kept).weights_digest
        evaluated = [
            Result.model_validate(each) for each in kag_json("eval", row.id, "--split", "test", "--runs", runs)
        ]
        (auprc,) = [each for each in evaluated if each.metric == "auprc"]
        assert (auprc.weights_digest, auprc.value) == (digest, delivered(row, "test").value)
    siblings = collect(FolderSource(runs))
    found = [finding.code for row in rows for finding in diagnose(siblings.by_id[row.id], siblings)]
    assert not {"test_of_other_weights", "test_equals_other_run", "unknown_parent"} & set(found)


def test_the_chain_names_where_its_weights_came_from(
    base: RunRecord, tuned: RunRecord, replayed: RunRecord, halves: RunRecord, hard: Path
) -> None:
    assert json.loads(hard.read_text())["weights_digest"] == base.checkpoints["delivered"].weights_digest
    assert [source.weights_digest for source in replayed.sources] == [base.checkpoints["best"].weights_digest]
    assert halves.kind == "blend"
    assert halves.status is Status.FINISHED
    assert [(source.run, source.weights_digest, source.ratio) for source in halves.sources] == [
        (parent.id, parent.checkpoints["delivered"].weights_digest, 0.5) for parent in (tuned, replayed)
    ]
    assert halves.parent == tuned.id
    assert delivered(halves, "test").weights == "blend"
    assert origins(Source(run=halves.id), {row.id: row for row in (base, tuned, replayed, halves)}) >= {
        base.id,
        tuned.id,
        replayed.id,
        halves.id,
    }


def test_a_run_can_start_from_a_blend(train: Train, halves: RunRecord) -> None:
    child = train("child", epochs=1, **{"start_from.run": halves.id})
    assert child.sources[0].weights_digest == halves.checkpoints["delivered"].weights_digest
    assert delivered(child, "test").weights_digest != child.sources[0].weights_digest


def test_the_ends_of_a_blend_are_its_parents(tuned: RunRecord, replayed: RunRecord, runs: Path) -> None:
    page = kag_json("blend", tuned.id, replayed.id, "--ratios", "0:1:0.5", "--runs", runs)
    for trial, parent in ((page["trials"][0], tuned), (page["trials"][-1], replayed)):
        assert trial["plain"]["auprc"] == delivered(parent, "val").value
        assert trial["plain"]["weights_digest"] == parent.checkpoints["delivered"].weights_digest
    assert page["findings"] == []
    assert [parent["run"] for parent in page["parents"]] == [tuned.id, replayed.id]
    best = max(trial[kind]["auprc"] for trial in page["trials"] for kind in ("plain", "recomputed"))
    (val,) = [each for each in page["results"] if (each["split"], each["metric"]) == ("val", "auprc")]
    assert val["value"] == best
    assert val["selected_on"] == "val/auprc"
    chosen = page["selection"]
    assert chosen == page["record"]["found"]["selection"]
    assert (chosen["value"], chosen["candidates"]) == (best, 2 * len(page["trials"]))
    assert chosen["corrected"] is not None


def test_test_is_evaluated_once_whatever_was_tried(
    tuned: RunRecord, replayed: RunRecord, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []
    batches = evaluate_module.evaluation_batches

    def batched(sites: Any, split: Any) -> Any:
        scored.append(split)
        return batches(sites, split)

    for module in (bench_module, evaluate_module):
        monkeypatch.setattr(module, "evaluation_batches", batched)
    kag_json("blend", tuned.id, replayed.id, "--greedy", "--name", "soup", "--runs", runs)
    assert scored.count("test") == 1
    assert scored.count("val") == 7, "two parents and a soup, each plain and recomputed, and the delivered one"


def test_unrelated_runs_are_blended_with_a_warning(train: Train, tuned: RunRecord, runs: Path, kag: Kag) -> None:
    stranger = train("stranger", seed=99)
    done = kag("blend", tuned.id, stranger.id, "--weights", "0.25,0.75", "--name", "odd", "--runs", runs)
    assert done.code == 0
    assert f"warning blend_unrelated: {stranger.id} and {tuned.id} have no common origin" in done.out
    record = find_run(runs, "odd").read_record()
    assert [finding.code for finding in record.preflight] == ["blend_unrelated"]
    assert record.parent == stranger.id, "the run is compared with the parent that has the largest share"


def test_both_variants_of_every_blend_are_shown(tuned: RunRecord, replayed: RunRecord, runs: Path, kag: Kag) -> None:
    done = kag("blend", tuned.id, replayed.id, "--ratios", "0:1:0.5", "--name", "shown", "--runs", runs)
    record = find_run(runs, "shown").read_record()
    assert "; ".join(worth_told(record.found.selection)) in done.out
    assert len(record.found.candidates) == 3
    for candidate in record.found.candidates:
        line = next(line for line in done.out.splitlines() if line.split()[:1] == [f"{candidate.ratios[0]:.3g}"])
        assert three_decimals(candidate.plain.auprc) in line
        assert three_decimals(candidate.recomputed.auprc) in line


def test_runs_of_different_shape_are_refused_with_the_list(
    train: Train, tuned: RunRecord, runs: Path, kag: Kag
) -> None:
    narrow = train("narrow", epochs=1, **{"model.hidden": [8, 8], "model.gate.temperature": 2.0})
    before = ids(runs)
    done = kag("blend", tuned.id, narrow.id, "--weights", "0.5,0.5", "--runs", runs)
    assert done.code == 2
    assert "model.hidden: [16, 8] in parent 1, [8, 8] in parent 2" in done.error
    assert "model.gate.temperature: 1.5 in parent 1, 2.0 in parent 2" in done.error
    assert "classifier.hidden.0.weight" not in done.error, "equal shapes are not listed"
    assert "float32[16" in done.error
    assert ids(runs) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["blend", "tuned", "--greedy"], "two parents"),
        (["blend", "tuned", "replayed"], "in one way"),
        (["blend", "tuned", "replayed", "--greedy", "--weights", "1,0"], "in one way"),
        (["blend", "tuned", "replayed", "--weights", "0.5,0.6"], "sum to 1"),
        (["blend", "tuned", "replayed", "--ratios", "0:2:1"], "needs 0 <= low"),
        (["blend", "tuned", "replayed", "--greedy", "--name", "a/b"], "needs 1 to 64 letters"),
        (["blend", "tuned:avergaed", "replayed", "--greedy"], "has no checkpoint 'avergaed'"),
        (["blend", "tuned", "no-such-run", "--greedy"], "no run 'no-such-run'"),
        (["mine", "tuned", "--out", "x.json", "--split", "vla"], "no split 'vla'"),
        (["windows", "tuned"], "train with swa.keep_sums=true"),
        (["windows", "replayed", "--deliver", "2"], "write START:LENGTH"),
        (["windows", "replayed", "--deliver", "2:9"], "not covered by the stored epochs"),
        (["windows", "replayed", "--deliver", "1:2", "--name", "-"], "needs 1 to 64 letters"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_request_is_refused_before_anything_is_written(
    tuned: RunRecord, replayed: RunRecord, runs: Path, kag: Kag, words: list[str], says: str
) -> None:
    before = ids(runs)
    done = kag(*words, "--runs", runs)
    assert done.code == 2
    assert says in done.error
    assert ids(runs) == before


def test_a_checkpoint_is_named_by_run_and_name_or_by_file(replayed: RunRecord, runs: Path, tmp_path: Path) -> None:
    folder = find_run(runs, replayed.id)
    for word, name in ((replayed.id, "delivered"), (f"{replayed.id}:averaged", "averaged"), ("replayed:best", "best")):
        given = given_weights(word, runs)
        assert given.source() == Source(
            run=replayed.id,
            checkpoint=f"{name}.ckpt",
            weights_digest=replayed.checkpoints[name].weights_digest,
        )
    assert given_weights(str(folder.best), runs).run == replayed.id
    stray = tmp_path / "checkpoints" / "found.ckpt"
    stray.parent.mkdir()
    stray.write_bytes((folder.best).read_bytes())
    assert given_weights(str(stray), runs).run == "found"


def test_mining_keeps_the_worst_and_replaces_nothing_unasked(
    base: RunRecord, runs: Path, tmp_path: Path, kag: Kag
) -> None:
    out = tmp_path / "hard.json"
    done = kag("mine", base.id, "--out", out, "--top", "2", "--runs", runs)
    assert done.code == 0
    mined = json.loads(out.read_text())
    assert len(mined["indices"]) == 2
    assert mined["run"] == base.id
    assert f"data.replay.indices={out}" in done.out
    kept = out.read_text()
    assert kag("mine", base.id, "--out", out, "--runs", runs).code == 2
    assert out.read_text() == kept
    assert kag("mine", base.id, "--out", out, "--runs", runs, "--force").code == 0
    assert json.loads(out.read_text())["indices"][:2] == mined["indices"]


def test_a_window_is_mapped_drawn_and_delivered(replayed: RunRecord, runs: Path, tmp_path: Path, kag: Kag) -> None:
    picture = tmp_path / "figures" / "windows.png"
    page = kag_json("windows", replayed.id, "--png", picture, "--deliver", "1:2", "--runs", runs)
    assert [(each["start"], each["length"]) for each in page["windows"]] == [
        (start, length) for start in range(4) for length in range(1, 5 - start)
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    refused = kag("windows", replayed.id, "--png", picture / "inside.png", "--runs", runs)
    assert (refused.code, "cannot be written" in refused.error) == (2, True)
    record = find_run(runs, page["delivered"]).read_record()
    assert record.name == "window-1-2"
    assert record.found.window == "1:2"
    assert record.found.candidates_tried == page["tried"] == page["selection"]["candidates"]
    kept = record.found.selection
    assert kept.expected == tuple(page["selection"]["expected"])
    if page["best"] == "1:2":
        assert kept.model_dump(mode="json") == page["selection"]
    else:
        assert kept.untested == f"{page['best']} is the best window of the map"
    assert [source.run for source in record.sources] == [replayed.id]
    assert delivered(record, "val").selected_on == "val/auprc"
    given = given_weights(record.id, runs)
    assert given.weights.weights_digest == delivered(record, "test").weights_digest
    average = EpochWeights(find_run(runs, replayed.id)).mean(1, 2)
    if record.found.recomputed:
        average = bench_for(given).recomputed(average)
    assert all(torch.equal(average[name], value) for name, value in given.weights.network.items())


def test_a_kept_epoch_is_named_wherever_weights_are(replayed: RunRecord, runs: Path, kag: Kag, tmp_path: Path) -> None:
    folder = find_run(runs, replayed.id)
    word, kept = "replayed:epoch_1", read_checkpoint(folder.snapshot(1))
    for row in kag_json("eval", word, "--split", "val", "--runs", runs):
        assert (row["weights_digest"], row["epoch"]) == (kept.weights_digest, 1)
        if row["metric"] == "auprc":
            assert row["value"] == pytest.approx(folder.history()[1]["val/auprc"], abs=1e-6)
    page = kag_json("blend", word, "replayed:epoch_2", "--weights", "0.5,0.5", "--name", "epochs", "--runs", runs)
    blend = find_run(runs, page["run"]).read_record()
    assert [(source.checkpoint, source.ratio) for source in blend.sources] == [
        ("epoch_1.ckpt", 0.5),
        ("epoch_2.ckpt", 0.5),
    ]
    out = tmp_path / "predictions.h5"
    assert kag("predict", word, "--data", kept.spec.data.file, "--out", out, "--runs", runs).code == 0
    for command in (["eval", "replayed:epoch_7"], ["mine", "replayed:epoch_7", "--out", tmp_path / "mined.json"]):
        done = kag(*command, "--runs", runs)
        assert done.code == 2
        assert "nearest: averaged, averaged_recomputed, best, delivered, last, raw_recomputed, epoch_0 to epoch_3" in (
            done.error
        )


def test_the_table_of_windows_marks_the_best(replayed: RunRecord, runs: Path, kag: Kag) -> None:
    done = kag("windows", replayed.id, "--verify", "0", "--runs", runs)
    assert done.code == 0
    page = kag_json("windows", replayed.id, "--verify", "0", "--runs", runs)
    (marked,) = [line for line in done.out.splitlines() if line.rstrip().endswith("*")]
    assert marked.split()[0] == page["best"]
    exact = [each for each in page["windows"] if each["plain"]]
    assert len(exact) == 6, "every window of two epochs or more"
    assert f"val chose among {page['tried']} candidates" in done.out
    assert "; ".join(worth_told(Selection.model_validate(page["selection"]))) in done.out
    best = max(exact, key=lambda each: max(each["plain"]["auprc"], each["recomputed"]["auprc"]))
    assert f"{best['start']}:{best['length']}" == page["best"]
