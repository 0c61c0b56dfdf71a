"""`kag train --seeds` and `kag runs list --group` on the command line: what is meant, what is refused, what is told."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from small_spec import SMALL

from kag.cli.seeds import seeds_meant
from kag.errors import Diverged, UserError
from kag.spec import RunSpec, build_spec, load_spec, spec_text
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from kag.view.results import headline
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import make_folder
from tests.cli.conftest import Kag


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic_file: Path) -> RunSpec:
    monkeypatch.chdir(tmp_path)
    spec = build_spec(SMALL, {"data.file": str(synthetic_file), "epochs": 1})
    (tmp_path / "spec.yaml").write_text(spec_text(spec))
    return spec


@pytest.mark.parametrize(
    ("word", "seeds"),
    [("1", (7,)), ("3", (7, 8, 9)), ("1,2,3", (1, 2, 3)), ("4, 1", (4, 1)), ("5,", (5,)), ("0,", (0,))],
)
def test_seeds_as_a_number_and_as_a_list(word: str, seeds: tuple[int, ...]) -> None:
    assert seeds_meant(word, 7) == seeds


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("", "no number and no list"),
        ("a", "no number and no list"),
        ("-1", "no number and no list"),
        ("1,,2", "no number and no list"),
        ("²", "no number and no list"),
        ("0", "for the seed 0 write 0,"),
        ("2025", "for the seed 2025 write 2025,"),
        ("1,2,1", "1 more than once"),
        ("4294967296,", "above 4294967295"),
    ],
)
def test_what_are_no_seeds(word: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        seeds_meant(word, 7)
    assert says in str(refused.value)


def test_the_last_seed_there_is() -> None:
    assert seeds_meant("1", 2**32 - 1) == (2**32 - 1,)
    with pytest.raises(UserError, match="above"):
        seeds_meant("2", 2**32 - 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seeds", "2", "--resume", "small"], "--resume is about one run"),
        (["--again", "small", "--seeds", "2"], "--again is about one run"),
        (["spec.yaml", "seed=1", "--seed=2", "--seeds", "2"], "name the seed more than once"),
        (["spec.yaml", '{"seed": 1}', "--seeds", "1,2"], "name the seed more than once"),
        (["spec.yaml", "--new"], "--new goes with --seeds"),
        (["spec.yaml", "--seeds", "2", "--accept", "epochs"], "--accept goes with"),
        (["spec.yaml", "--seeds", "2", "trainer.devices=2"], "one process one after another"),
        (["spec.yaml", "--seeds", "2", "data.file=nowhere.h5"], "nowhere.h5"),
        (["spec.yaml", "--seeds", "x"], "no number and no list"),
        (["--seeds", "2"], "no spec given"),
    ],
)
def test_what_makes_no_sense_together_is_one_sentence(kag: Kag, words: list[str], says: str) -> None:
    done = kag("train", *words)
    assert done.code == 2
    assert says in done.error
    assert done.error.count("error:") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["WANDB_SWEEP_ID", "WANDB_RUN_ID"])
def test_a_trial_is_one_run(kag: Kag, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "abc")
    done = kag("train", "spec.yaml", "--seeds", "2")
    assert done.code == 2
    assert f"{name} is set" in done.error
    assert not Path("runs").exists()


def by_seed(runs: Path = Path("runs")) -> dict[Any, RunFolder]:
    return {load_spec(folder.spec_file).seed: folder for folder in RunFolder.all(runs)}


def test_the_table_of_the_seeds_and_of_the_group(kag: Kag, spec: RunSpec) -> None:
    done = kag("train", "spec.yaml", "seed=5", "--seeds", "2")
    assert done.code == 0, done.error
    assert "GPU available" not in done.out + done.error
    runs = by_seed()
    assert list(runs) == [5, 6]
    values = [headline(folder.read_record(), "val") for folder in runs.values()]
    found = [value.value for value in values if value]
    *_, head, first, second, mean, sd, spread, n, last = [line.split() for line in done.out.splitlines()]
    assert head == ["seed", "run", "status", "val", "AUPRC", "test", "AUPRC"]
    assert first[:4] == ["5", runs[5].id, "finished", f"{found[0]:.3f}"]
    assert second[:4] == ["6", runs[6].id, "finished", f"{found[1]:.3f}"]
    assert mean[:2] == ["mean", f"{statistics.mean(found):.3f}"]
    assert sd[:2] == ["sd", f"{statistics.stdev(found):.3f}"]
    assert spread[:4] == ["range", f"{min(found):.3f}", "to", f"{max(found):.3f}"]
    assert n[:4] == ["n", "2", "of", "2"]
    assert last == ["n", "=", "2", "of", "2"]

    (row,) = json.loads(kag("runs", "list", "--group", "--json").out)
    assert row["runs"] == [folder.id for folder in runs.values()]
    assert (row["metric"], row["n"], row["of"], row["min"]) == ("val/auprc", 2, 2, min(found))
    columns, one, *unfolded = kag("runs", "list", "--group", "--unfold").out.splitlines()
    assert columns.split() == ["run", "seeds", "status", "n", "metric", "mean", "sd", "min", "max"]
    assert f"{runs[6].id} and 1 like it" in one
    assert one.split()[-4:] == [f"{x:.3f}" for x in (statistics.mean(found), statistics.stdev(found), *sorted(found))]
    assert [line.split()[:3] for line in unfolded] == [[runs[5].id, "5", "finished"], [runs[6].id, "6", "finished"]]

    assert kag("train", "spec.yaml", "name=other", f"parent={runs[5].id}", "optimizer.weight_decay=0.5").code == 0
    together, other = json.loads(kag("changelog", "--json").out)
    assert [one["run"] for one in together["members"]] == [folder.id for folder in runs.values()]
    assert together["metrics"][0]["spread"] == {key: row[key] for key in ("n", "of", "mean", "sd", "min", "max")}
    assert [change["key"] for change in other["changes"]] == ["optimizer.weight_decay"]
    (tested,) = (one for one in other["findings"] if one["code"] in ("told_apart", "not_distinguishable"))
    assert "over 2 and 1 seeds, so of these weights alone" in tested["sentence"]
    assert other["val_auprc"] - row["mean"] == pytest.approx(tested["evidence"]["val_change"], abs=1e-6)


def test_a_seed_that_fails_is_in_the_last_lines_and_in_the_exit_code(kag: Kag, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Job.training_step

    def diverges(self: Job, batch: Any, batch_idx: int) -> Any:
        if self.spec.seed == 43:
            raise Diverged("the logits are not finite")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Job, "training_step", diverges)
    done = kag("train", "spec.yaml", "--seeds", "42,43,44", "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert [(one["seed"], one["trouble"]) for one in told["seeds"]] == [
        (42, None),
        (43, "Diverged: the logits are not finite"),
        (44, None),
    ]
    assert [one["run"] for one in told["seeds"]] == [one["record"]["id"] for one in told["seeds"]]
    found = [headline(by_seed()[seed].read_record(), "val") for seed in (42, 44)]
    values = [one.value for one in found if one]
    assert told["spread"]["val/auprc"] == {
        "n": 2,
        "of": 3,
        "mean": pytest.approx(statistics.mean(values)),
        "sd": pytest.approx(statistics.stdev(values)),
        "min": min(values),
        "max": max(values),
    }
    *_, counted, error = done.error.splitlines()
    assert counted == "n = 2 of 3"
    assert error == "error: seed 43: Diverged: the logits are not finite; n = 2 of 3"
    again = kag("train", "spec.yaml", "--seeds", "42,43,44")
    assert again.code == 1
    assert [line.split()[3] for line in again.out.splitlines() if line.startswith("seed 4")] == [
        "there:",
        "left",
        "there:",
    ]


def test_a_signal_leaves_a_call_that_goes_on(kag: Kag, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    step = Job.training_step

    def signalled(self: Job, batch: Any, batch_idx: int) -> Any:
        if self.spec.seed == 2:
            signal.raise_signal(signal.SIGTERM)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "training_step", signalled)
        done = kag("train", "spec.yaml", "--seeds", "1,2,3", "epochs=2")
    assert done.code == 128 + signal.SIGTERM
    assert done.out.splitlines()[-1] == "the same call goes on with seeds 2, 3"
    done = kag("train", "spec.yaml", "--seeds", "1,2,3", "epochs=2")
    assert done.code == 0, done.error
    assert done.out.splitlines()[-1] == "n = 3 of 3"
    assert [len(folder.read_record().resumes) for folder in by_seed().values()] == [0, 1, 0]


def test_groups_of_another_program(kag: Kag, tmp_path: Path) -> None:
    runs = tmp_path / "other"
    for number, (lr, seed, score) in enumerate([(0.1, 1, 0.5), (0.1, 2, 0.7), (0.2, 1, 0.9)]):
        rows = [{"_step": 0.0, "val/accuracy": score}]
        config = {"lr": lr, "trial": seed}
        make_folder(runs, foreign(number, f"n{number}", rows, config=config), history=rows)
    assert len(json.loads(kag("runs", "list", "--runs", runs, "--group", "--json").out)) == 3
    done = kag("runs", "list", "--runs", runs, "--group", "--seed-key", "trial", "--json")
    told = json.loads(done.out)
    assert [(one["metric"], one["n"], one["mean"]) for one in told] == [
        ("val/accuracy", 2, pytest.approx(0.6)),
        ("val/accuracy", 1, 0.9),
    ]
    assert told[0]["untold"] == ["code", "data", "uncommitted changes"]
    assert "no run of another program here tells its code and data" in done.error
    best_first = kag("runs", "list", "--runs", runs, "--group", "--seed-key", "trial", "--sort", "val/accuracy")
    assert [line.split()[0][-2:] for line in best_first.out.splitlines()[1:]] == ["n2", "n1"]
    newest = kag("runs", "list", "--runs", runs, "--group", "--seed-key", "trial", "--limit", "1")
    assert [line.split()[0][-2:] for line in newest.out.splitlines()[1:]] == ["n2"]
    named = kag("runs", "list", "--runs", runs, "--group", "--seed-key", "trail")
    assert (named.code, "nearest: trial" in named.error) == (2, True)
    alone = kag("runs", "list", "--runs", runs, "--unfold")
    assert (alone.code, "go with --group" in alone.error) == (2, True)


def test_a_call_of_one_run_leaves_the_seed_there(kag: Kag, spec: RunSpec) -> None:
    one = fit(spec.model_copy(update={"seed": 8}), runs=Path("runs"), console=RunConsole(quiet=True))
    done = kag("train", "spec.yaml", "--seeds", "8,")
    assert done.code == 0, done.error
    assert f"seed 8 is there: {one.id}, finished" in done.out
    assert len(RunFolder.all(Path("runs"))) == 1
