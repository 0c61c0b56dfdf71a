"""`kag serve` and its keys, from the command line."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trustme
from click.testing import Result
from typer.testing import CliRunner

from kag.cli.serve import app
from kag.errors import UserError
from kag.server.audit import note
from kag.server.keys import key_of
from kag.server.rights import Key, Role, Thing
from kag.server.serve import check_certificate, listening
from kag.server.store import Store
from tests.server.artifact_log import Log
from tests.server.conftest import Site


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


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refused(*words: str) -> str:
    """What a command says that is refused."""
    result = run(*words)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    "words",
    [["key", "list"], ["key", "revoke", "x"], ["check"], ["prune"], ["project", "list"], ["backup", "there"]],
    ids=" ".join,
)
def test_who_only_looks_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no such database" in refused(*words, "--db", "sqlite:///folder/typo.db")
    assert list(tmp_path.iterdir()) == []


def test_a_used_port_is_said_in_one_sentence_before_anything_is_made(tmp_path: Path) -> None:
    with closing(listening("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("--port", port, "--db", f"sqlite:///{tmp_path / 'x.db'}", "--files", str(tmp_path / "files"))
    assert isinstance(result.exception, UserError)
    assert f"cannot listen at port {port}: another process has it" in str(result.exception)
    assert result.output == ""
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    assert "cannot listen at port" in refused("--host", "no.such.host.invalid", "--insecure", "--db", "sqlite:///x.db")


def test_tls_files_are_read_before_anything_is_made(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    certificate, key, wrong = (tmp_path / name for name in ("cert.pem", "key.pem", "wrong.pem"))
    one.cert_chain_pems[0].write_to_path(certificate)
    one.private_key_pem.write_to_path(key)
    other.private_key_pem.write_to_path(wrong)
    check_certificate(certificate, key)
    with pytest.raises(UserError, match=r"nowhere.pem: cannot read this TLS file: No such file"):
        check_certificate(tmp_path / "nowhere.pem", key)
    for broken in (wrong, certificate):
        with pytest.raises(UserError, match="no certificate \\(PEM\\) with its own key"):
            check_certificate(certificate, broken)


def test_backup_check_prune_and_deletion_of_a_project(tmp_path: Path) -> None:
    site = Site(tmp_path)
    Log(site)({"w.txt": b"weights"})
    site.http.close()
    site.store.close()
    place = ["--db", f"sqlite:///{tmp_path / 'tracking.db'}", "--files", str(tmp_path / "files")]
    assert run("backup", str(tmp_path / "backup"), *place).output == f"{tmp_path / 'backup'} holds runs: 1, files: 2\n"
    assert "files are whole" in run("check", *place).output
    assert run("prune", "--dry-run", *place).output == "would be removed: runs: 0, files: 0 (0 B)\n"
    assert run("project", "list", *place[:2]).output == "kag/p\t1\n"
    assert "kag/p" in refused("project", "delete", "kag/x", *place)
    assert json.loads(run("project", "delete", "kag/p", "--dry-run", "--json", *place).output)["runs"] == 1
    assert run("project", "delete", "kag/p", *place).output == "deleted: kag/p, runs: 1\n"
    assert list((tmp_path / "files").glob("*/*")) == []
    assert run("project", "list", *place[:2]).output == ""
    again = ["--db", f"sqlite:///{tmp_path / 'again.db'}", "--files", str(tmp_path / "again")]
    assert run("restore", str(tmp_path / "backup"), *again).exit_code == 0
    assert run("project", "list", *again[:2]).output == "kag/p\t1\n"
    next(path for path in (tmp_path / "again").glob("*/*") if path.read_bytes() == b"weights").unlink()
    result = run("check", *again)
    assert result.exit_code == 1
    assert result.output.endswith(" is missing\n")


def test_a_project_in_which_runs_log_is_not_deleted(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.now = time.time()
    site.run()
    site.http.close()
    site.store.close()
    place = ["--db", f"sqlite:///{tmp_path / 'tracking.db'}", "--files", str(tmp_path / "files")]
    assert "runs of this project are logging" in refused("project", "delete", "kag/p", *place)


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
