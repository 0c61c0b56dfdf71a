"""Files touched by a run of another program: what lies between the commits that the client sent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kag.changelog.entry import Entry
from kag.changelog.repository import Repository
from kag.changelog.siblings import Siblings
from kag.changelog.touched import with_touched
from kag.track.record import Found, GitFacts, RunRecord

SOMEBODY = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def touched(record: RunRecord, parent: RunRecord | None, repository: Repository) -> RunRecord:
    """A run beside its parent, as the log looks at it."""
    if parent is None:
        return with_touched(Siblings((Entry(record),)), repository).entries[0].record
    first = parent.model_copy(update={"id": "first", "name": "first", "start": record.start - timedelta(hours=1)})
    child = record.model_copy(update={"parent": "first"})
    found = with_touched(Siblings((Entry(first), Entry(child))), repository).entries[1].record
    return found.model_copy(update={"parent": record.parent})


def on(commit: str | None, **known: object) -> RunRecord:
    """A run on a commit."""
    git = GitFacts(commit=commit) if commit else None
    return RunRecord.model_validate(
        {
            "id": "r",
            "name": "r",
            "status": "finished",
            "start": "2025-10-20T00:00:00Z",
            "wandb_id": "w",
            "git": git,
            **known,
        }
    )


@pytest.fixture
def commit(tmp_path: Path) -> Callable[[str, str], str]:
    """Commit a file of a repository; the commit."""

    def git(*words: str) -> str:
        env = {**os.environ, **SOMEBODY}
        return subprocess.run(["git", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout

    def made(file: str, text: str) -> str:
        (tmp_path / file).write_text(text)
        git("add", file)
        git("commit", "--quiet", "--message", text)
        return git("rev-parse", "HEAD").strip()

    git("init", "--quiet")
    return made


def test_files_between_the_commits(tmp_path: Path, commit: Callable[[str, str], str]) -> None:
    first, second, third = commit("a.py", "1"), commit("ü b.py", "2"), commit("c.py", "3")
    repository = Repository(tmp_path)
    found = touched(on(third), on(first), repository)
    assert found.files_touched == ("c.py", "ü b.py")
    assert found.git == GitFacts(commit=third, touched=("c.py", "ü b.py"), since=first)
    assert touched(on(first), on(third), repository).files_touched == ("c.py", "ü b.py"), "a run may go back"
    assert touched(on(second), on(second), Repository(tmp_path / "elsewhere")).files_touched == ()


def test_what_the_repository_does_not_have_is_not_known(tmp_path: Path, commit: Callable[[str, str], str]) -> None:
    here = commit("a.py", "1")
    for parent in (on("0" * 40), on(None), None):
        found = touched(on(here), parent, Repository(tmp_path))
        assert (found.files_touched, found.git) == (None, GitFacts(commit=here))


def test_a_run_of_kag_has_said_it_itself(tmp_path: Path, commit: Callable[[str, str], str]) -> None:
    first, second = commit("a.py", "1"), commit("b.py", "2")
    own = on(second, found=Found())
    assert touched(own, on(first), Repository(tmp_path)) == own
    assert own.files_touched == ()
