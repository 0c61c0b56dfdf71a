"""A remedy that is a command can be pasted: it is quoted for a shell, has the options of the call, and works."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from small_spec import SMALL
from test_help import taken

from kag.spec import build_spec, spec_text
from kag.text import command
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag, Outcome

COMMAND = re.compile(r"`(kag [^`]+)`|(?:to let go|look at it with): (kag .+)")


def pasted(kag: Kag, told: str) -> Outcome:
    """Run the one command that a text names, as a shell reads it."""
    (found,) = COMMAND.findall(told)
    return kag(*shlex.split("".join(found))[1:])


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs in a folder whose name a shell would take apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    runs = tmp_path / "Ann's runs; $HOME"
    make_folder(runs, run_record(0, "first", tags=["a tag"]), notes="mine")
    make_folder(runs, run_record(1, "second", tags=["a tag", "$(b)"]))
    return runs


def test_a_command_is_what_a_shell_gives_back() -> None:
    words = ("train", "it's", "--runs", "a b", "$HOME", "`x`", "", "new\nline")
    assert shlex.split(command(*words[:2], runs=words[3])) == ["kag", *words[:4]]
    assert shlex.split(command(*words)) == ["kag", *words]


def test_an_unknown_run_is_looked_for_where_it_was(kag: Kag, runs: Path) -> None:
    for words in (("runs", "show", "nobody"), ("note", "nobody", "x"), ("doctor", "nobody"), ("report", "nobody")):
        done = kag(*words, "--runs", runs)
        assert done.code == 2
        listed = pasted(kag, done.error)
        assert listed.code == 0
        assert "first" in listed.out


def test_a_stale_document_is_renewed_by_the_command_that_the_check_names(kag: Kag, runs: Path) -> None:
    document = runs.parent / "my log.md"
    call = ("changelog", "--source", runs, "--since", "2025-10-02", "--tag", "$(b)", "--tag", "a tag")
    stale = kag(*call, "--check", "--write", document)
    assert stale.code == 1
    assert pasted(kag, stale.error).code == 0
    assert "second" in document.read_text()
    assert "first" not in document.read_text()
    assert kag(*call, "--check", "--write", document).code == 0


def test_rows_go_by_the_command_that_the_refusal_names(kag: Kag, runs: Path) -> None:
    document = runs.parent / "log.md"
    assert kag("changelog", "--source", runs, "--write", document).code == 0
    refused = kag("changelog", "--source", runs, "--write", document, "--tag", "$(b)")
    assert refused.code == 2, "a row with a note would go"
    assert pasted(kag, refused.error).code == 0
    assert "first" not in document.read_text()


def test_data_are_looked_at_by_the_command_that_made_them_names(kag: Kag, runs: Path) -> None:
    done = kag("data", "synth", runs.parent / "my data.h5", "--proteins", "3", "--points", "9")
    assert pasted(kag, done.out).code == 0


def test_a_backup_and_its_database_are_checked_where_they_are(kag: Kag, runs: Path) -> None:
    place = ("--db", f"sqlite:///{runs}/a b.db", "--files", f"{runs}/my files")
    assert kag("serve", "key", "new", "laptop", *place[:2]).code == 0
    stray = runs / "my files" / "ab" / "abcd"
    stray.parent.mkdir(parents=True)
    stray.write_text("nobody's")
    os.utime(stray, (0, 0))
    assert pasted(kag, kag("serve", "check", *place).out).code == 0
    assert not stray.exists()


def test_what_runs_on_and_on_is_at_least_understood(kag: Kag, runs: Path) -> None:
    for done in (
        kag("page", "--runs", runs),
        kag("sweep", "show", "a/b/c", "--runs", runs),
        kag("serve", "key", "list", "--db", f"sqlite:///{runs}/none.db"),
        kag("runs", "list", "--nonsense"),
        kag("runs", "lst"),
    ):
        assert done.code == 2
        (found,) = COMMAND.findall(done.error)
        words = "".join(found)
        if not words.endswith("--help"):
            assert str(runs) in " ".join(map(str, taken(words).values()))
        else:
            assert kag(*shlex.split(words)[1:]).code == 0


def test_a_file_that_is_read_only_is_opened_by_the_command_that_says_so(kag: Kag, runs: Path) -> None:
    document = runs / "my log.md"
    document.write_text("")
    document.chmod(0o444)
    refused = kag("changelog", "--source", runs, "--write", document)
    assert refused.code == 2
    remedy = refused.error.rpartition("remedy:")[2].strip()
    subprocess.run(["sh", "-c", remedy], check=True)
    assert "is read-only" not in kag("changelog", "--source", runs, "--write", document).error


def test_a_run_that_was_interrupted_goes_on_where_it_is(
    kag: Kag, runs: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kag.train.job import Job

    (runs.parent / "spec.yaml").write_text(spec_text(build_spec(SMALL, {"data.file": str(synthetic_file)})))
    step = Job.training_step

    def interrupted(self: Job, batch: Any, index: int) -> Any:
        signal.raise_signal(signal.SIGINT)
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "training_step", interrupted)
        stopped = kag("train", "spec.yaml", "--runs", runs)
    assert stopped.code == 128 + signal.SIGINT
    done = pasted(kag, stopped.out)
    assert done.code == 0, done.error
    (record,) = (found for found in map(RunFolder.read_record, RunFolder.all(runs)) if found.name == "small")
    assert (record.status, type(record)) == (Status.FINISHED, RunRecord)
    assert record.id in pasted(kag, done.out).out
