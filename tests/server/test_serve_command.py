"""`kag serve` and its keys, from the command line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.serve import app
from kag.errors import UserError
from kag.server.audit import note
from kag.server.keys import key_of
from kag.server.rights import Key, Role, Thing
from kag.server.store import Store


def test_a_key_is_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'sub' / 'tracking.db'}"
    runner = CliRunner()
    key = runner.invoke(app, ["key", "new", "laptop", "--db", database]).stdout.strip()
    assert len(key) == 40
    listed = runner.invoke(app, ["key", "list", "--db", database]).stdout
    assert listed.startswith("laptop\t")
    assert "in force" in listed
    assert key not in listed
    assert runner.invoke(app, ["key", "revoke", "laptop", "--db", database]).exit_code == 0
    assert "revoked" in runner.invoke(app, ["key", "list", "--db", database]).stdout
    store = Store(database)
    with store.read() as connection:
        assert key_of(connection, key, now=0.0) is None
    store.close()


def test_an_open_address_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    words = ["--host", "0.0.0.0", "--db", f"sqlite:///{tmp_path / 'x.db'}", "--files", str(tmp_path / "files")]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, UserError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--port", "70000"], ["--lease", "0"], ["--failures", "0"]])
def test_options_have_bounds(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_key_says_what_it_is_for(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'tracking.db'}"
    runner = CliRunner()
    words = ["--role", "read", "--project", "kag/p", "--expires", "12h"]
    key = json.loads(runner.invoke(app, ["key", "new", "guest", *words, "--json", "--db", database]).stdout)["key"]
    runner.invoke(app, ["key", "new", "owner", "--db", database])
    guest, owner = json.loads(runner.invoke(app, ["key", "list", "--json", "--db", database]).stdout)
    assert (guest["role"], guest["project"], owner["role"], owner["project"]) == ("read", "kag/p", "admin", None)
    assert (owner["expires"], guest["revoked"]) == (None, None)
    begun, ends = (datetime.fromisoformat(guest[name]) for name in ("created", "expires"))
    assert ends - begun == timedelta(hours=12)
    listed = runner.invoke(app, ["key", "list", "--db", database]).stdout.splitlines()
    assert listed[0].endswith("\tread\tkag/p")
    assert listed[1].endswith("\tin force\tadmin\tall projects")
    store = Store(database)
    with store.read() as connection:
        assert key_of(connection, key, now=begun.timestamp()) == Key("guest", Role.READ, ("kag", "p"))
        assert key_of(connection, key, now=ends.timestamp() + 1) is None
    store.close()


@pytest.mark.parametrize(
    "words", [["--expires", "90"], ["--expires", "0d"], ["--expires", "d"], ["--project", "p"], ["--project", "a/b/c"]]
)
def test_a_key_that_nobody_can_have_meant_is_not_made(tmp_path: Path, words: list[str]) -> None:
    database = tmp_path / "tracking.db"
    result = CliRunner().invoke(app, ["key", "new", "guest", *words, "--db", f"sqlite:///{database}"])
    assert isinstance(result.exception, UserError)
    assert "nearest" in str(result.exception)
    assert not database.exists()


def test_the_trail_is_shown(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'tracking.db'}"
    store = Store(database)
    with store.write() as connection:
        for number in range(3):
            note(connection, "alice", "deleteRun", Thing(f"the run {number}", ("kag", "p")), now=float(number))
    store.close()
    shown = CliRunner().invoke(app, ["audit", "--last", "2", "--db", database]).stdout.splitlines()
    assert [line.split("\t")[1:] for line in shown] == [
        ["alice", "deleteRun", "kag/p", f"the run {number}", ""] for number in (1, 2)
    ]
    rows = json.loads(CliRunner().invoke(app, ["audit", "--json", "--db", database]).stdout)
    assert [row["what"] for row in rows] == ["the run 0", "the run 1", "the run 2"]
