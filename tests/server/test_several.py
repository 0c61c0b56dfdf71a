"""Several servers of one database: what one of them knows, the others know, and none takes away what another needs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from kag.server.app import make_app
from kag.server.artifact_files import add_files
from kag.server.batches import Batches
from kag.server.begin import begin, delete
from kag.server.context import Context, decode_id
from kag.server.files import drop_unnamed
from kag.server.heartbeats import heartbeat
from kag.server.links import Links
from kag.server.page.guesses import ATTEMPTS, WINDOW
from kag.server.presence import LOCK, present
from kag.server.prune import prune
from kag.server.rights import Key, Role
from kag.server.runs import ensure_project
from kag.server.store import find
from kag.server.tables import artifact_files, artifacts, blobs, sweeps
from tests.e2e.tracking import until
from tests.page.conftest import Visitor, token_of
from tests.server.artifact_log import Log
from tests.server.conftest import Site
from tests.server.test_security import upload_link
from tests.server.test_sweeps_server import agent, beat, make


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Makes two servers of one database and one folder of files; words are those of the second one."""
    made: list[Site] = []

    def servers(kind: type[Site] = Site, url: str = "", **words: Any) -> tuple[Any, Any]:
        first = kind(tmp_path, url=url)
        second = kind(tmp_path, url=url, key=first.key, **words)
        made.extend((first, second))
        return first, second

    yield servers
    for one in made:
        one.http.close()
        one.store.close()


def test_several_servers_are_not_more_patient_with_wrong_keys_than_one(two: Any) -> None:
    both = two(Visitor)
    for server, _ in zip(itertools.cycle(both), range(ATTEMPTS), strict=False):
        assert server.log_in("wrong").status_code == 403
    assert [server.log_in().status_code for server in both] == [429, 429]
    for server in both:
        server.now += WINDOW + 1
    assert [server.log_in().status_code for server in both] == [303, 303]


def test_a_log_in_is_one_everywhere_and_so_is_its_end(two: Any) -> None:
    first, second = two(Visitor)
    assert first.log_in().status_code == 303
    copy = "; ".join(f"{name}={value}" for name, value in first.cookies().items())
    page = second.browse("/", Cookie=copy)
    assert page.status_code == 200
    assert second.submit("/logout", {"csrf": token_of(page.text)}, Cookie=copy).status_code == 303
    assert first.browse("/").status_code == 303


def test_clients_can_report_since_the_first_of_the_servers_began(tmp_path: Path) -> None:
    with present(tmp_path, now=10) as first:
        with present(tmp_path, now=20) as second:
            assert (first, second) == (10, 10)
        with present(tmp_path, now=30) as again:
            assert again == 10
    with present(tmp_path, now=40) as alone:
        assert alone == 40
    (tmp_path / LOCK).write_text("")  # of one that was killed before it wrote
    with present(tmp_path, now=50) as fresh:
        assert fresh == 50


def test_a_server_that_starts_beside_another_one_tells_the_same_of_a_silent_run(two: Any) -> None:
    first, second = two(since=1_000_000.0)
    first.run()
    for server in (first, second):
        server.now += first.settings.crashed_after + 1
    second.restart()
    assert (first.state(), second.state()) == ("crashed", "crashed")


def test_a_server_that_starts_again_and_again_does_not_keep_leases_alive(two: Any) -> None:
    first, second = two(since=1_000_000.0)
    sweep = make(first)
    dead, alive = agent(first, sweep), agent(first, sweep)
    run, other = beat(first, dead)[0]["run_id"], beat(second, alive)[0]["run_id"]
    for _ in range(4):
        first.now = second.now = second.now + 20
        second.restart()
        assert beat(second, alive, other) == []
    third = agent(first, sweep)
    assert beat(second, third)[0]["run_id"] == f"{run}-2"


def test_what_a_server_is_receiving_another_one_leaves_alone_when_it_starts_and_when_it_prunes(two: Any) -> None:
    first, second = two()
    first.run()
    query = """mutation{createRunFiles(input:{projectName:"p",runName:"first",files:["a.bin"]}){files{uploadUrl}}}"""
    link = first.ask(query)["createRunFiles"]["files"][0]["uploadUrl"]
    folder = first.settings.files

    def pieces() -> Iterator[bytes]:
        yield b"one"
        make_app(second.store, second.settings, clock=lambda: second.now)
        prune(second.store, folder, now=first.now, keep_days=None, project=None, dry_run=False)
        assert len(list(folder.folder.glob("*/*.part"))) == 1
        yield b"two"

    assert first.http.put(link, content=pieces()).status_code == 200
    query = '{project(name:"p"){run(name:"first"){files(names:["a.bin"]){edges{node{directUrl}}}}}}'
    found = second.ask(query)["project"]["run"]["files"]["edges"][0]["node"]["directUrl"]
    assert second.http.get(found).content == b"onetwo"


def context_of(site: Site, connection: Connection) -> Context:
    links, key = Links(b"x" * 32, "tester", "http://127.0.0.1"), Key("tester", Role.ADMIN, None)
    return Context(connection, Batches(connection, keep=False), site.settings, links, key, site.now, site.now)


def somebody_waits(site: Site) -> bool:
    with site.store.read() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


def test_of_two_that_begin_one_run_at_two_servers_one_makes_it(two: Any, new_postgres: Any) -> None:
    first, second = two(url=new_postgres())
    second.run("another")
    made: list[Any] = []
    other = threading.Thread(target=lambda: made.append(second.run()["inserted"]))
    with first.store.write() as connection:
        project = ensure_project(connection, "kag", "p", now=first.now)
        assert begin(context_of(first, connection), project, {"name": "first"})[1]
        other.start()
        until(lambda: somebody_waits(first), what="that the other one waits")
    other.join()
    assert made == [False]


def test_a_file_of_a_run_that_is_deleted_at_another_server_meanwhile_is_refused(two: Any, new_postgres: Any) -> None:
    first, second = two(url=new_postgres())
    number = second.run()["bucket"]["id"]
    link = upload_link(second, "a.bin")
    codes: list[int] = []
    sending = threading.Thread(target=lambda: codes.append(second.http.put(link, content=b"late").status_code))
    with first.store.write() as connection:
        delete(connection, decode_id("Run", number), now=first.now)
        sending.start()
        until(lambda: somebody_waits(first), what="that the file waits")
    sending.join()
    assert codes == [404]
    assert list(first.settings.files.folder.glob("*/*")) == []


def test_many_wrong_keys_at_once_count_every_one(two: Any, new_postgres: Any) -> None:
    servers = two(Visitor, url=new_postgres())
    codes: list[int] = []

    def guess(server: Visitor) -> None:
        codes.extend(server.log_in("wrong").status_code for _ in range(ATTEMPTS))

    guessing = [threading.Thread(target=guess, args=(server,)) for server in servers]
    for one in guessing:
        one.start()
    for one in guessing:
        one.join()
    assert (codes.count(403), codes.count(429)) == (ATTEMPTS, ATTEMPTS * (len(servers) - 1))


def test_content_that_is_named_again_is_not_dropped_meanwhile(two: Any, new_postgres: Any) -> None:
    """A version takes the content of another one, which is deleted, while a second server starts."""
    first, second = two(url=new_postgres())
    old = Log(first)({"w.txt": b"weights"}, "old")
    new = Log(first)({"x.txt": b"others"}, "new", commit=False)
    with first.store.write() as connection:
        digest = connection.execute(select(blobs.c.md5).join(artifact_files).filter_by(name="w.txt")).scalar_one()
        taken = add_files(context_of(first, connection), decode_id("Artifact", new), {"w.txt": digest})
        with second.store.write() as other:
            other.execute(artifacts.delete().filter_by(id=decode_id("Artifact", old)))
        assert drop_unnamed(second.store, second.settings.files) == 1, "the manifest alone"
    with second.store.read() as connection:
        path = connection.execute(select(blobs.c.path).filter_by(id=taken["w.txt"]["blob_id"])).scalar_one()
    assert first.settings.files.read(path) == b"weights"


def test_a_run_begins_while_a_heartbeat_holds_its_sweep(two: Any, new_postgres: Callable[[], str]) -> None:
    """One held the project and waited for the sweep, the other held the sweep and waited for the project."""
    both = two(Site, url=new_postgres())
    sweep = make(both[0])
    working = agent(both[0], sweep)

    def context(connection: Connection, site: Site) -> Context:
        links = Links(b"x" * 32, "admin", "http://127.0.0.1")
        key = Key("admin", Role.ADMIN)
        return Context(connection, Batches(connection, keep=False), site.settings, links, key, site.now, site.now)

    first, second = both
    with first.store.write() as held:
        heartbeat(context(held, first), {"id": working, "runState": "{}"})
        assert find(held, sweeps, lock=True, id=decode_id("Sweep", sweep["id"])) is not None
        with second.store.write() as other:
            other.execute(text("SET LOCAL lock_timeout = '2s'"))
            project = ensure_project(other, "kag", "p", now=second.now)
            begin(context(other, second), project, {"name": "beside", "sweep": sweep["name"]})
