"""`kag train` in this process: what a person sees, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_spec import SMALL

from kag.spec import build_spec, load_spec, spec_text
from kag.text import three_decimals
from kag.track.record import Status
from kag.view.results import interval
from kag.view.words import find_run
from tests.delivered import delivered
from tests.epoch_lines import ends_epoch


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic_file: Path) -> None:
    monkeypatch.chdir(tmp_path)
    spec = build_spec(SMALL, {"data.file": str(synthetic_file)})
    (tmp_path / "spec.yaml").write_text(spec_text(spec))


def test_a_run_from_one_command(kag: Any) -> None:
    done = kag("train", "spec.yaml")
    assert done.code == 0, done.error
    folder = find_run(Path("runs"), "small")
    record = folder.read_record()
    assert record.status is Status.FINISHED
    lines = done.out.splitlines()
    assert [line.split()[1] for line in filter(ends_epoch, lines)] == ["0", "1"]
    assert f"results of {record.id}" in map(str.strip, lines)
    (val,) = (line.split() for line in lines if line.strip().startswith("* raw") and " val " in line)
    objective = delivered(record, "val")
    assert objective.weights_digest is not None
    assert three_decimals(objective.value) in val
    assert objective.ci_low is not None
    assert interval(objective) in " ".join(val)
    assert objective.weights_digest[:12] in val
    assert lines[-1].startswith(f"run folder runs/{record.id}; ")
    assert f"kag runs show {record.id}" in lines[-1]
    assert "GPU available" not in done.out + done.error
    shown = kag("runs", "show", record.id)
    assert shown.code == 0, shown.error


def test_the_table_fits_80_columns(
    kag: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from kag.cli.results import results_table

    kag("train", "spec.yaml", "swa.start=1", "swa.window=1", "swa.anneal_epochs=0")
    record = find_run(Path("runs"), "small").read_record()
    Console(width=80).print(results_table("results", record.results))
    printed = capsys.readouterr().out
    assert "averaged_recomputed" in printed
    assert "…" not in printed
    assert all(len(line) <= 80 for line in printed.splitlines())


@pytest.mark.parametrize(
    "overrides",
    [["seed=9", "model.dropout=0.3"], ["--seed=9", "--model.dropout=0.3"], ['{"seed": 9, "model.dropout": 0.3}']],
)
def test_overrides_in_every_form(kag: Any, overrides: list[str]) -> None:
    done = kag("train", "spec.yaml", "epochs=1", *overrides, "--runs", "elsewhere")
    assert done.code == 0, done.error
    spec = load_spec(find_run(Path("elsewhere"), "small").spec_file)
    assert (spec.seed, spec.model.dropout, spec.epochs) == (9, 0.3, 1)
    assert not Path("runs").exists()


def test_preflight_warns_before_training(kag: Any) -> None:
    done = kag("train", "spec.yaml", "epochs=1", "loss.gamma=3")
    assert done.code == 0, done.error
    warning = "warning no_effect: loss.gamma has no effect: only the focal and the asymmetric loss have it"
    assert done.out.index(warning) < done.out.index("epoch   0")
    record = find_run(Path("runs"), "small").read_record()
    assert [finding.code for finding in record.preflight] == ["no_effect"]


def test_resume_refuses_and_accepts(kag: Any) -> None:
    assert kag("train", "spec.yaml", "epochs=1").code == 0
    ended = kag("train", "--resume", "small")
    assert ended.code == 2
    assert "nothing to resume" in ended.error
    refused = kag("train", "--resume", "small", "epochs=2")
    assert refused.code == 2
    assert "epochs: 1 -> 2" in refused.error
    assert "--accept epochs" in refused.error
    accepted = kag("train", "--resume", "small", "epochs=2", "--accept", "epochs")
    assert accepted.code == 0, accepted.error
    record = find_run(Path("runs"), "small").read_record()
    assert record.epochs_trained == 2
    assert [change.key for change in record.resumes[0].changes] == ["epochs"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train"], "no spec given"),
        (["train", "spec.yaml", "--accept", "epochs"], "--accept goes with --resume"),
        (["train", "--resume", "nobody"], "nobody"),
        (["train", "nowhere.yaml"], "nowhere.yaml"),
        (["train", "spec.yaml", "--rusn", "x"], "--runs"),
    ],
)
def test_a_mistake_is_one_message(kag: Any, words: list[str], says: str) -> None:
    done = kag(*words)
    assert done.code == 2
    assert says in done.error
    assert done.error.count("error:") == 1
    assert not Path("runs").exists()


def test_a_trial_takes_what_an_old_sweep_says_and_a_person_is_told(kag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["train", "spec.yaml", "epochs=1", "--data.workers=2"]
    refused = kag(*words)
    assert refused.code == 2
    assert "data.workers does nothing any more" in refused.error
    assert not Path("runs").exists()
    monkeypatch.setenv("WANDB_SWEEP_ID", "5wee9")
    done = kag(*words)
    assert done.code == 0, done.error
    assert "data.workers does nothing any more" in done.out + done.error
    findings = find_run(Path("runs"), "small").read_record().preflight
    (told,) = [finding for finding in findings if finding.code == "retired_key"]
    assert (told.severity, told.evidence) == ("warning", {"keys": "data.workers"})
