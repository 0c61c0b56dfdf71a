"""Runs of a project on a server are tagged, renamed and deleted there, by the calls of W&B's client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.server.store import Store
from tests.cli.conftest import Kag
from tests.e2e.tracking import TrackingServer
from tests.page.synthetic import add_runs, add_script_run

SOURCE = ("--source", "wandb:kag/many")
ASKED = 'query{project(name: "many", entityName: "kag"){runs(first: 50){edges{node{name displayName tags notes}}}}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """Runs `one` to `four` of a script, the last one under way, and two of kag, one of which comes from the other."""
    folder = tmp_path_factory.mktemp("there")
    made = TrackingServer(folder, f"sqlite:///{folder / 'tracking.db'}")
    store = Store(made.database)
    for name in ("one", "two", "three", "four"):
        more = {"state": "running", "heartbeat_at": 4e9} if name == "four" else {"notes": "kept"}
        add_script_run(store, 2, name=name, title=f"a run {name}", **more)
    add_runs(store, 2, epochs=2)
    store.close()
    made.start()
    yield made
    made.kill(15)


@pytest.fixture(autouse=True)
def _client(server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client keeps its settings, so it starts anew before and after."""
    import wandb

    words = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key}
    for name, value in {**words, "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()
    yield
    wandb.teardown()


def held(server: TrackingServer) -> dict[str, Any]:
    """What the server has of each run, by its id there."""
    edges = server.graphql(ASKED)["project"]["runs"]["edges"]
    return {edge["node"].pop("name"): edge["node"] for edge in edges}


def test_tags_are_given_and_taken_there_and_nothing_else_is_sent(server: TrackingServer, kag: Kag) -> None:
    before = held(server)
    done = kag("runs", "tag", "one", "a-run-two", "--add", "paper", "--add", "b", *SOURCE)
    assert done.code == 0, done.error
    tagged = {"tags": ["paper", "b"]}
    assert held(server) == before | {name: before[name] | tagged for name in ("one", "two")}
    again = kag("runs", "tag", "one", "--remove", "paper", "--add", "b", "--json", *SOURCE)
    assert len(json.loads(again.out)["changed"]) == 1
    assert held(server)["one"]["tags"] == ["b"]
    assert "already" in kag("runs", "tag", "one", "--add", "b", *SOURCE).out
    assert "a-run-one" in kag("runs", "list", "--tag", "b", *SOURCE).out


def test_a_run_is_renamed_there_unless_another_goes_by_that_name(server: TrackingServer, kag: Kag) -> None:
    assert kag("runs", "rename", "three", "the third", *SOURCE).code == 0
    assert held(server)["three"]["displayName"] == "the third"
    taken = kag("runs", "rename", "three", "a run two", *SOURCE)
    assert taken.code == 2
    assert "another run goes by" in taken.error
    assert held(server)["three"]["displayName"] == "the third"
    own = kag("runs", "rename", "00000001", "mine", *SOURCE)
    assert own.code == 0
    assert "the folders keep their names" in own.error
    assert held(server)["00000001"]["displayName"] == "mine"


def test_a_run_is_deleted_there_when_that_is_said_and_it_can_be(server: TrackingServer, kag: Kag) -> None:
    before = held(server)
    dry = kag("runs", "delete", "three", *SOURCE)
    assert "would be deleted in wandb:kag/many" in dry.out
    assert "nothing was removed" in dry.out
    needed = kag("runs", "delete", "00000000", "--yes", *SOURCE)
    assert needed.code == 2
    assert "others come from run" in needed.error
    alive = kag("runs", "delete", "four", "--yes", *SOURCE)
    assert alive.code == 2
    assert "is under way" in alive.error
    assert held(server) == before
    done = kag("runs", "delete", "three", "four", "--yes", *SOURCE)
    assert done.code == 2, "of two, one stays"
    assert held(server).keys() == before.keys() - {"three"}


def test_what_is_refused_is_told_in_a_sentence_and_changes_nothing(
    server: TrackingServer, kag: Kag, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    before = held(server)
    for words in (("tag", "one", "nobody", "--add", "x"), ("delete", "nobody", "--yes"), ("rename", "nobody", "x")):
        done = kag("runs", *words, *SOURCE)
        assert done.code == 2
        assert "no run 'nobody'" in done.error
    for source in ("offline:.", "markdown:x.md"):
        assert kag("runs", "tag", "one", "--add", "x", "--source", source).code == 2
    monkeypatch.setenv("WANDB_API_KEY", server.command("key", "new", "reader", "--role", "read"))
    wandb.teardown()
    for words in (("tag", "one", "--add", "x"), ("rename", "one", "x"), ("delete", "one", "--yes")):
        done = kag("runs", *words, *SOURCE)
        assert done.code == 2
        assert "the key 'reader' is for reading" in done.error
        assert "remedy:" in done.error
    assert held(server) == before
