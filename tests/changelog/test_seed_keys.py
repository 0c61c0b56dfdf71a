"""Settings of another program that a person names as its seeds: kept in the document, heard by every rule and row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kag.changelog.collect import collect
from kag.changelog.document import regions
from kag.changelog.marker import TABLE, marker
from kag.changelog.table import Row, table
from kag.changelog.version import Options, Version
from kag.changelog.write import update
from kag.cli.main import app
from kag.errors import RecordError, UserError
from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from tests.changelog.foreign_logs import ForeignSource, Rows, run, steps
from tests.changelog.run_logs import make_folder, options
from tests.compare.test_replicates import own

END = marker(TABLE, "end")


def trial(
    number: int,
    name: str,
    accuracy: float,
    config: Mapping[str, float] = {},
    **more: Any,
) -> tuple[RunRecord, Rows]:
    """A run of a program that calls its seed `trial`."""
    settings = {"lr": 0.1, "trial": number, **config}
    return run(number, name, steps(val__accuracy=[0.1, accuracy]), config=settings, **more)


def programs() -> ForeignSource:
    return ForeignSource(
        [
            trial(0, "base", 0.50),
            trial(1, "again", 0.70),
            trial(2, "low", 0.80, config={"lr": 0.01}),
            trial(3, "lower", 0.90, config={"lr": 0.01}),
        ]
    )


def shown(source: ForeignSource, *seed_keys: str) -> dict[str, Row]:
    return {row.entry.record.name: row for row in table(collect(source, None, (), seed_keys))}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for record, rows in programs().runs:
        make_folder(tmp_path / "runs", record, history=rows)
    return tmp_path / "runs"


@pytest.fixture
def plain(tmp_path: Path) -> Options:
    return options(tmp_path)


def written(runs: Path, chosen: Options, *seed_keys: str, dry: bool = False) -> Version:
    return update(FolderSource(runs), runs.parent / "LOG.md", replace(chosen, seed_keys=seed_keys), dry=dry)


def test_a_document_keeps_the_seeds_and_gives_the_same_rows_without_the_option(runs: Path, plain: Options) -> None:
    file = runs.parent / "LOG.md"
    assert " and its replicates" not in written(runs, plain).wanted
    folded = written(runs, plain, "trial")
    assert folded.wanted.count(" and its replicates, seeds ") == 2
    assert file.read_text().splitlines().count(marker(TABLE, "begin", seeds=["trial"])) == 1
    assert not written(runs, plain, dry=True).stale
    assert not written(runs, plain, "trial", dry=True).stale
    assert written(runs, replace(plain, metrics=("val/accuracy:max",))).stale
    begin = regions(file.read_text(), where="x")[TABLE].begin
    assert (begin.metrics, begin.seeds) == (("val/accuracy:max",), ("trial",))
    assert written(runs, plain, "lr", dry=True).stale, "by another seed the rows are others"


def test_a_seed_that_no_run_has(runs: Path, plain: Options) -> None:
    file = runs.parent / "LOG.md"
    with pytest.raises(UserError, match="no run has a setting 'trail'") as refused:
        written(runs, plain, "trail")
    assert (refused.value.nearest, isinstance(refused.value, RecordError), file.exists()) == ("trial", False, False)
    written(runs, plain, "trial")
    text = file.read_text().replace("seed=trial", "seed=trail")
    file.write_text(text)
    with pytest.raises(RecordError, match="no run has a setting 'trail'") as refused:
        written(runs, plain)
    assert (refused.value.where, refused.value.nearest) == (str(file), "trial")
    assert refused.value.remedy == "change the seeds in the marker of the table, or give others by --seed-key"
    assert file.read_text() == text


def test_the_command_prints_exports_and_checks_by_them(runs: Path) -> None:
    def called(*more: str) -> str:
        done = CliRunner().invoke(app, ["changelog", "--source", str(runs), *more])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    file = runs.parent / "log.json"
    assert len(json.loads(called("--json"))) == 4
    printed = called("--json", "--seed-key", "trial")
    called("--format", "json", "--write", str(file), "--seed-key", "trial")
    assert file.read_text() == printed
    assert [[one["seed"] for one in row["members"]] for row in json.loads(printed)] == [["0", "1"], ["2", "3"]]
    assert called("--seed-key", "trial").count("seeds 0, 1") == 1
    wrong = CliRunner().invoke(app, ["changelog", "--source", str(runs), "--seed-key", "trail"])
    assert isinstance(wrong.exception, UserError)
    assert (wrong.exception.nearest, wrong.exception.exit_code) == ("trial", 2)


def test_the_parent_is_no_replicate_and_a_seed_is_no_change() -> None:
    rows = shown(programs(), "trial")
    assert list(rows) == ["base", "low"]
    assert [[change.key for change in row.changes] for row in rows.values()] == [[], ["lr"]]
    assert rows["low"].against == "the run before"
    unnamed = shown(programs())["again"]
    assert ([change.key for change in unnamed.changes], unnamed.says("seed_differs")) == (["trial"], False)


def test_what_is_named_stands_in_place_of_what_is_called_a_seed() -> None:
    runs = [trial(number, f"n{number}", 0.5, config={"seed": number // 2}) for number in range(4)]
    rows = shown(ForeignSource(runs), "trial")
    assert list(rows) == ["n0", "n2"]
    assert [change.key for change in rows["n2"].changes] == ["seed"]


def test_a_run_that_is_no_replicate_though_the_seed_alone_differs_is_no_progress() -> None:
    base, trial_of_sweep = trial(0, "base", 0.5), trial(1, "tried", 0.7, sweep="s", parent="base")
    row = shown(ForeignSource([base, trial_of_sweep]), "trial")["tried"]
    (said,) = (one.sentence for one in row.findings if one.code == "seed_differs")
    assert said.endswith("_base` (trial 0 -> 1)")
    assert (row.highest_so_far, row.changes) == (False, ())
    unnamed = shown(ForeignSource([base, trial_of_sweep]))["tried"]
    assert (unnamed.highest_so_far, [one.key for one in unnamed.changes]) == (True, ["trial"])


def test_settings_of_a_sweep_leave_the_named_seed_out() -> None:
    sweep = [
        trial(number, f"t{number}", 0.5 + number / 10, config={"lr": 0.1 * (1 + number // 2)}, sweep="s")
        for number in range(4)
    ]
    (row,) = shown(ForeignSource(sweep), "trial").values()
    assert sorted(row.searched.values()) == ["lr 0.1", "lr 0.2"]


def test_kags_own_runs_have_their_own_seed() -> None:
    first, other = own(0, 1), own(1, 2, {"epochs": 9}, parent="run0")
    rows = table(collect(ForeignSource([(first, []), (other, [])]), None, (), ("epochs",)))
    assert [[change.key for change in row.changes] for row in rows] == [[], ["epochs"]]


@pytest.mark.parametrize("name", ["trial", "init/rng", "with space", "a:max", "a--b", "<é>", "x=y", "100%"])
def test_any_setting_is_kept_in_a_marker(name: str) -> None:
    text = marker(TABLE, "begin", ["loss:min"], seeds=[name, "seed"])
    begin = regions(f"{text}\n{END}\n", where="x")[TABLE].begin
    assert (begin.metrics, begin.seeds, text.count("--")) == (("loss:min",), (name, "seed"), 2)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("<!-- kag:changelog:begin sed=init/rng -->", marker(TABLE, "begin", seeds=["init/rng"])),
        (
            "<!-- kag:changelog:begin seed=rng metric=loss:minimum -->",
            marker(TABLE, "begin", ["loss:min"], seeds=["rng"]),
        ),
    ],
)
def test_a_misspelt_seed_in_a_marker_is_told_what_it_should_be(wrong: str, nearest: str) -> None:
    with pytest.raises(RecordError, match="is no marker") as refused:
        regions(f"{wrong}\n{END}\n", where="LOG.md")
    assert refused.value.nearest == nearest
