"""On PostgreSQL the pages say what they say on SQLite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.server.keys import new_key
from kag.server.page.responses import POLICY
from kag.server.store import Store
from tests.page.conftest import Visitor, token_of
from tests.page.searching import search, start
from tests.page.synthetic import add_runs, add_script_run
from tests.page.test_access import before_of

PATHS = ("/", "/kag/many", "/kag/many/runs/00000002", "/kag/many/compare?runs=00000001,script", "/kag/many/changelog")
VALUES = ("/kag/many/runs.json", "/kag/many/runs/00000002/course.json", "/kag/many/runs/00000002/findings.json")


@pytest.fixture
def visitors(tmp_path: Path, new_postgres: Callable[[], str]) -> Iterator[list[Any]]:
    """The same runs in both kinds of database."""
    stores = [Store(f"sqlite:///{tmp_path / 'same.db'}"), Store(new_postgres())]
    visitors = [opened(tmp_path / str(i), store) for i, store in enumerate(stores)]
    yield visitors
    for visitor in visitors:
        visitor.http.close()
        visitor.store.close()


def opened(folder: Path, store: Store) -> Any:
    """Somebody who is logged in at a server of this database."""
    folder.mkdir()
    add_runs(store, 5)
    add_script_run(store, 20)
    visitor: Any = Visitor(folder)
    visitor.store.close()
    with store.write() as connection:
        visitor.key = new_key(connection, "tester", now=visitor.now)
    visitor.store = store
    visitor.now = 1_770_000_000.0
    visitor.restart()
    assert visitor.log_in().status_code == 303
    return visitor


def plain(page: str) -> str:
    """A page without what differs from one start of a server to the next."""
    return re.sub(r'[0-9a-f]{64}|"seen":"[0-9a-f]{8}-', "-", page)


@pytest.mark.slow(10, "every page says on PostgreSQL what it says on SQLite")
def test_both_databases_give_the_same_pages(visitors: list[Any]) -> None:
    lite, post = visitors
    for path in PATHS:
        page = post.browse(path)
        assert page.status_code == 200
        assert page.headers["content-security-policy"] == POLICY
        assert plain(page.text) == plain(lite.browse(path).text), path
    for path in VALUES:
        assert plain(post.fetch(path).text) == plain(lite.fetch(path).text), path


@pytest.mark.slow(10, "what forms write arrives on PostgreSQL")
def test_notes_and_sweeps_are_written_on_postgresql(visitors: list[Any]) -> None:
    _, post = visitors
    path = "/kag/many/runs/00000002"
    page = post.browse(path).text
    fields = {"csrf": token_of(page), "before": before_of(page), "notes": "kept"}
    assert post.submit(f"{path}/notes", fields).status_code == 303
    assert "kept</p>" in post.browse("/kag/many/changelog").text
    post.as_client()
    name = start(post.ask, "searched")
    search(post.ask, lambda run, body: post.stream(body, run, "searched"), "searched", name, 2)
    assert post.submit(f"/kag/searched/sweeps/{name}/state", {**fields, "action": "pause"}).status_code == 303
    assert "paused" in post.browse(f"/kag/searched/sweeps/{name}").text
