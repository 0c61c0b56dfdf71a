"""`kag import wandb` from one `kag serve` to another: all is read back equal, nothing twice, kill -9 is survived."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import Client, TrackingServer, last_json, until

PROGRAM = str(Path(__file__).parent / "imported_project.py")
KAG = "from kag.cli.main import main; main()"
COUNTS = """select (select count(*) from runs), (select count(*) from lines), (select count(*) from files),
  (select count(*) from artifacts), (select count(*) from memberships), (select count(*) from blobs),
  (select count(*) from sweeps), (select count(*) from trials), (select max(seq) from projects)"""


@pytest.fixture(scope="module")
def origin(make_server: Callable[..., TrackingServer], tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A server with a project of everything, and a client of it."""
    client = Client(make_server("sqlite", "--strict"), tmp_path_factory.mktemp("origin"))
    client.run(sys.executable, PROGRAM, "make", "mine")
    return client


@pytest.fixture
def target(make_server: Callable[..., TrackingServer], tmp_path: Path) -> Client:
    """An empty server, and a client of it."""
    return Client(make_server("sqlite", "--strict"), tmp_path)


def command(target: Client) -> list[str]:
    words = ["import", "wandb", "kag/mine", "--to", target.server.url]
    return [sys.executable, "-c", KAG, *words]


def imported(origin: Client, target: Client) -> str:
    """What the command prints. It knows two servers, and says the key of neither."""
    printed = origin.run(*command(target), KAG_TARGET_API_KEY=target.server.key)
    assert target.server.key not in printed
    assert origin.server.key not in printed
    return printed


def read(client: Client) -> Any:
    return last_json(client.run(sys.executable, PROGRAM, "read", "mine"))


def counts(server: TrackingServer) -> tuple[Any, ...]:
    return server.rows(COUNTS)[0]


@pytest.mark.slow(60, "everything that a tracker has of a project is read back equal from another one")
def test_all_comes_once_and_what_is_new_the_second_time(origin: Client, target: Client) -> None:
    first = imported(origin, target)
    wanted = read(origin)
    assert read(target) == wanted
    assert "new, 0 went on" in first
    clients = set(re.findall(r"wandb-client-artifact://(\w+)/", json.dumps(wanted["runs"]["plain"]["history"])))
    mapping = "query($c: ID!) { clientIDMapping(clientID: $c) { serverID } }"
    assert clients
    assert all(target.server.graphql(mapping, c=one)["clientIDMapping"] for one in clients), "the table is found"
    before = counts(target.server)
    assert "0 new, 0 went on" in imported(origin, target)
    assert counts(target.server) == before
    origin.run(sys.executable, PROGRAM, "grow", "mine")
    assert "1 new, 1 went on" in imported(origin, target)
    grown = read(target)
    assert grown == read(origin)
    assert [row["loss"] for row in grown["runs"]["plain"]["history"][-2:]] == [0.5, 0.25]
    assert grown["artifacts"]["model/net:v2"][0] == ["best", "latest"]


MOMENTS = (
    "select count(*) from runs",
    "select count(*) from artifacts where state = 'PENDING'",
    "select count(*) from lines",
    "select count(*) from files",
)
"""What is there first, at the moments at which the import is killed."""


@pytest.mark.slow(60, "an import that is killed at any moment goes on from there, and nothing is doubled")
def test_killed_again_and_again(origin: Client, target: Client) -> None:
    for moment in MOMENTS:
        process = origin.start(*command(target), KAG_TARGET_API_KEY=target.server.key)
        until(lambda: process.poll() is not None or target.server.rows(moment)[0][0], what=moment)  # noqa: B023
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    imported(origin, target)
    assert read(target) == read(origin)
    before = counts(target.server)
    imported(origin, target)
    assert counts(target.server) == before
