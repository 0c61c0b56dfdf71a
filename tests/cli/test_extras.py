"""Each extra brings what it promises: without `kag[train]`, all that records, reports and serves goes on to work."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from kag.cli.main import BEYOND
from tests import warm
from tests.e2e import tracking

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUN = "2025-10-21_12-48-11_training_aggressive"
TRAINING = ("data", "forks", "model", "train", "weights")
"""Packages of kag that only training, evaluation and data files reach."""

WHERE_THERE = {"obstore", "pandas", "pyarrow", "ray", "tensorboard"}
"""What is used where a person has installed it, with an error that says so elsewhere."""

WITHOUT = "import sys; sys.modules.update(dict.fromkeys(['torch', 'lightning', 'h5py'])); "
ENTRY = "from kag.cli.main import main; main()"

Bare = Callable[..., subprocess.CompletedProcess[str]]


def named(requirements: list[str]) -> set[str]:
    """Packages of requirements, spelt as one."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in requirements}


@pytest.fixture(scope="module")
def without() -> warm.Template:
    """A process that has loaded the commands where the packages of `kag[train]` cannot be imported."""
    return warm.template_of(f"{WITHOUT}import kag.cli.main")


@pytest.fixture
def bare(tmp_path: Path, without: warm.Template) -> Bare:
    """Run `kag` without `kag[train]`, in a copy of the repository's runs."""
    for folder in ("runs", "sweeps"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT + ENTRY, *words]
        return warm.run(command, cwd=tmp_path, env=os.environ if env is None else env, template=without)

    return run


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "train --help",
        "schema",
        "check --no-rehearsal runs/specs/demo.yaml",
        "check sweeps/swa_window.yaml",
        "runs list",
        f"runs show {RUN}",
        f"note {RUN} seen",
        f"doctor {RUN}",
        "changelog",
        f"report {RUN} --out report.html --png figures",
        "serve key new laptop",
    ],
)
def test_a_command_that_trains_nothing_works_without_the_train_extra(words: str, bare: Bare) -> None:
    done = bare(*words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train runs/specs/demo.yaml", "training needs PyTorch and Lightning: pip install 'kag[train]'"),
        (f"eval {RUN}", "data files need h5py: pip install 'kag[train]'"),
        (f"windows {RUN}", "training needs PyTorch and Lightning: pip install 'kag[train]'"),
        ("data synth demo.h5", "data files need h5py: pip install 'kag[train]'"),
    ],
)
def test_a_command_that_needs_an_extra_says_which_in_one_sentence(words: str, says: str, bare: Bare) -> None:
    done = bare(*words.split())
    assert (done.returncode, done.stderr) == (2, f"error: {says}\n")


def test_another_missing_module_is_no_user_error(bare: Bare, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['kag.spec.load'] = None\n")
    done = bare("check", "runs/specs/demo.yaml", env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tracking.TrackingServer]:
    """`kag serve` without the train extra."""
    monkeypatch.setattr(tracking, "SERVE", WITHOUT + tracking.SERVE)
    (tmp_path / "server").mkdir()
    made = tracking.TrackingServer(tmp_path / "server", f"sqlite:///{tmp_path}/tracking.db")
    made.start()
    yield made
    made.kill()


@pytest.mark.slow(15, "the server and its sweeps need no torch")
def test_the_server_and_its_sweeps_work_without_it(server: tracking.TrackingServer, bare: Bare, tmp_path: Path) -> None:
    with urllib.request.urlopen(f"{server.url}/login", timeout=60) as page:
        assert b"<form" in page.read()
    env = server.environment(tmp_path)
    make = "import wandb; print(wandb.sweep({'method': 'grid', 'parameters': {'seed': {'values': [1]}}}, project='p'))"
    made = warm.run([sys.executable, "-c", make], cwd=tmp_path, env=env)
    shown = bare("sweep", "show", f"kag/p/{made.stdout.split()[-1]}", "--json", env=env)
    assert shown.returncode == 0, shown.stderr
    assert '"expected": 1' in shown.stdout


def test_the_extras_cover_every_import() -> None:
    """What only training, evaluation and data files import may come with their extra, all else comes with kag."""
    base, train = named(PROJECT["dependencies"]), named(EXTRAS["train"])
    installed = packages_distributions()
    used = [
        (file.relative_to(ROOT / "kag"), named(installed.get(module, [module])))
        for file in (ROOT / "kag").rglob("*.py")
        for module in imported(file)
    ]
    base |= WHERE_THERE
    allowed = {True: base | train, False: base}
    assert [(file, found) for file, found in used if not found & allowed[file.parts[0] in TRAINING]] == []
    assert base | train <= {name for _, found in used for name in found}
    assert set(BEYOND) == train


def imported(file: Path) -> set[str]:
    """Packages from elsewhere that a file imports, at its top or inside."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"kag"}
