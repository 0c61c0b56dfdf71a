"""What can be said of the images without building them; `docker/prove.py` builds and tries them."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def stage(name: str) -> str:
    """The lines of one stage."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def names(requirements: list[str]) -> set[str]:
    """Packages of requirements."""
    return {re.split(r"[^\w.-]", line)[0].lower() for line in requirements}


def locked(name: str) -> dict[str, str]:
    """Package -> version of a lock."""
    lines = (ROOT / "docker" / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.removesuffix(" \\").split("==") for line in lines if re.match(r"\w", line))


def test_the_dockerfile_has_no_fault_that_a_linter_knows(lint: Callable[..., None]) -> None:
    lint("hadolint", str(ROOT / "docker" / "Dockerfile"))


def test_both_images_run_as_a_user_and_start_kag() -> None:
    for name in ("train", "serve"):
        assert "\nUSER ${UID}:${GID}\n" in stage(name)
        assert '\nENTRYPOINT ["kag"]\n' in stage(name)
        assert "\nHEALTHCHECK " in stage(name)


def test_everything_that_is_copied_exists_and_is_sent() -> None:
    """`.dockerignore` sends nothing but what it names; what the Dockerfile copies must be among it."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    copied = [line.split() for line in re.findall(r"^COPY (?:--chown=\S+ )?([^-].+)$", DOCKERFILE, re.MULTILINE)]
    sources = [word for *words, _ in copied for word in words]
    assert len(sources) > 6
    for source in sources:
        assert (ROOT / source).exists(), source
        assert {source, source.split("/")[0]} & set(sent), source


WITHOUT = """
import sys
for name in {left_out!r}:
    sys.modules[name] = None
"""
SERVER = """
import psycopg
from starlette.testclient import TestClient
from kag.cli.main import app
from kag.server.app import make_app
from kag.server.blobs import blobs_at
from kag.server.context import Settings
from kag.server.store import Store

store = Store("sqlite:///tracking.db")
browser = TestClient(make_app(store, Settings(files=blobs_at("files"))), base_url="http://127.0.0.1")
assert browser.get("/healthz").json() == {"ok": True}
assert "<form" in browser.get("/login").text
store.close()
"""
SEARCH = """
from kag.sweep import Trial, TrialState, parse_sweep, suggest

sweep = parse_sweep({
    "method": "bayes", "command": ["kag"], "metric": {"name": "val/auprc", "goal": "maximize"},
    "parameters": {"optimizer.lr": {"distribution": "uniform", "min": 0.0, "max": 1.0}},
})
trials = [
    Trial(id=n, params={"optimizer.lr": n / 20}, state=TrialState.FINISHED, value=n / 20) for n in range(20)
]
assert 0.0 <= suggest(sweep, trials, 1)["optimizer.lr"] <= 1.0
"""


@pytest.mark.parametrize("work", [SERVER, SEARCH], ids=["page", "bayes"])
def test_the_server_works_without_training_and_the_client(work: str, tmp_path: Path) -> None:
    code = WITHOUT.format(left_out=[*sorted(names(EXTRAS["train"])), "wandb", "matplotlib"]) + work
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_each_image_installs_the_extras_that_it_needs_and_checks_their_digests() -> None:
    for name, extra, other in (("serve", "postgresql", "train"), ("train", "train", "postgresql")):
        extras = {one: names(EXTRAS[one]) - {"torch"} for one in (extra, other)}
        assert extras[extra] <= locked(name).keys()
        assert not extras[other] & locked(name).keys()
        assert f"--requirement docker/{name}.lock" in stage(f"build-{name}")
    calls = re.findall(r"\bpip install (.*)", DOCKERFILE)
    unchecked = [call for call in calls if "--require-hashes" not in call]
    assert {call.rstrip(" \\").split()[-1] for call in unchecked} == {"torch", "'.[train]'", "."}
    assert len(calls) - len(unchecked) == len(list((ROOT / "docker").glob("*.lock"))) == 3


def check_locks(folder: Path) -> subprocess.CompletedProcess[str]:
    """What docker/lock.py says of the locks beside it."""
    words = [sys.executable, str(folder / "docker" / "lock.py"), "--check"]
    return subprocess.run(words, capture_output=True, text=True)


def test_the_locks_hold_what_is_needed_in_the_versions_of_the_constraints() -> None:
    done = check_locks(ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("docker/constraints.txt", "click==", "click==9", "serve.lock, train.lock: stale"),
        ("docker/constraints.images.txt", "setuptools==84", "setuptools==85", "builder.lock, train.lock: stale"),
        ("docker/train.lock", "h5py==", "h6py==", "train.lock: stale"),
        ("docker/serve.lock", "--hash=sha256:", "--hash=md5:", "serve.lock: stale"),
        ("pyproject.toml", '"psycopg[binary]', '"trustme", "psycopg[binary]', "serve.lock: stale"),
    ],
)
def test_a_stale_lock_is_named(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    done = check_locks(tmp_path)
    assert (done.returncode, done.stderr.partition(";")[0]) == (1, says)


def test_every_image_from_elsewhere_is_named_by_its_digest() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    foreign = [service["image"] for service in services if "build" not in service]
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages
    assert bases == {"${BASE}"}, "who builds can put another one in its place"
    default = re.search(r"^ARG BASE=(\S+)", DOCKERFILE, re.MULTILINE)
    assert default
    for image in (*foreign, default[1]):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


def pins(name: str) -> dict[str, str]:
    """Package -> version of a file of constraints."""
    lines = (ROOT / "docker" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def test_every_version_is_pinned_once() -> None:
    locked, images = pins("constraints.txt"), pins("constraints.images.txt")
    assert locked.keys() & images.keys() == set()
    plain = {re.sub(r"[-_.]+", "-", name) for name in locked}
    # What reads and writes files of other tools, and Ray, are in no image.
    extras = [line for name, extra in EXTRAS.items() if name not in ("ray", "parquet", "tensorboard") for line in extra]
    needed = names([*PROJECT["project"]["dependencies"], *extras])
    assert {re.sub(r"[-_.]+", "-", name) for name in needed - {"kag"}} <= plain


def test_the_package_takes_along_all_files_that_it_reads() -> None:
    """An image installs the package; a template that `package-data` does not name would be missing there alone."""
    kept = PROJECT["tool"]["setuptools"].get("package-data", {}).items()
    named = [f"{package.replace('.', '/')}/{glob}" for package, globs in kept for glob in globs]
    files = [path.relative_to(ROOT) for path in (ROOT / "kag").rglob("*") if path.is_file()]
    data = [str(path) for path in files if path.suffix not in (".py", ".pyc", ".md") and path.name != "py.typed"]
    assert [path for path in data if not any(fnmatch.fnmatch(path, glob) for glob in named)] == []
