"""Every example in the help of a command is run as it is printed, or says which test runs its like."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_help import EVERY, examples

from kag.cli import main as entry
from kag.data.read import read_sites
from kag.server.store import Store, inserted
from kag.server.tables import projects
from kag.spec import build_spec, spec_text
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.cli.forked import BUILT, forked
from tests.cli.workplace import LOG, load_all, make_workplace
from tests.pages import ROOT
from tests.train.conftest import TINY

EXAMPLES = sorted({part for command in EVERY.values() for line in examples(command) for part in line.split("; ")})
OCTOBER = {
    "oct16": "2025-10-16_09-04-10_oct16",
    "oct17": "2025-10-21_12-48-11_oct17",
    "oct17-swa": "2025-10-22_08-00-00_oct17-swa",
    "swa": "2025-10-23_08-00-00_swa",
}
"""Runs that the examples name -> their ids."""
README = "tests/test_readme.py::test_the_pages_are_followed_from_a_clone_to_the_last_command"
LISTED = "tests/e2e/test_sweep_list.py::test_a_project_lists_its_sweeps_and_those_made_here_are_among_them"
ELSEWHERE = {
    r"kag (page|serve --port .*|sweep run .* --agents \d( --count .*)?)": README,
    r"kag sweep run .* --on slurm .*": "tests/e2e/test_fleet.py::"
    "test_a_sweep_under_slurm_outlives_the_call_that_began_it",
    r"kag sweep run .* --on ray .*": "tests/e2e/test_fleet_ray.py::test_agents_outlive_workers_and_nodes_of_ray",
    r"kag sweep list\b.*": LISTED,
    r"kag sweep compare .*": "tests/compare/test_chosen.py::test_a_sweep_against_runs_of_two_seeds",
    r"kag sweep show .*": "tests/e2e/test_owed.py::test_the_next_command_sends_what_a_killed_trial_could_not",
    r"kag sweep stop .*": "tests/e2e/test_fleet.py::test_a_stopped_sweep_lets_its_trials_save",
    r"kag sweep next .*": "tests/e2e/test_fleet.py::test_points_are_handed_out_one_by_one",
    r"kag sweep manifest .*": "tests/fleet/test_manifest.py::test_the_job_is_one_by_the_published_schema",
    r"kag agent .*": "tests/e2e/test_wandb_kag_agent.py::"
    "test_trials_are_what_kag_train_makes_one_after_another_and_a_failing_one_hurts_no_other",
    r"kag track .*": "tests/test_own_program.py::test_the_script_has_the_log_that_is_shown",
    r"kag runs watch .*": "tests/cli/test_every_command.py::test_a_narrow_terminal",
    r"kag import wandb .*": "tests/e2e/test_import_wandb.py::test_all_comes_once_and_what_is_new_the_second_time",
    r"kag import mlflow .*": "tests/transfer/test_stored.py::test_a_store_of_mlflow",
    r"kag import tensorboard .*": "tests/transfer/test_stored.py::test_event_files",
    r"kag report --sweep .*": "tests/report/test_report_command.py::test_the_runs_of_a_sweep",
    r"kag runs tag .* --source wandb:.*": "tests/cli/test_runs_there.py::"
    "test_tags_are_given_and_taken_there_and_nothing_else_is_sent",
    r"kag .* --source wandb:.*": "tests/e2e/test_any_log.py::"
    "test_the_log_of_each_program_row_by_row_wherever_it_is_read",
    r"kag train demo.yaml --seeds 5": "tests/cli/test_seeds_cli.py::test_the_table_of_the_seeds_and_of_the_group",
    r"kag train --(again|resume) .*": README,
}
"""Examples that stay until Ctrl-C, need a server or another program, or train long -> the test that runs their like."""


def rest_of(example: str) -> str | None:
    """The test that runs the like of an example, if this one does not."""
    return next((test for pattern, test in ELSEWHERE.items() if re.fullmatch(pattern, example)), None)


HERE = [example for example in EXAMPLES if rest_of(example) is None]


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory, synthetic_file: Path) -> Path:
    """A folder in which all that the examples name is there."""
    load_all()
    place = tmp_path_factory.mktemp("october")
    make_workplace(place, synthetic_file)
    shutil.rmtree(place / "runs")
    (place / "server").rename(place / "kag-server")
    with closing(Store(f"sqlite:///{place}/kag-server/tracking.db")) as store, store.write() as connection:
        inserted(connection, projects, {"entity": "kag", "name": "playground", "created_at": 0.0})
    (place / "data").mkdir()
    for name in ("data/sites.h5", "coach420.h5", "new_proteins.h5"):
        shutil.copy(synthetic_file, place / name)
    (place / "MODEL_CHANGELOG_OCT2025.md").write_text(LOG)
    (place / "demo.yaml").write_text(spec_text(build_spec(TINY, {"data.file": "sites.h5", "epochs": 12})))
    settings = {"data.file": str(place / "sites.h5"), "epochs": 32}
    settings |= {"swa.start": 26, "swa.window": 6, "swa.keep_sums": True, "early_stopping.patience": 32}
    record = fit(build_spec(TINY, settings), runs=place / "runs", console=RunConsole(quiet=True))
    made = place / "runs" / record.id
    for name, identifier in OCTOBER.items():
        folder = RunFolder(shutil.copytree(made, place / "runs" / identifier))
        start = datetime.strptime(identifier[:19], "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
        facts = {"id": identifier, "name": name, "start": start, "tags": ("swa",)}
        folder.write_record(record.model_copy(update=facts))
    shutil.rmtree(made)
    names = read_sites(place / "sites.h5").proteins
    (place / "homologues.csv").write_text("protein,cluster\n" + "".join(f"{name},one\n" for name in names))
    return place


@pytest.fixture
def place(october: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(october, tmp_path / "w", symlinks=True)
    monkeypatch.chdir(tmp_path / "w")
    monkeypatch.setattr(entry, "app", BUILT)
    return tmp_path / "w"


@pytest.mark.parametrize("example", HERE)
def test_an_example_works_as_it_is_printed(example: str, place: Path) -> None:
    line, _, out = example.replace(" /backups", " backups").partition(" > ")
    if "rename" in line:
        copy_as(place / "runs", line.split()[3])
    if "key new laptop" in line:
        shutil.rmtree(place / "kag-server")  # the first key of a server
    if "restore" in line:
        assert forked(["serve", "backup", line.split()[3]]).code == 0
    done = forked(shlex.split(line)[1:])
    assert done.code == 0, done
    if out:
        assert done.out, f"{out} would be empty"


def copy_as(runs: Path, identifier: str) -> None:
    """Another run of this name, which its id alone tells from the first."""
    first = RunFolder(runs / OCTOBER["oct17"])
    folder = RunFolder(shutil.copytree(first.path, runs / identifier))
    folder.write_record(first.read_record().model_copy(update={"id": identifier}))


def test_the_rest_has_tests_of_its_own() -> None:
    for test in ELSEWHERE.values():
        file, _, function = test.partition("::")
        assert f"\ndef {function}(" in (ROOT / file).read_text(encoding="utf-8"), test
    unused = [pattern for pattern in ELSEWHERE if not any(re.fullmatch(pattern, one) for one in EXAMPLES)]
    assert unused == []
    assert len(HERE) > 50
