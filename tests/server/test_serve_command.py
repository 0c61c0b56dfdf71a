"""`kag serve` and its keys, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.serve import app
from kag.errors import UserError
from kag.server.keys import key_of
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
