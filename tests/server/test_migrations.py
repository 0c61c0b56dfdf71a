"""Databases of earlier releases are migrated: everything is read back, whatever kills the process meanwhile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from kag.errors import StorageError, UserError
from kag.server import layout, migrate
from kag.server.store import Store, find
from kag.server.tables import artifacts, collections, metadata, trials
from kag.server.trials import kept_columns
from kag.sweep import Trial
from tests import warm
from tests.e2e.tracking import until
from tests.server.old_layouts import NAMES, OLD, Made, Served

KINDS = ["sqlite", "postgresql"]
EVERY = [
    *(pytest.param("sqlite", name) for name in NAMES),
    pytest.param("postgresql", OLD[0]),
]
Database = Callable[[str, str], str]
KILLS = 7
"""`make server` kills twenty."""


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Makes a database of a kind, as a release made it; its URL."""

    def make(kind: str, name: str = OLD[0]) -> str:
        if kind == "sqlite":
            return Made(name).sqlite(tmp_path / "tracking.db")
        return Made(name).postgresql(tmp_path, request.getfixturevalue("new_postgres")())

    return make


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_what_a_release_answered_is_answered_after_migrating(
    database: Database, tmp_path: Path, kind: str, name: str
) -> None:
    made, told = Made(name), list[str]()
    with Served(made, Store(database(kind, name), tell=told.append), tmp_path / "files") as site:
        assert site.answers() == made.answers
    assert len(told) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_migrated_database_goes_on(database: Database, tmp_path: Path, kind: str) -> None:
    """Runs log, points of the sweep end, and no number is given twice: v1 was deleted, v3 comes next."""
    made = Made("4d88beb")
    rows = {"files": {"wandb-history.jsonl": {"offset": 1, "content": ['{"_step": 1, "score": 0.9}']}}}
    with Served(made, Store(database(kind), tell=quiet), tmp_path / "files") as site:
        run = f"/files/kag/p/{made.sweep}-0002/file_stream"
        assert site.http.post(run, json=rows | {"complete": True, "exitcode": 0}).status_code == 200
        changed = {name for name, answer in site.answers().items() if answer != made.answers[name]}
        assert changed == {"runs of p", "sweep"}
        with site.store.read() as connection:
            waiting, counted = find(connection, artifacts, state="PENDING"), find(connection, collections, name="m")
            assert waiting is not None
            assert json.loads(waiting["wanted_aliases"]) == ["waits"]
            assert counted is not None
            assert counted["next_version"] == 3


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_steps_and_tables_agree(database: Database, tmp_path: Path, kind: str, name: str) -> None:
    """Whoever changes tables.py writes a step: kag/server/migrations/versions/layout_NNNN.py."""
    store, fresh = Store(database(kind, name), tell=quiet), Store(f"sqlite:///{tmp_path / 'fresh.db'}")
    with store.read() as connection:
        lite = connection.dialect.name == "sqlite"  # of which alembic misreads a default of ''
        context = MigrationContext.configure(connection, opts={"compare_server_default": not lite})
        assert compare_metadata(context, metadata) == []
        if lite:
            with fresh.read() as other:
                assert structure(connection) == structure(other)
    store.close()
    fresh.close()


def structure(connection: sa.Connection) -> dict[str, Any]:
    """What alembic does not compare: keys, what goes with what, unique columns, how SQLite numbers rows."""
    found = sa.inspect(connection)
    texts = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
    return {
        name: (
            sorted(str((one["name"], one["type"], one["nullable"], one["default"])) for one in found.get_columns(name)),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(str((one["constrained_columns"], one["referred_table"], one["options"]))
                   for one in found.get_foreign_keys(name)),
            sorted(one["column_names"] for one in found.get_unique_constraints(name)),
            sorted((str(one["name"]), one["column_names"]) for one in found.get_indexes(name)),
            re.findall("AUTOINCREMENT|WITHOUT ROWID", text),
        )
        for name, text in texts
        if not name.startswith(("sqlite_", "alembic_"))
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_trials_say_what_their_bodies_say(database: Database, name: str) -> None:
    store = Store(database("sqlite", name), tell=quiet)
    with store.read() as connection:
        rows = connection.execute(sa.select(trials)).mappings().all()
    store.close()
    assert {row["state"] for row in rows} >= {"leased", "finished"}
    for row in rows:
        kept = {**kept_columns(Trial.model_validate_json(row["body"])), "body": row["body"]}
        assert {column: row[column] for column in kept} == kept


def test_steps_are_numbered_without_a_gap() -> None:
    steps = sorted(path.stem for path in (layout.STEPS / "versions").glob("layout_*.py"))
    assert steps == [f"layout_{number:04}" for number in range(1, len(steps) + 1)]
    assert layout.newest() == steps[-1].removeprefix("layout_")


def test_a_copy_is_made_before_and_it_is_said_where(tmp_path: Path) -> None:
    made, told = Made("4d88beb"), list[str]()
    Store(made.sqlite(tmp_path / "tracking.db"), tell=told.append).close()
    assert told[0].startswith(f"migrating the database from layout 0000 to {layout.newest()}; a copy of it as it was")
    copy = Path(told[0].rpartition(" ")[2])
    assert copy.parent == tmp_path
    assert copy.stat().st_mode & 0o777 == 0o600
    with Served(made, Store(f"sqlite:///{copy}", tell=quiet), tmp_path / "files") as site:
        assert site.answers() == made.answers


def test_a_version_that_never_arrived_takes_no_name_away(tmp_path: Path) -> None:
    url = Made("4d88beb").sqlite(tmp_path / "tracking.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE aliases SET artifact_id = 5 WHERE alias = 'latest' AND collection_id = 1")
        connection.exec_driver_sql("INSERT INTO aliases (artifact_id, collection_id, alias) VALUES (1, 1, 'v2')")
    engine.dispose()
    with Served(Made("4d88beb"), Store(url, tell=quiet), tmp_path / "files") as site:
        answers = site.answers()
    assert answers["version m:latest"]["artifactCollectionMembership"]["versionIndex"] == 2
    assert answers["version m:v2"]["artifactCollectionMembership"]["versionIndex"] == 2


def test_a_database_that_a_later_kag_has_opened_in_vain_is_migrated(database: Database, tmp_path: Path) -> None:
    """Part 8 made the tables that it lacked beside the old ones, and answered "busy" from then on."""
    url = database("sqlite")
    engine = sa.create_engine(url)
    metadata.create_all(engine)
    engine.dispose()
    with Served(Made("4d88beb"), Store(url, tell=quiet), tmp_path / "files") as site:
        assert site.answers() == Made("4d88beb").answers


def test_only_a_server_migrates(database: Database) -> None:
    with pytest.raises(UserError, match=r"has layout 0000, and this kag works with \d+\n.*start `kag serve`"):
        Store(database("sqlite"))


def test_a_newer_database_is_refused_with_the_remedy(database: Database) -> None:
    url = database("sqlite")
    store = Store(url, tell=quiet)
    with store.write() as connection:
        layout.number(connection, "9999")
    store.close()
    with pytest.raises(UserError, match=r"layout 9999, which is newer(.|\n)*install the kag that migrated it"):
        Store(url, tell=quiet)


@pytest.mark.parametrize("name", ["runs", "alembic_version"])
def test_what_is_not_kags_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {name} (version_num TEXT)")
    with pytest.raises(UserError, match="no database of kag: it holds"):
        Store(f"sqlite:///{tmp_path / 'other.db'}", tell=quiet)
    assert len(sa.inspect(engine).get_table_names()) == 1
    engine.dispose()


def test_a_layout_that_no_release_had_is_refused(tmp_path: Path) -> None:
    url = Made("4d88beb").sqlite(tmp_path / "tracking.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN resume_asked_at")
    engine.dispose()
    with pytest.raises(UserError, match="a layout that no release of kag had"):
        Store(url, tell=quiet)


def test_a_fresh_database_has_a_number(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'tracking.db'}")
    with store.read() as connection:
        assert layout.layout_of(connection) == layout.newest()
        assert "alembic_version" in sa.inspect(connection).get_table_names()
    store.close()


def test_without_room_for_the_copy_nothing_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = Made("4d88beb").sqlite(tmp_path / "tracking.db")

    def full(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrate, "copy_sqlite", full)
    with pytest.raises(StorageError, match="was not migrated and is as it was: the disk of the server is full"):
        Store(url, tell=quiet)
    monkeypatch.undo()
    Store(url, tell=quiet).close()


def test_a_step_that_fails_leaves_the_database_and_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = Made("4d88beb").sqlite(tmp_path / "tracking.db")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrate, "steps", full)
    with pytest.raises(StorageError, match="is as it was"):
        Store(url, tell=quiet)
    assert [path.name for path in tmp_path.glob("tracking.db.*")] == []


@pytest.mark.slow(10, "a migration that is killed at any moment leaves the old database or the new one")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_moment_it_is_either_version(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    url = "" if kind == "sqlite" else request.getfixturevalue("new_postgres")()
    words = [sys.executable, "-m", "tests.server.killed_migration", str(tmp_path), url, str(KILLS)]
    done = warm.run(words, cwd=Path(__file__).parents[2], env=os.environ, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    seen = found["kills"]
    assert len(seen) == KILLS
    assert {one["signal"] for one in seen} == {9}
    assert {one["is"] for one in seen[:-1]} == {"old"}
    assert seen[-1]["is"] == "new"  # killed when all was done
    assert found["then"] is True  # what was killed in the middle is migrated the next time


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_two_processes_one_migrates_and_the_other_waits(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    made = Made("4d88beb")
    if kind == "sqlite":
        url = made.sqlite(tmp_path / "tracking.db")
    else:
        url = made.postgresql(tmp_path, request.getfixturevalue("new_postgres")())
    code = (
        "import sys; from kag.server.store import Store; input(); Store(sys.argv[1], tell=print).close(); print('open')"
    )
    words = [sys.executable, "-c", code, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(words, cwd=root, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    printed = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(text.count("migrating the database") for text in printed) == [0, 1]
    assert all(text.endswith("open\n") for text in printed)


def test_nobody_looks_at_a_layout_while_it_changes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In PostgreSQL each question sees what is there at its moment: some columns as they were, others as they are."""
    url, told, looked = database("postgresql", OLD[0]), list[str](), list[str | None]()
    watching = sa.create_engine(url)
    look, steps = layout.layout_of, migrate.steps

    def noted(connection: sa.Connection) -> str | None:
        found = look(connection)
        looked.append(found)
        return found

    def one_waits() -> bool:
        with watching.connect() as connection:
            return bool(connection.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())

    with ThreadPoolExecutor() as pool:

        def overtaken(connection: sa.Connection, found: str) -> None:
            monkeypatch.setattr(layout, "layout_of", noted)
            others.append(pool.submit(lambda: Store(url, tell=told.append).close()))
            until(one_waits, what="the other one waits")
            assert looked == []
            steps(connection, found)

        others: list[Future[None]] = []
        monkeypatch.setattr(migrate, "steps", overtaken)
        Store(url, tell=quiet).close()
        others[0].result()
    watching.dispose()
    assert (looked, told) == ([layout.newest()], [])
