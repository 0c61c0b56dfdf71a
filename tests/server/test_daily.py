"""What a server removes once a day while it serves, on days that pass when a test says so."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from kag.server.app import make_app
from kag.server.daily import DAY
from kag.server.runs import find_project, find_run
from kag.server.serve import listening, serve_until
from kag.server.store import count
from kag.server.tables import blobs, runs, trash
from kag.server.trash import set_aside


async def serve_for(site: Any, *events: Callable[[], Any]) -> list[float]:
    """Serve from start to end; each event is followed by the end of a day. What was waited for."""
    waited: list[float] = []
    resting, mornings = asyncio.Queue[None](), asyncio.Queue[None]()

    async def rest(seconds: float) -> None:
        waited.append(seconds)
        resting.put_nowait(None)
        await mornings.get()

    app = make_app(site.store, site.settings, lambda: site.now, rest=rest)
    told, said = asyncio.Queue[Any](), asyncio.Queue[Any]()
    served = asyncio.ensure_future(app({"type": "lifespan", "asgi": {}, "state": {}}, told.get, said.put))
    told.put_nowait({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    await resting.get()
    for event in events:
        event()
        site.now += DAY
        mornings.put_nowait(None)
        await resting.get()
    told.put_nowait({"type": "lifespan.shutdown"})
    assert (await said.get())["type"] == "lifespan.shutdown.complete"
    await served
    return waited


def delete(site: Any, name: str) -> None:
    """As the page does."""
    with site.store.write() as connection:
        project = find_project(connection, "kag", "p")
        assert project is not None
        set_aside(connection, find_run(connection, project["id"], name), user="tester", now=site.now)


def held(site: Any) -> dict[str, int]:
    """What there is."""
    with site.store.read() as connection:
        found = {table.name: count(connection, table) for table in (runs, trash, blobs)}
    return found | {"files": sum(path.is_file() for path in (site.folder / "files").rglob("*"))}


@pytest.fixture
def two_runs(site: Any) -> Any:
    """Two runs, each with a file."""
    query = """mutation($i: CreateRunFilesInput!) { createRunFiles(input: $i) { files { name uploadUrl } } }"""
    for name in ("first", "second"):
        site.run(name)
        given = {"entityName": "kag", "projectName": "p", "runName": name, "files": ["notes.txt"]}
        url = site.ask(query, i=given)["createRunFiles"]["files"][0]["uploadUrl"]
        assert site.http.put(url, content=name.encode()).status_code == 200
    assert held(site) == {"runs": 2, "trash": 0, "blobs": 2, "files": 2}
    return site


def test_what_was_deleted_goes_for_good_while_the_server_goes_on(two_runs: Any) -> None:
    site, left = two_runs, []
    events = [
        lambda: left.append(held(site)),
        lambda: delete(site, "first"),
        lambda: (left.append(held(site)), delete(site, "second")),
    ]
    assert asyncio.run(serve_for(site, *events)) == [DAY] * 4
    left.append(held(site))
    assert [(found["runs"], found["trash"], found["blobs"], found["files"]) for found in left] == [
        (2, 0, 2, 2),
        (1, 0, 1, 1),
        (0, 0, 0, 0),
    ]


def test_a_run_is_kept_for_its_whole_day(two_runs: Any) -> None:
    """The day of the server ends before that of a run that was deleted in it."""
    left: list[dict[str, int]] = []

    def in_the_evening() -> None:
        two_runs.now += 10.0
        delete(two_runs, "first")
        two_runs.now -= 10.0

    asyncio.run(serve_for(two_runs, in_the_evening, lambda: left.append(held(two_runs))))
    assert (left[0]["runs"], left[0]["trash"]) == (2, 1)
    assert (held(two_runs)["runs"], held(two_runs)["trash"]) == (1, 0)


def test_a_day_on_which_the_database_fails_is_logged_and_made_good(
    two_runs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(old: str, new: str) -> None:
        with two_runs.store.alter() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    delete(two_runs, "first")
    two_runs.now -= 1.0
    with caplog.at_level(logging.ERROR, logger="kag.server"):
        asyncio.run(serve_for(two_runs, partial(rename, "trash", "away"), partial(rename, "away", "trash")))
    assert [record.getMessage().partition(": ")[2][:26] for record in caplog.records] == ["the database lacks a table"]
    assert held(two_runs) == {"runs": 1, "trash": 0, "blobs": 1, "files": 1}


def test_whoever_serves_an_application_lets_it_wait_for_the_next_day_and_ends_that(site: Any) -> None:
    rested = threading.Event()

    async def rest(seconds: float) -> None:
        rested.set()
        await anyio.sleep_forever()

    app = make_app(site.store, site.settings, lambda: site.now, rest=rest)
    serve_until(app, listening("127.0.0.1", 0), partial(rested.wait, 60.0))
    assert rested.is_set()
