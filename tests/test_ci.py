"""The workflow, the hooks and the pages name commands that are there, and mean the same by them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import lowest
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
    assert matrix["python"] == list(lowest.PYTHONS)
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
    pins = lowest.pins(["wandb>=0.27,<0.32", "psycopg[binary]>=3.1.4", "moto[s3]>=5.1", "kag[train]", "pydantic-core"])
    assert pins == ["wandb==0.27", "psycopg==3.1.4", "moto==5.1"]


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for line in lowest.requirements(project) if not line.startswith("kag[")]
    assert [line for line in wanted if not lowest.pins([line])] == ["pydantic-core"], "pydantic says which one fits"
