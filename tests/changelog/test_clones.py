"""The same runs, the same document: in every clone, from every folder, on every clock, with git and without."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kag.changelog.marker import STRUCTURE, marker
from kag.changelog.repository import SHALLOW
from kag.cli import changelog
from kag.errors import KagError
from kag.track.record import Failure, GitFacts, Status
from tests.changelog.git_code import Code
from tests.changelog.run_logs import make_folder, run_record

LOG = "LOG.md"
REMARK = "Measured again in spring."
SETTINGS = """
[log]
    showSignature = true
    showRoot = false
    follow = true
[color]
    ui = always
[core]
    quotePath = true
[diff]
    relative = true
    noprefix = true
    mnemonicPrefix = true
[i18n]
    logOutputEncoding = latin1
"""

app = typer.Typer()
app.add_typer(changelog.app, name="changelog")


def kag(*words: object) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    result = CliRunner().invoke(app, ["changelog", *map(str, words)])
    if isinstance(result.exception, KagError):
        return result.exception.exit_code, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with code, runs that stand on it and their log, all of it committed."""
    code = Code(tmp_path_factory.mktemp("clones") / "full")
    first = code.commit("begin", kag__model__gate="x = 1\n", kag__train__job="x = 1\n")
    mended = code.commit("mend – größer", kag__model__gate="x = 2\n", kag__train__job="x = 2\n")
    failure = Failure(error="TypeError", message="m", where="kag/train/job.py:12")
    runs = code.folder / "runs"
    make_folder(runs, run_record(0, git=GitFacts(commit=first), status=Status.ABORTED, failure=failure))
    make_folder(runs, run_record(1, val=0.3, git=GitFacts(commit=mended)), notes="über alles | gut")
    made = subprocess.run(
        [sys.executable, "-c", "from kag.cli.main import main; main()", "changelog", "--write", LOG],
        cwd=code.folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert "2 rows came, 0 changed, 0 went" in made.stderr
    shutil.rmtree(runs / ".changelog")
    code.git("add", "--all")
    code.git("commit", "--quiet", "--message", "log")
    text = (code.folder / LOG).read_text(encoding="utf-8")
    assert f"the next commit to touch that file is `{mended[:10]}`" in text
    assert "mend – größer" in text
    return code.folder


def here(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "clone", "--quiet", full.as_uri(), folder], check=True)
    patch.chdir(folder)
    return folder


def shallow(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", full.as_uri(), folder], check=True)
    patch.chdir(folder)
    return folder


def exported(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(full, folder, ignore=shutil.ignore_patterns(".git"))
    patch.chdir(folder)
    return folder


def without_git(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setenv("PATH", str(here(full, folder, patch) / "nothing"))
    return folder


def owned_by_another(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    here(full, folder, patch)
    patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    return folder


def from_elsewhere(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    here(full, folder, patch)
    other = Code(folder.with_name("other"))
    other.commit("something else", kag__model__gate="y\n")
    patch.chdir(other.folder)
    return folder


def on_another_clock(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    return here(full, folder, patch)


def with_settings(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    here(full, folder, patch)
    (folder.parent / "settings").write_text(SETTINGS, encoding="utf-8")
    patch.setenv("GIT_CONFIG_GLOBAL", str(folder.parent / "settings"))
    patch.setenv("GIT_LITERAL_PATHSPECS", "1")
    return folder


def inside_a_hook(full: Path, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    here(full, folder, patch)
    patch.setenv("GIT_DIR", str(folder / "nowhere"))
    return folder


PLACES: list[tuple[Callable[[Path, Path, pytest.MonkeyPatch], Path], str]] = [
    (here, ""),
    (shallow, SHALLOW),
    (exported, "in no git repository"),
    (without_git, "git is not installed"),
    (owned_by_another, "belongs to somebody else"),
    (from_elsewhere, ""),
    (on_another_clock, ""),
    (with_settings, ""),
    (inside_a_hook, ""),
]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    yield
    time.tzset()


def answers(folder: Path) -> Iterator[tuple[int, str, bytes]]:
    """Of some things that a person does before a write: exit code of the check, what it says, what is written then."""
    words, file = ("--source", folder / "runs", "--write", folder / LOG), folder / LOG
    text, place = file.read_text(encoding="utf-8"), marker(STRUCTURE, "begin")
    remark, old = text.replace("\n- ", f"\n{REMARK}\n- "), re.sub(" printed=[0-9a-f]*", "", text)
    for before in (text, remark, old, old.replace(place, f"{place}\n\n{REMARK}\n")):
        file.write_text(before, encoding="utf-8")
        code, said = kag(*words, "--check")
        assert kag(*words)[0] == 0
        yield code, said, file.read_bytes()
        assert kag(*words, "--check")[0] == 0
        make_folder(folder / "runs", run_record(2, val=0.4))


@pytest.fixture(scope="module")
def wanted(full: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, bytes]]:
    """The same where nothing is amiss."""
    folder = tmp_path_factory.mktemp("wanted") / "copy"
    shutil.copytree(full, folder)
    return [(code, written) for code, _, written in answers(folder)]


def test_nothing_is_stale_but_what_was_changed(wanted: list[tuple[int, bytes]]) -> None:
    assert [code for code, _ in wanted] == [0, 1, 1, 1]
    assert [REMARK.encode() in written for _, written in wanted] == [False, True, False, True]


@pytest.mark.parametrize(("place", "why"), PLACES, ids=[place.__name__ for place, _ in PLACES])
def test_the_answer_and_the_document_are_the_same_everywhere(
    full: Path,
    wanted: list[tuple[int, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[Path, Path, pytest.MonkeyPatch], Path],
    why: str,
) -> None:
    found = list(answers(place(full, tmp_path / "clone", monkeypatch)))
    assert [(code, written) for code, _, written in found] == wanted
    assert all(why in said for _, said, _ in found)


def test_why_git_says_nothing_is_said_of_an_unchanged_document_too(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kag.changelog.stamp.SETTLED_NS", 0)
    folder = shallow(full, tmp_path / "clone", monkeypatch)
    kag("--write", LOG)
    assert (folder / "runs/.changelog/stamps.json").exists()
    monkeypatch.setattr("kag.changelog.write.collect", None)
    assert kag("--write", LOG, "--check") == (0, f"nothing is said anew about changes of the code: {SHALLOW}\n")


def test_a_plain_locale_without_git_is_no_other_document(full: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    shutil.copytree(full, folder)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Tokyo", "PATH": "/nowhere"}
    checked = subprocess.run(
        [sys.executable, "-c", "from kag.cli.main import main; main()", "changelog", "--write", LOG, "--check"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **plain},
    )
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "git is not installed" in checked.stderr
