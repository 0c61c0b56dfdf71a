"""The search behind the shipped specs: its folders are whole, its log is theirs, what its page says can be computed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from kag.spec import load_spec
from kag.spec.flat import digest
from kag.sweep.load import read_sweep
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.view.results import headline
from tests.cli.conftest import Kag, kag
from tests.pages import blocks
from tests.sites.practice import ENTROPY, PRACTICE, WIDE

__all__ = ["kag"]

ROOT = Path(__file__).parents[2]
SITES = ROOT / "runs" / "sites"
LARGEST = 20e6


@pytest.fixture(scope="module")
def records() -> list[RunRecord]:
    return list(FolderSource(SITES).records())


def of(records: list[RunRecord], name: str) -> list[RunRecord]:
    return [record for record in records if record.name == name and record.kind == "train" and record.sweep is None]


def auprc(record: RunRecord) -> float:
    found = headline(record, "val")
    assert found is not None
    return found.value


def test_they_are_small_and_hold_no_weights() -> None:
    own = [path for path in SITES.iterdir() if path.name != ".changelog"]  # what the log was made from, to make it anew
    files = [path for one in own for path in (one.rglob("*") if one.is_dir() else [one]) if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert {path.suffix for path in files} <= {".json", ".jsonl", ".yaml", ".npz", ".md"}


@pytest.mark.slow(30, "the log of the search is the one that its runs have")
def test_the_log_is_that_of_the_runs(kag: Kag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = kag("changelog", "--source", "runs/sites", "--check", "--write", "runs/sites/CHANGELOG.md")
    assert done.code == 0, done.error


@pytest.mark.parametrize("name", ["sites", "neighbours"])
def test_the_shipped_specs_are_those_of_the_runs(records: list[RunRecord], name: str) -> None:
    runs = of(records, name)
    assert sorted(record.config["seed"] for record in runs if isinstance(record.config["seed"], int)) == [1, 2, 3, 4, 5]
    for record in runs:
        spec = load_spec(ROOT / "runs" / "specs" / f"{name}.yaml", [f"seed={record.config['seed']}"])
        assert record.found is not None
        assert digest(spec) == record.found.spec_digest


def test_the_variants_are_those_of_the_runs(records: list[RunRecord]) -> None:
    """A default that becomes another one may change none of them."""
    entropy = [one._replace(overrides=(*WIDE, *one.overrides), spec="neighbours") for one in ENTROPY]
    for variant in (*PRACTICE, *entropy):
        (run,) = (record for record in of(records, variant.name) if record.config["seed"] == 1)
        spec = load_spec(ROOT / "runs" / "specs" / f"{variant.spec}.yaml", variant.overrides)
        assert run.found is not None
        assert digest(spec) == run.found.spec_digest, variant.name


def test_the_shipped_spec_learns_to_its_end(records: list[RunRecord]) -> None:
    source = FolderSource(SITES)
    for record in of(records, "sites"):
        rows = source.history(record.id)
        assert len(rows) >= 6
        assert record.best_epoch is not None
        assert record.best_epoch >= len(rows) / 2
        assert rows[0]["val/auprc"] + 0.1 < rows[-1]["val/auprc"] > 0.54


@pytest.mark.parametrize("name", ["sites", "sites_alone"])
def test_the_trials_are_points_of_their_sweep(records: list[RunRecord], name: str) -> None:
    sweep = read_sweep(ROOT / "sweeps" / f"{name}.yaml")
    kind = {"sites": {"mlp", "scalar"}, "sites_alone": {"closed"}}[name]
    trials = [one for one in records if one.sweep and one.found and one.config["model.gate.kind"] in kind]
    assert len(trials) >= 60
    fixed = {key: leaf.levels() for key, leaf in sweep.leaves().items() if key not in ("model.hidden",)}
    for trial in trials:
        for key, levels in fixed.items():
            assert levels is None or trial.config[key] in levels, key
    assert all(one.found is None or one.config["evaluate.test"] == "never" for one in trials)


def test_one_command_makes_the_mean_of_the_five(kag: Kag, records: list[RunRecord], tmp_path: Path) -> None:
    members = of(records, "sites")
    for member in members:
        shutil.copytree(SITES / member.id, tmp_path / member.id)
    done = kag("ensemble", *(member.id for member in members), "--name", "again", "--runs", str(tmp_path))
    assert done.code == 0, done.error
    (made,) = (one for one in FolderSource(tmp_path).records() if one.kind == "ensemble")
    (kept,) = (one for one in records if one.kind == "ensemble" and one.name == "sites-mean")
    assert auprc(made) == auprc(kept) > 0.58
    assert [one.weights_digest for one in made.results] == [one.weights_digest for one in kept.results]


@pytest.mark.slow(60, "what the page of the search says is what the commands on it answer")
def test_the_page_shows_what_its_commands_answer(kag: Kag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = [block.text for block in blocks(SITES / "README.md", "console")]
    asked = 0
    for text in shown:
        for command, answer in re.findall(r"^\$ kag (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            done = kag(*shlex.split(command))
            assert done.code == 0, done.error
            assert done.out.splitlines() == answer.splitlines(), command
            asked += 1
    assert asked >= 4
