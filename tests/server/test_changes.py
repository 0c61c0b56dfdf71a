"""Every change of runs and sweeps has a number, in the order in which changes can be seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from kag.server.batches import Batches
from kag.server.changes import NUMBERED, number_changes
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.links import Links
from kag.server.page.news import AGAIN, LASTS, MOST, News
from kag.server.resolvers import registry
from kag.server.resolvers.asked import RULES
from kag.server.rights import Key
from kag.server.runs import ensure_project
from kag.server.store import Store, all_rows, inserted
from kag.server.tables import projects, runs
from tests.page.conftest import reader as reader
from tests.page.conftest import visitor as visitor
from tests.page.synthetic import add_runs
from tests.server.test_queries import statements
from tests.server.test_rights import Lab
from tests.server.test_rights import lab as lab

OF_RUNS_AND_SWEEPS = {
    *("upsertBucket", "deleteRun", "stopRun", "updateRunState", "rewindRun"),
    *("upsertSweep", "deleteSweep", "agentHeartbeat", "importRun", "importSweep"),
}


class Undone(Exception):
    """Nothing of it is to stay."""


def rows(connection: Connection) -> dict[tuple[str, int], dict[str, Any]]:
    """Everything that is numbered; what is in no project has been deleted."""
    found = ((table, row) for table in NUMBERED for row in all_rows(connection, select(table)))
    return {(table.name, row["id"]): dict(row) for table, row in found if row["project_id"] is not None}


def marks(connection: Connection) -> Any:
    """Number of the last change, and of the last that took something away."""
    return connection.execute(select(projects.c.seq, projects.c.removed).filter_by(name="p")).one()


@pytest.mark.parametrize("name", sorted(RULES))
def test_whatever_a_mutation_changes_is_numbered(lab: Lab, name: str) -> None:
    given = lab.inputs()[name]
    with suppress(Undone), lab.store.write() as connection:
        before, (was, _) = rows(connection), marks(connection)
        links = Links(b"x" * 32, "alice", "http://127.0.0.1")
        batches = Batches(connection, keep=False)
        context = Context(connection, batches, lab.settings, links, Key("alice"), lab.now + 1, lab.now)
        with suppress(Fault):
            registry()["Mutation"][name](context, None, {"input": given})
        number_changes(connection)
        after, (seq, removed) = rows(connection), marks(connection)
        changed = {key for key, row in after.items() if row != before.get(key)}
        assert {after[key]["changed"] for key in changed} <= {seq}
        assert seq == was + 1 if changed or before.keys() - after.keys() else seq == was
        assert (removed == seq) == bool(before.keys() - after.keys())
        assert (seq > was) == (name in OF_RUNS_AND_SWEEPS)
        raise Undone


def test_what_a_run_logs_is_numbered_and_only_that_run(site: Any) -> None:
    site.run()
    site.run("other")
    with site.store.read() as connection:
        before = rows(connection)
    site.log(0, [{"_step": 0, "loss": 1.0}])
    with site.store.read() as connection:
        after, (seq, _) = rows(connection), marks(connection)
    (key,) = (key for key in after if after[key] != before[key])
    assert (after[key]["name"], after[key]["changed"]) == ("first", seq)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tracking.db'}"
    return str(request.getfixturevalue("new_postgres")())


@contextmanager
def working(work: Callable[[], None], number: int) -> Iterator[None]:
    """So many threads that do the same."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def test_who_follows_the_numbers_misses_nothing_whoever_writes(url: str) -> None:
    """Two servers of one database, each with writers that change several runs at once, in any order."""
    with closing(Store(url)) as one, closing(Store(url)) as two:
        add_runs(one, 6)
        with one.read() as connection:
            numbers = list(connection.execute(select(runs.c.id).order_by(runs.c.id)).scalars())
            project = connection.execute(select(runs.c.project_id).limit(1)).scalar_one()
        copy: dict[int, str] = {}
        known, over, writers = 0, threading.Event(), iter(range(8))

        def write() -> None:
            mine = next(writers)
            store = (one, two)[mine % 2]
            for turn in range(15):
                with store.write() as connection:
                    for number in {numbers[(mine + turn) % 6], numbers[(mine * turn) % 6]}:
                        connection.execute(runs.update().filter_by(id=number).values(notes=f"{mine} {turn}"))

        def follow() -> int:
            with two.read() as connection:
                seq = connection.execute(select(projects.c.seq).filter_by(id=project)).scalar_one()
                query = select(runs.c.id, runs.c.notes).where(runs.c.project_id == project, runs.c.changed > known)
                copy.update({row.id: row.notes for row in connection.execute(query)})
            return int(seq)

        def watch() -> None:
            nonlocal known
            while not over.is_set():
                known = follow()

        with working(watch, 1):
            with working(write, 8):
                pass
            over.set()
        known = follow()
        with one.read() as connection:
            assert copy == {row.id: row.notes for row in connection.execute(select(runs.c.id, runs.c.notes))}
            assert connection.execute(select(func.count()).select_from(runs).filter_by(changed=0)).scalar_one() == 0
        assert known >= 8 * 15


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(store: Store, name: str) -> int:
    with store.write() as connection:
        project = int(ensure_project(connection, "kag", name, now=0.0)["id"])
        words = dict.fromkeys(("display_name", "config", "summary", "history_keys", "tags"), "{}")
        words |= {"project_id": project, "name": "first", "user": "", "state": "running"}
        numbers = {"should_stop": False, "restarted": 0, "created_at": 0.0, "heartbeat_at": 0.0}
        inserted(connection, runs, words | numbers)
    return project


def test_news_tell_that_a_project_has_changed_and_never_of_another(tmp_path: Any) -> None:
    url, clock = f"sqlite:///{tmp_path / 'tracking.db'}", Clock()
    with closing(Store(url)) as mine, closing(Store(url)) as other, asyncio.Runner() as runner:
        project, second = made(mine, "p"), made(mine, "q")
        stream = News(mine, clock, pause=0.0).stream(project)

        def told() -> str:
            return runner.run(anext(stream)).removesuffix("\n\n")

        def change(number: int, store: Store) -> None:
            with store.write() as connection:
                connection.execute(runs.update().filter_by(project_id=number).values(notes="new"))

        assert told() == "retry: 0"
        assert told() == "data: 1", "the first is told at once: something may have changed since the page was made"
        change(second, mine)
        change(project, other)
        assert told() == "data: 2", "through whatever process"
        clock.now += AGAIN
        assert told() == "data: 2", "it may have fallen silent"
        clock.now = LASTS
        with pytest.raises(StopAsyncIteration):
            told()


def test_streams_have_a_limit(tmp_path: Any) -> None:
    with closing(Store(f"sqlite:///{tmp_path / 'tracking.db'}")) as store, asyncio.Runner() as runner:
        news, project = News(store, Clock()), made(store, "p")
        streams = [news.stream(project) for _ in range(MOST)]
        for stream in streams:
            runner.run(anext(stream))
        with pytest.raises(Fault, match="too many pages"):
            news.stream(project)
        runner.run(streams[0].aclose())
        runner.run(anext(news.stream(project)))


def test_a_page_that_knows_everything_costs_no_look_at_a_run(reader: Any) -> None:
    """However many there are."""
    add_runs(reader.store, 12)
    reader.now = 1_770_000_000.0
    reader.restart()
    assert reader.log_in().status_code == 303
    known = reader.fetch("/kag/many/runs.json").json()["seen"]
    with statements(reader) as seen:
        assert reader.fetch(f"/kag/many/runs.json?seen={known}").status_code == 204
    assert [one for one in seen if "FROM runs" in one] == []
