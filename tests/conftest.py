"""Fixtures that all tests share: small synthetic data, the real file where it is present, quiet W&B."""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver
from pathlib import Path
from types import CodeType
from typing import Any

import hypothesis
import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from tests.worker import copy_workers

# How long an example takes depends on the machine, so no test depends on it.
hypothesis.settings.register_profile("kag", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("kag")

ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
"""Bytes that a file system in memory must have free before tests write there."""
REAL_RUNS = ("chain", "five_runs")
"""Fixtures of a session that train."""
ENDED = "Not properly terminated"
"""What xdist says of a worker that has ended; one that has raised an error goes on."""
GUESS = 15.0
"""Seconds of a long test that does not say how many it takes."""


def pytest_configure(config: pytest.Config) -> None:
    """A suite that is started in the background inherits that SIGINT is ignored, and would hand this on.

    What tests write is worth no disk: to wait for one takes a quarter of the time of a server's tests.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the cores to other tests
    # Programs that are started from nothing would else compile all of kag.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    copy_workers(config.option)


def has_room(place: Path) -> bool:
    """Whether the folders of all tests fit into a file system that lies in memory."""
    from kag.data.host_memory import free_memory

    return place.is_dir() and min(shutil.disk_usage(place).free, free_memory()[0]) >= ROOM


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Of a worker that ends without a word, xdist says neither the signal nor the exit code."""
    if error == ENDED:
        from kag.data.host_memory import free_memory

        room = free_memory()[0] / 2**30
        print(f"\n{node.gateway.id} has ended with {node.gateway._io.wait()}; {room:.1f} GiB of memory are free")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every worker begins with its share of the long tests, the longest first: at the end nobody waits for one."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = long_first(items, workers)


def pytest_collection_finish() -> None:
    """What was loaded and collected stays to the end: no search for garbage has to look through all of it again."""
    gc.collect()
    gc.freeze()


def long_first(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The order in which shares of equal size, as xdist deals them, begin with long tests.

    What costs much to make is made once: the tests of a module stay together, and those of the same real runs.
    """
    groups: dict[str, list[pytest.Item]] = {}
    rest: list[pytest.Item] = []
    for item in items:
        group = next((name for name in REAL_RUNS if name in getattr(item, "fixturenames", ())), str(item.path))
        (groups.setdefault(group, []) if seconds_of(item) else rest).append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for together in sorted(groups.values(), key=total_seconds, reverse=True):
        min(shares, key=total_seconds).extend(together)
    ordered: list[pytest.Item] = []
    for number, share in enumerate(shares):
        size = (len(items) - len(ordered)) // (workers - number)
        fill = max(size - len(share), 0)
        ordered += [*share, *rest[:fill]]
        del rest[:fill]
    return ordered


def seconds_of(item: pytest.Item) -> float:
    """How long a test takes, roughly: what its marker says, or a guess; 0 if it is not long."""
    said = [float(marker.args[0]) for marker in item.iter_markers("slow") if marker.args]
    is_long = item.get_closest_marker("slow") is not None or "e2e" in item.path.parts
    return max(said, default=GUESS if is_long else 0.0)


def total_seconds(items: Sequence[pytest.Item]) -> float:
    """How long tests take one after another."""
    return sum(map(seconds_of, items))


@pytest.fixture(scope="session", autouse=True)
def _built_once() -> Iterator[None]:
    """What a process of kag does once, and tests hundreds of times: build commands, routes, templates and page, and ask
    for the versions of packages."""
    import starlette.routing
    import typer.testing

    from kag.server.page.assets import Assets

    built = functools.cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", built)
        patch.setattr("typer.testing._get_command", built)
        patch.setattr("starlette.routing.compile_path", functools.cache(starlette.routing.compile_path))
        patch.setattr(Assets, "installed", functools.cache(Assets.installed))
        patch.setattr("kag.track.begin.version", functools.cache(importlib.metadata.version))
        patch.setattr("kag.report.markup.Environment", functools.partial(Environment, bytecode_cache=Compiled()))
        yield


class Compiled(BytecodeCache):
    """Compiled templates, for all environments of this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template its code, if it was compiled before."""
        bucket.code = self._known.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template."""
        self._known[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session")
def synthetic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learnable file of 12 proteins, 16-wide embeddings."""
    from kag.data.synth import synthesise

    path = tmp_path_factory.mktemp("synthetic") / "synthetic.h5"
    synthesise(path, proteins=12, points_per_protein=60, embedding=16)
    return path


@pytest.fixture(scope="session")
def real_file() -> Path:
    """`sites_v3.h5`: 262 real chains."""
    folder = Path(os.environ.get("KAG_DATA", ROOT / ".." / "shared" / "data"))
    path = (folder if folder.is_absolute() else ROOT / folder) / "sites_v3.h5"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set KAG_DATA to the folder that holds sites_v3.h5")
    return path.resolve()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of five real runs that stand on one another, with W&B's offline files."""
    from tests.changelog.real_chain import make_chain

    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a fresh PostgreSQL cluster, with a place for the name of the database."""
    from tests.e2e.postgresql import NotInstalled, cluster

    try:
        with cluster() as url:
            yield url
    except NotInstalled as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def new_postgres(postgres: str) -> Callable[[], str]:
    """Makes an empty database of PostgreSQL; its URL."""
    from tests.e2e.postgresql import new_database

    numbers = itertools.count()
    return lambda: new_database(postgres, f"kag{next(numbers)}")


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each test; `mktemp` would look at all folders before it makes one more."""
    root = tmp_path_factory.mktemp("homes")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, _homes: Iterator[Path]) -> None:
    """Nothing of the person who runs the tests reaches W&B, and neither W&B nor prepared data leave anything behind."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv("KAG_CACHE", str(home / "kag"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home))
    monkeypatch.setenv("WANDB_DATA_DIR", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """A machine of two cores, whose processes are copies of no process that other tests have started."""
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server._stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kag.track.processes.os.sched_getaffinity", lambda _: {0, 1})
        yield
    server._stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A local S3 server that all tests of a worker share."""
    from tests.bucket import s3_server

    with s3_server() as made:
        yield made
