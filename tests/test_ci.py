"""The workflow, the hooks and the pages name commands that are there, and mean the same by them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import installed, lowest
from tests.pages import README, ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
TARGETS = frozenset(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
BIN = ".venv/bin/"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.installed", target],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.splitlines()


def test_the_workflow_is_one() -> None:
    command = [
        Path(sys.executable).parent / "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        WORKFLOW,
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_the_workflow_may_only_read_and_names_its_actions_by_commit(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert [job for job in workflow["jobs"].values() if "permissions" in job] == []
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one)] == []
    assert [
        step
        for step in steps(workflow)
        if "checkout" in step.get("uses", "") and step["with"] != {"persist-credentials": False}
    ] == []


def test_the_workflow_runs_targets_of_the_makefile_on_every_python(workflow: dict[Any, Any]) -> None:
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == list(installed.PYTHONS)
    run = {*matrix["target"], *(each["target"] for each in matrix["include"])}
    assert run == {"unit", "lint", "lowest", "newest"}
    made = {word for step in steps(workflow) for word in re.findall(r"^make ([a-z]+)", step.get("run", ""))}
    assert run | made <= TARGETS
    assert made == {"audit"}


def test_the_hooks_run_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == recipe("lint")
    assert all(hook["pass_filenames"] is False for hook in hooks)


def test_what_lint_runs_is_locked() -> None:
    locked = {line.partition("==")[0] for line in (ROOT / "docker" / "constraints.txt").read_text().splitlines()}
    tools = {shlex.split(line)[0].removeprefix(BIN) for line in recipe("lint")}
    assert tools - {"lint-imports"} <= locked
    assert {"import-linter", "uv"} <= locked


def test_a_newcomer_is_told_what_tests_install() -> None:
    for page in (README, ROOT / "CONTRIBUTING.md"):
        assert "apt-get" in page.read_text(encoding="utf-8"), page


def test_the_pages_name_targets_of_the_makefile() -> None:
    for page in (README, ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= TARGETS, page


def test_a_bound_is_pinned_as_it_stands() -> None:
    pins = installed.pins(
        ["wandb>=0.27,<0.32", "psycopg[binary]>=3.1.4", "moto[s3]>=5.1", "kag[train]", "pydantic-core"]
    )
    assert pins == ["wandb==0.27", "psycopg==3.1.4", "moto==5.1"]


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for line in installed.requirements(project) if not line.startswith("kag[")]
    assert [line for line in wanted if not installed.pins([line])] == ["pydantic-core"], "pydantic says which one fits"


def test_a_bound_that_cannot_be_had_is_said() -> None:
    locked = {"numpy": "2.4.0", "torch": "2.6.0+cpu", "pyyaml": "6.0.1"}
    told = installed.raised(["numpy==2.2", "torch==2.6", "PyYAML==6", "kag==1"], locked)
    assert told == ["newer than the bound, which cannot be had here: numpy 2.4.0 for 2.2, PyYAML 6.0.1 for 6"]
    assert installed.raised(["torch==2.6"], locked) == []


def test_torch_is_the_oldest_then_any_then_none_and_never_another_than_was_asked_for() -> None:
    pinned, oldest, without = installed.tries(None, newest=False)
    assert (pinned.pins, pinned.remark) == (True, "")
    assert not oldest.pins
    assert "left out" in without.remark
    assert [line.partition(";")[0] for line in without.override.splitlines()] == list(installed.OF_TORCH)
    assert [one.override for one in installed.tries("2.13.0", newest=False)] == ["torch==2.13.0"]
    assert [one.override for one in installed.tries(installed.NONE, newest=True)] == [without.override]


REPORTS = """<testsuites><testsuite tests="5" skipped="{skipped}" failures="{failures}" errors="0"/></testsuites>"""


@pytest.mark.parametrize(
    ("code", "report", "passed", "says"),
    [
        (
            0,
            REPORTS.format(skipped=1, failures=0),
            True,
            "passed: Python 3.12, torch 2.6.0; remark: 4 passed, 1",
        ),
        (1, REPORTS.format(skipped=0, failures=2), False, "FAILED: Python 3.12, torch 2.6.0; remark: 3 passed"),
        (0, REPORTS.format(skipped=5, failures=0), False, "0 passed, 5 skipped"),
        (4, None, False, "broke off with exit code 4"),
    ],
)
def test_what_broke_off_or_left_all_out_is_no_success(
    tmp_path: Path, code: int, report: str | None, passed: bool, says: str
) -> None:
    told = tmp_path / "tests.xml"
    if report is not None:
        told.write_text(report)
    place = installed.Installed(tmp_path, "3.12", "2.6.0", False, ("remark",))
    done = lowest.Tested(place, code, lowest.counted(told))
    assert done.passed == passed
    assert says in str(done)


LACKING = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "lightning"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder())
"""
SOME = """
import subprocess, sys
import pytest

def test_here(): import lightning.pytorch
def test_kag(): pytest.fail("training needs PyTorch and Lightning: pip install 'kag[train]'")
def test_program(): assert subprocess.run([sys.executable, "-c", "raise SystemExit(1)"]).returncode == 0
def test_other(): import no_such_module
def test_good(): pass
"""


def test_a_test_that_lacks_torch_is_left_out_and_another_that_fails_is_not(tmp_path: Path) -> None:
    for name, text in {"conftest": LACKING, "test_module": "import torch", "test_some": SOME}.items():
        (tmp_path / f"{name}.py").write_text(text)
    words = [
        "-p",
        "tests.without_torch",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        "--junitxml",
        "told.xml",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = {**kept, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *words], cwd=tmp_path, env=env, capture_output=True)
    assert done.returncode == 1
    assert lowest.counted(tmp_path / "told.xml") == {"tests": 6, "skipped": 3, "failures": 2, "errors": 0}
