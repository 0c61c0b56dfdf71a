"""The planned experiments of the October log on small data: every command that the shell makes of each script."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.finding import Severity
from kag.spec import load_spec, preflight, spec_text
from kag.spec.load import build_spec
from kag.track.record import RunRecord, Status
from kag.view.words import find_run
from tests.delivered import delivered
from tests.train.conftest import TINY

PLANNED = Path(__file__).parents[2] / "runs" / "specs" / "planned"
SCRIPTS = ("0-short-swa", "1-snapshot", "2-blend", "3-before-averaging", "4-looped-replay")

Sequence = Callable[[str], list[str]]


def commands(script: Path, settings: dict[str, str]) -> list[list[str]]:
    """The words of every `kag` command that the shell would run."""
    recorded = "kag() { printf '%s\\0' \"$@\"; printf '\\n'; }; . \"$0\""
    done = subprocess.run(
        ["sh", "-c", recorded, str(script)], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    return [line.removesuffix("\0").split("\0") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planned") / "runs"


@pytest.fixture(scope="module")
def sequence(runs: Path, synthetic_file: Path) -> Sequence:
    """Run a script; gives what each of its commands printed."""
    spec = runs.parent / "tiny.yaml"
    spec.write_text(spec_text(build_spec(TINY, {"data.file": str(synthetic_file), "early_stopping": None})))
    settings = {
        "SPEC": str(spec),
        "DATA": str(synthetic_file),
        "RUNS": str(runs),
        "HARD": str(runs.parent / "hard.json"),
        "EPOCHS": "7",
        "START": "5",
        "WINDOW": "2",
        "RATIOS": "0:1:0.25",
    }

    def run(name: str) -> list[str]:
        printed = []
        for words in commands(PLANNED / f"{name}.sh", settings):
            done = CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "200"})
            assert done.exit_code == 0, f"kag {' '.join(words)}\n{done.output}"
            printed.append(done.output)
        return printed

    return run


@pytest.fixture(scope="module")
def short_swa(sequence: Sequence, runs: Path) -> RunRecord:
    sequence("0-short-swa")
    return record(runs, "short-swa")


def record(runs: Path, name: str) -> RunRecord:
    return find_run(runs, name).read_record()


def digest_tested(of: RunRecord) -> str:
    found = delivered(of, "test")
    assert found.weights_digest == of.checkpoints["delivered"].weights_digest
    return str(found.weights_digest)


def test_every_planned_script_is_tried_here() -> None:
    assert {path.stem for path in PLANNED.glob("*.sh")} == set(SCRIPTS)


@pytest.mark.parametrize("path", sorted(PLANNED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_full_size_specs_are_sound(path: Path) -> None:
    errors = [finding.sentence for finding in preflight(load_spec(path)) if finding.severity is Severity.ERROR]
    assert errors == []


def test_the_run_that_all_begin_with(short_swa: RunRecord, runs: Path) -> None:
    parent = record(runs, "parent")
    assert short_swa.found.averaged_epochs == (5, 6)
    assert [source.run for source in short_swa.sources] == [parent.id]
    assert set(short_swa.checkpoints) >= {"best", "averaged", "averaged_recomputed", "delivered"}


def test_a_snapshot_is_evaluated_alone(short_swa: RunRecord, sequence: Sequence) -> None:
    (printed,) = sequence("1-snapshot")
    lines = [line.split() for line in printed.splitlines() if short_swa.checkpoints["best"].weights_digest[:8] in line]
    assert [next(word for word in line if word in ("val", "test")) for line in lines] == ["val", "test"]


def test_a_snapshot_is_blended_over_ratios(short_swa: RunRecord, sequence: Sequence, runs: Path) -> None:
    sequence("2-blend")
    best, averaged = short_swa.checkpoints["best"], short_swa.checkpoints["averaged"]
    parent = record(runs, "parent").checkpoints["delivered"]
    for name, other in (("snapshot-average", averaged), ("snapshot-parent", parent)):
        blend = record(runs, name)
        assert [source.weights_digest for source in blend.sources] == [best.weights_digest, other.weights_digest]
        candidates = blend.found.candidates
        assert [candidate.ratios[1] for candidate in candidates] == [0, 0.25, 0.5, 0.75, 1]
        assert candidates[0].plain.weights_digest == best.weights_digest
        assert candidates[-1].plain.weights_digest == other.weights_digest
        assert blend.preflight == (), "a run, its average and its parent are related"
        assert digest_tested(blend)


def test_what_comes_before_averaging_changes_what_is_averaged(
    short_swa: RunRecord, sequence: Sequence, runs: Path
) -> None:
    sequence("3-before-averaging")
    found = {name: record(runs, name) for name in ("focal-start", "growing-weight", "alternate-replay")}
    for run in found.values():
        assert run.status is Status.FINISHED
        assert run.found.averaged_epochs == (5, 6)
        assert digest_tested(run)
    averages = [run.checkpoints["averaged"].weights_digest for run in (short_swa, *found.values())]
    assert len(set(averages)) == 4
    weights = [row["imbalance/pos_weight"] for row in find_run(runs, "growing-weight").history()]
    assert (weights[0], weights[5]) == (10, 30)


def test_hard_positives_come_in_a_loop_until_averaging(short_swa: RunRecord, sequence: Sequence, runs: Path) -> None:
    sequence("4-looped-replay")
    looped = record(runs, "looped")
    replay = load_spec(find_run(runs, "looped").spec_file).data.replay
    assert replay is not None
    assert [epoch for epoch in range(7) if replay.active(epoch)] == [4]
    assert looped.found.averaged_epochs == (5, 6)
    assert digest_tested(looped) != digest_tested(short_swa)
