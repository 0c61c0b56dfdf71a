"""The basic flows with the oldest and the newest client, unmodified and side by side, against `kag serve --strict`.

They are on PostgreSQL: on SQLite each flow of the newest client has tests of its own, and what the server answers to
the documents of every client is the same on both (tests/server/test_databases.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import HURRY, Logged, last_json
from tests.e2e.wandb_versions import OLDEST, NotFetched, newest, python_of

FLOWS = Path(__file__).parent / "client_flows.py"


@pytest.fixture(scope="session")
def pythons() -> dict[str, Path]:
    """Version of a client -> the interpreter that has it."""
    try:
        return {version: python_of(version) for version in (OLDEST, newest())}
    except NotFetched as reason:
        pytest.skip(str(reason))


def started(client: Any, python: Path, version: str, project: str) -> Logged:
    """Begin the flows in a folder of the version's own."""
    folder = client.folder / version
    environment = {**client.server.environment(folder), "PWD": str(folder)}
    process: Logged = client.start(
        "env",
        *(f"--unset={name}" for name in HURRY),
        f"--chdir={folder}",
        str(python),
        str(FLOWS),
        f"{project}-{version}",
        **environment,
    )
    return process


def rows(count: int) -> list[list[float]]:
    return [[step, 1 / (step + 1), step] for step in range(count)]


@pytest.mark.slow(65, "unmodified clients, the oldest too, do all that is basic, at their own pace, on PostgreSQL")
def test_the_basic_flows_of_the_oldest_and_the_newest_client(
    make_client: Any, project: str, pythons: dict[str, Path]
) -> None:
    client = make_client("postgresql", "--strict", "--lease", "15")
    clients = {version: started(client, python, version, project) for version, python in pythons.items()}
    for version, process in clients.items():
        assert_flows(last_json(process.ends()), version)


def assert_flows(found: dict[str, Any], version: str) -> None:
    """What each flow must give, with any client."""
    assert found["version"] == version
    config = {"lr": 0.1, "model": {"width": 8}}
    ended = {"state": "finished", "config": config, "tags": ["a"], "loss": 1 / 5, "last": 4, "rows": rows(5)}
    assert found["run"] == ended, version
    uploaded = {"state": "finished", "config": {"lr": 0.5}, "tags": ["b"], "loss": 1 / 4, "last": 3, "rows": rows(4)}
    assert found["offline"] == uploaded, version
    api = found["api"]
    assert (api["lr"], api["tag"]) == (["offline", "first"], ["offline"]), version
    assert api["samples"] == [0, 2, 4], version
    assert [row["loss"] for row in api["chosen"]] == [1, 1 / 5], version
    assert (api["edits"], api["files"], api["text"]) == ([["a", "edited"], "seen"], True, "uploaded"), version
    logged = {"chief/loss": [0, 1], "worker/loss": [0, 1, 2, 3, 4]}
    summary, config = {"chief/loss": 1, "worker/loss": 4}, {"chief": 1, "worker": 1}
    both = {"rows": logged, "steps": 7, "summary": summary, "config": config, "state": "finished"}
    assert found["shared"] == (None if version == OLDEST else both), version
    kept = {"versions": ["weights:v1", "weights:v0"], "files": ["weights.txt"], "text": "one"}
    assert found["artifacts"] == kept, version
    sweeps = found["sweeps"]
    assert sweeps["states"] == ["PAUSED", "RUNNING", "FINISHED"], version
    assert sweeps["runs"] == [[1, 1, "int", ["x=1"]], [2.5, 2.5, "float", ["x=2.5"]]], version
    assert sweeps["function"] == [["int", True]] * 2, version
    assert found["interrupted"], version
