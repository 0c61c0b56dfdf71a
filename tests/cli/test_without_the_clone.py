"""kag from a wheel in an empty folder: a project begins, trains, searches and reports, without a file of the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from kag.starters.project import sweeps, texts
from kag.sweep import parse_sweep
from kag.sweep.command import train_command
from tests.cli.conftest import Kag

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
NAMED = "import kag, sys; print(kag.__file__); print(*sys.path, sep='\\n')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the package, built from a copy, since a build leaves folders in its source."""
    place = tmp_path_factory.mktemp("wheel")
    for name in ("kag", "runs/specs", "sweeps"):
        shutil.copytree(
            ROOT / name, place / "source" / name, symlinks=True, ignore=shutil.ignore_patterns("*.h5", "__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / "source" / name)
    words = [sys.executable, "-c", BUILD, str(place)]
    subprocess.run(words, cwd=place / "source", capture_output=True, text=True, check=True)
    (built,) = place.glob("*.whl")
    return built


def test_a_wheel_has_the_bytes_of_the_demo_and_the_sweeps_around_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        starters = {name: files.read(name) for name in files.namelist() if name.startswith("kag/starters/")}
    assert starters["kag/starters/demo.yaml"] == (ROOT / "runs/specs/demo.yaml").read_bytes()
    for file in sorted((ROOT / "sweeps").glob("*.yaml")):
        if "runs/specs/demo.yaml" in file.read_text():
            assert starters[f"kag/starters/sweeps/{file.name}"] == file.read_bytes()


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it depends on is seen by a `.pth`, which takes seconds and no network."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    # An editable installation of kag among them would be an import hook, which comes before the path.
    (packages / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path[:] = [one for one in sys.meta_path if '__editable__' not in str(one)]\n"
    )
    return place / "bin" / "python"


@pytest.mark.slow(25, "the commands of a first hour from the wheel alone")
def test_a_first_hour_from_a_wheel(python: Path, tmp_path: Path) -> None:
    around = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WANDB_MODE")}
    env = {**around, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def call(*words: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run([python, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    found, *searched = call("-c", NAMED).splitlines()
    assert Path(found).is_relative_to(python.parents[1])
    assert not [place for place in searched if place and Path(place).resolve() == ROOT]
    call("-m", "kag", "init", "demo")
    project = tmp_path / "demo"
    assert len((project / "README.md").read_text().splitlines()) == 10
    spec = project / "demo.yaml"  # as it stands it is trained by tests/test_readme.py
    spec.write_text(spec.read_text().replace("epochs: 12", "epochs: 2"))
    call("-m", "kag", "train", "demo.yaml", cwd=project)
    call("-m", "kag", "sweep", "run", "sweep.yaml", "--count", "2", cwd=project)
    call("-m", "kag", "report", "latest", "--out", "page.html", cwd=project)
    assert str(ROOT) not in (project / "page.html").read_text()
    listed = call("-m", "kag", "runs", "list", cwd=project)
    assert listed.count("finished") + listed.count("early_stopped") >= 3, listed


@pytest.mark.parametrize("name", sweeps())
def test_every_sweep_trains_the_spec_beside_it(name: str, kag: Kag, tmp_path: Path) -> None:
    place = tmp_path / "new" / "project"
    done = kag("init", place, "--sweep", name)
    assert (done.code, done.error) == (0, "")
    search = (place / "sweep.yaml").read_text()
    assert train_command(parse_sweep(yaml.safe_load(search))).spec == "demo.yaml"
    assert search == (ROOT / "sweeps" / f"{name}.yaml").read_text().replace("runs/specs/demo.yaml", "demo.yaml")
    assert (place / "demo.yaml").read_bytes() == (ROOT / "runs/specs/demo.yaml").read_bytes()
    assert name in kag("init", "--help").out


def test_what_is_there_is_kept_and_a_second_try_goes_on(kag: Kag, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("mine")
    done = kag("init", tmp_path)
    assert done.code == 2
    assert str(tmp_path / "sweep.yaml") in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.yaml"]
    left_by_a_killed_call = texts("gate_penalty")["sweep.yaml"]
    (tmp_path / "sweep.yaml").write_text(left_by_a_killed_call)
    assert kag("init", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "demo.h5", "demo.yaml", "sweep.yaml"]
    assert kag("init", tmp_path).code == 2, "the data are somebody's now"


def test_an_unknown_sweep_names_those_that_are_there(kag: Kag, tmp_path: Path) -> None:
    done = kag("init", tmp_path / "new", "--sweep", "gait")
    assert done.code == 2
    assert all(name in done.error for name in sweeps())
    assert not (tmp_path / "new").exists()


def test_without_the_train_extra_the_other_files_are_written_and_it_says_so(
    kag: Kag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    done = kag("init", tmp_path / "new")
    assert done.code == 0
    assert "pip install 'kag[train]'" in done.error
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["README.md", "demo.yaml", "sweep.yaml"]
