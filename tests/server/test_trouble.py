"""What fails is told apart: what passes by itself, what somebody must mend, and what is a fault of kag."""

from __future__ import annotations

import logging
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from kag.errors import UserError
from kag.server import health
from kag.server.store import Store
from kag.server.trouble import BUSY, DAMAGED, FORBIDDEN, FULL, LACKING, UNREACHED, Trouble, shown, trouble_of

STREAM = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0}']}}}


def of_sqlite(code: int, text: str = "x") -> OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, error)


def of_postgresql(kind: type[psycopg.Error]) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, kind("x"))


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (of_sqlite(sqlite3.SQLITE_BUSY), BUSY),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), BUSY),
        (of_sqlite(sqlite3.SQLITE_FULL), FULL),
        (of_sqlite(sqlite3.SQLITE_READONLY_DIRECTORY), FORBIDDEN),
        (of_sqlite(sqlite3.SQLITE_CORRUPT), DAMAGED),
        (of_sqlite(sqlite3.SQLITE_ERROR, "no such table: runs"), LACKING),
        (of_sqlite(sqlite3.SQLITE_ERROR, "table runs has no column named x"), LACKING),
        (of_sqlite(sqlite3.SQLITE_ERROR, "near SELEC: syntax error"), None),
        (of_postgresql(psycopg.errors.DeadlockDetected), BUSY),
        (of_postgresql(psycopg.errors.TooManyConnections), BUSY),
        (of_postgresql(psycopg.errors.AdminShutdown), UNREACHED),
        (of_postgresql(psycopg.OperationalError), UNREACHED),
        (of_postgresql(psycopg.errors.UndefinedTable), LACKING),
        (of_postgresql(psycopg.errors.UndefinedColumn), LACKING),
        (of_postgresql(psycopg.errors.DiskFull), FULL),
        (of_postgresql(psycopg.errors.InsufficientPrivilege), FORBIDDEN),
        (of_postgresql(psycopg.errors.SyntaxError), None),
        (OSError(28, "No space left on device"), FULL),
        (PermissionError(13, "Permission denied"), FORBIDDEN),
        (ValueError("x"), None),
    ],
)
def test_errors_are_told_apart(error: Exception, trouble: Trouble | None) -> None:
    assert trouble_of(error) == trouble


def test_a_busy_database_says_when_to_come_again(own_site: Any) -> None:
    """Another process holds the file: a stream and a question are repeated by the client."""
    site = own_site
    site.run()
    blocking = sqlite3.connect(site.store.file, isolation_level=None)
    blocking.execute("BEGIN IMMEDIATE")
    event.listen(site.store.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA busy_timeout=10"))
    answer = site.stream(STREAM)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert "busy" in answer.json()["error"]
    assert site.post('mutation{upsertBucket(input:{name:"x",modelName:"p"}){inserted}}').status_code == 429
    blocking.execute("ROLLBACK")
    blocking.close()
    assert site.stream(STREAM).status_code == 200


@pytest.mark.parametrize("statement", ["DROP TABLE lines", "ALTER TABLE lines RENAME COLUMN body TO text"])
def test_a_broken_database_is_not_asked_again_and_again(
    site: Any, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients repeat neither 400 nor 200; a person reads 500; the log has a sentence and no stack."""
    site.run()
    with site.store.alter() as connection:
        connection.exec_driver_sql(statement)
    with caplog.at_level(logging.ERROR):
        answer = site.stream(STREAM)
    assert answer.status_code == 400
    assert "lacks a table or a column" in answer.json()["error"]
    assert [record.exc_info for record in caplog.records] == [None]
    assert "lines" in caplog.text
    query = 'query{project(name:"p"){run(name:"first"){history(minStep:0,maxStep:9,samples:9)}}}'
    answer = site.post(query)
    assert answer.status_code == 200
    assert "lacks a table or a column" in answer.json()["errors"][0]["message"]
    told = site.http.get("/healthz")
    assert told.status_code == 503
    assert told.json()["ok"] is False
    assert "lacks a table or a column" in told.json()["error"]


def test_a_page_of_a_broken_database_is_a_500(site: Any) -> None:
    with site.store.alter() as connection:
        connection.exec_driver_sql("DROP TABLE tickets")
    answer = site.http.get("/login/once/some-ticket", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "lacks a table or a column" in answer.text


def test_a_file_that_is_damaged_while_the_server_runs_is_named(site: Any) -> None:
    site.run()
    site.log(0, [{"_step": step, "x": "y" * 500} for step in range(100)])
    site.store.close()
    content = bytearray(site.store.file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    site.store.file.write_bytes(content)
    answer = site.stream(STREAM)
    assert answer.status_code == 400
    assert "damaged" in answer.json()["error"]
    assert site.http.get("/healthz").status_code == 503


def test_the_disk_is_asked_too(site: Any) -> None:
    assert site.http.get("/healthz").json() == {"ok": True}
    for path in site.settings.files.folder.iterdir():
        path.unlink()
    site.settings.files.folder.rmdir()
    told = site.http.get("/healthz")
    assert (told.status_code, told.json()["error"]) == (503, "the place where the server keeps its data is gone")


def test_who_asks_for_health_is_answered_in_time_whatever_hangs(site: Any) -> None:
    """Every connection is taken: the question gives up, and does not wait for one."""
    site.settings = replace(site.settings, healthy_within=0.01)
    site.restart()
    site.store.engine.pool._max_overflow = 0
    held = [site.store.engine.connect() for _ in range(site.store.engine.pool.size())]
    told = site.http.get("/healthz")
    assert (told.status_code, told.json()["ok"]) == (503, False)
    assert "did not answer within" in told.json()["error"]
    for one in held:
        one.close()


def test_metrics_are_what_prometheus_reads_and_need_a_key(site: Any) -> None:
    site.run()
    site.stream(STREAM | {"complete": True, "exitcode": 0})
    site.run("other")
    text = site.http.get("/metrics").text
    found = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert found["kag_runs", "finished"] == found["kag_runs", "running"] == found["kag_projects",] == 1
    assert found["kag_requests_total", "200", "graphql"] == 2
    assert found["kag_requests_total", "200", "files"] == 1
    assert found["kag_request_seconds_count", "graphql"] == 2
    assert found["process_resident_memory_bytes",] > 0
    assert found["kag_files_free_bytes",] > 0
    del site.http.headers["authorization"]
    assert site.http.get("/metrics").status_code == 401


SECRET = "S3cr:t/p@ss?x"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://kag:{SECRET}@127.0.0.1:1/kag",
        "postgresql+psycopg://kag:S3cr%3At@127.0.0.1:1/kag",
        f"postgresql+psycopg://kag:{SECRET}@/kag?host=/nowhere",
        f"postgresql+nodriver://kag:{SECRET}@h/kag",
        f"postgresq://kag:{SECRET}@h/kag",
        f"postgresql://kag:{SECRET}@h:port/kag",
        f"postgres:/kag:{SECRET}@h/kag",
        f"kag:{SECRET}@h/kag",
        f"postgresql+psycopg://127.0.0.1:1/kag?user=kag&password={SECRET.replace('?', '')}",
        "postgresql+psycopg://kag:S3cr@127.0.0.1:1/kag?nonsense=x",
    ],
)
def test_no_word_about_a_database_holds_its_password(url: str) -> None:
    with pytest.raises(UserError, match="cannot open the database") as caught:
        Store(url)
    error = caught.value
    assert "S3cr" not in str(error), str(error)
    assert "***" in str(error.where)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+psycopg://kag@/db?host=/tmp", "postgresql+psycopg://kag@/db?host=/tmp"),
        ("postgresql://u:p@w@h:5/db", "postgresql://u:***@h:5/db"),
        ("sqlite:////srv/a:b@c/tracking.db", "sqlite:////srv/a:b@c/tracking.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_everything_but_the_password_is_shown(url: str, says: str) -> None:
    assert shown(url) == says


@pytest.mark.parametrize("content", [b"what is this" * 1000, b""])
def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(UserError, match="damaged" if content else "holds nothing yet"):
        Store(f"sqlite:///{tmp_path / 'x.db'}", make=False)
    assert (tmp_path / "x.db").read_bytes()[: len(content)] == content


def test_many_who_ask_at_once_share_a_look(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that is under way may have missed what came since: it answers nobody who asked later."""
    asked, looks, go = 0, 0, threading.Event()
    real = health.Health._look

    def look(watched: health.Health) -> str | None:
        nonlocal looks
        looks += 1
        assert go.wait(60)
        return real(watched)

    async def ask(watched: health.Health, told: list[str | None]) -> None:
        nonlocal asked
        asked += 1
        told.append(await watched.trouble())

    async def all_at_once() -> list[str | None]:
        watched, told = health.Health(site.store, site.settings.files, within=600.0), list[str | None]()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask, watched, told)
            while asked < 20:
                await anyio.lowlevel.checkpoint()
            go.set()
        return told

    monkeypatch.setattr(health.Health, "_look", look)
    assert anyio.run(all_at_once) == [None] * 20
    assert 1 <= looks <= 2
