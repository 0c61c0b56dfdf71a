from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from kag.track import git as repository_files
from kag.track.git import dirty_patch, git_facts


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "répo with space"
    top.mkdir()
    git(top, "init", "-q")
    (top / ".gitignore").write_text("*.ckpt\n")
    (top / "model.py").write_text("alpha = 1\n")
    (top / "old.py").write_text("gone = 1\n")
    (top / "table.bin").write_bytes(bytes(range(256)))
    commit(top)
    return top


def git(top: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.autocrlf=false")
    return subprocess.run(["git", *identity, *words], cwd=top, capture_output=True, text=True, check=True).stdout


def commit(top: Path) -> str:
    git(top, "add", "-A")
    git(top, "commit", "-q", "--allow-empty", "-m", "step")
    return git(top, "rev-parse", "HEAD").strip()


def change(top: Path) -> None:
    (top / "model.py").write_text("alpha = 2\n")
    (top / "old.py").unlink()
    (top / "new [1].py").write_text("fresh = 'é'\n")
    (top / "staged.py").write_text("staged = 1\n")
    git(top, "add", "staged.py")
    (top / "table.bin").write_bytes(bytes(range(255, -1, -1)))
    (top / "weights.ckpt").write_text("ignored")
    for runs in (top / "runs", top):
        run = runs / "2025-10-21_12-48-11_oct17"
        run.mkdir(parents=True)
        (run / "record.json").write_text("{}")
    (top / "runs/specs").mkdir()
    (top / "runs/specs/a.yaml").write_text("name: a\n")


CHANGED = ("model.py", "new [1].py", "old.py", "runs/specs/a.yaml", "staged.py", "table.bin")


def test_outside_a_repository_there_is_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert git_facts(tmp_path, parent_commit=None) is None
    assert dirty_patch(tmp_path) == b""
    assert not caplog.records


def test_before_the_first_commit_there_is_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_facts(tmp_path, parent_commit=None) is None
    assert dirty_patch(tmp_path) == b""


def test_clean_tree(repository: Path) -> None:
    facts = git_facts(repository, parent_commit=None)
    assert facts is not None
    assert facts.commit == git(repository, "rev-parse", "HEAD").strip()
    assert (facts.dirty, facts.uncommitted, facts.touched, facts.since) == (False, (), (), None)
    assert dirty_patch(repository) == b""


def test_uncommitted_files_are_code_that_is_not_ignored(repository: Path) -> None:
    change(repository)
    facts = git_facts(repository / "runs", parent_commit=None)
    assert facts is not None
    assert facts.dirty
    assert facts.uncommitted == facts.touched == CHANGED


def test_touched_counts_from_the_parents_commit(repository: Path) -> None:
    parent = git(repository, "rev-parse", "HEAD").strip()
    (repository / "loss.py").write_text("x = 1\n")
    git(repository, "mv", "old.py", "renamed.py")
    commit(repository)
    (repository / "model.py").write_text("alpha = 3\n")
    facts = git_facts(repository, parent_commit=parent)
    assert facts is not None
    assert facts.touched == ("loss.py", "model.py", "old.py", "renamed.py")
    assert facts.uncommitted == ("model.py",)
    assert facts.since == parent


@pytest.mark.parametrize("unknown", ["0" * 40, "--output=stolen", "no-such-name"])
def test_an_unknown_parent_commit_is_not_counted_from(repository: Path, unknown: str) -> None:
    (repository / "model.py").write_text("alpha = 3\n")
    facts = git_facts(repository, parent_commit=unknown)
    assert facts is not None
    assert (facts.touched, facts.since) == (("model.py",), None)
    assert not (repository / "stolen").exists()


def test_patch_rebuilds_the_tracked_files_and_leaves_the_index_alone(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(repository, "clone", "-q", str(repository), str(clone))
    git(repository, "config", "diff.noprefix", "true")
    git(repository, "config", "color.ui", "always")
    change(repository)
    before = git(repository, "status", "--porcelain")
    patch = dirty_patch(repository / "runs")
    assert git(repository, "status", "--porcelain") == before
    (tmp_path / "p.patch").write_bytes(patch)
    git(clone, "apply", str(tmp_path / "p.patch"))
    for path in set(CHANGED) - {"new [1].py", "runs/specs/a.yaml"}:
        was, now = repository / path, clone / path
        assert was.exists() == now.exists()
        assert not was.exists() or was.read_bytes() == now.read_bytes()
    assert not (clone / "new [1].py").exists()
    assert not (clone / "2025-10-21_12-48-11_oct17").exists()


def test_an_untracked_file_is_named_and_not_copied(repository: Path) -> None:
    (repository / ".env").write_text("PASSWORD=hunter2")
    (repository / "large.txt").write_text("x" * ((1 << 20) + 1))
    (repository / "to\x1b[31mred").write_text("1")
    (repository / "link").symlink_to("/etc/hostname")
    first = dirty_patch(repository).decode().splitlines()
    assert [line.split(" (")[0].removeprefix("# not carried, untracked: ") for line in first] == [
        ".env", "large.txt", "link", "to\\x1b[31mred"
    ]  # fmt: skip
    assert "(1048577 bytes)" in first[1]
    (repository / ".env").write_text("PASSWORD=hunter3")
    second = dirty_patch(repository).decode().splitlines()
    assert second[0] != first[0], "another version is known as one"
    assert second[1:] == first[1:]
    assert not any("hunter" in line or "\x1b" in line for line in [*first, *second])


def test_a_file_that_vanishes_while_it_is_looked_at_is_left_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor's scratch file is gone by the time that its size is asked for."""
    change(repository)
    listed = repository_files._untracked

    monkeypatch.setattr(repository_files, "_untracked", lambda top: [*listed(top), ".model.py.swp"])
    assert b"alpha = 2" in dirty_patch(repository)


def test_a_repository_named_by_a_hook_is_not_asked(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert git_facts(tmp_path, parent_commit=None) is None


def test_without_git_there_is_a_warning(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "")
    with caplog.at_level(logging.WARNING):
        assert git_facts(repository, parent_commit=None) is None
    assert "git is not installed" in caplog.text


WRITTEN = {
    "LOG.md": "# Log\n\n<!-- kag:changelog:begin -->\n| a |\n<!-- kag:changelog:end -->\n",
    "report.html": '<html><head><meta name="generator" content="kag 0.1">',
    "log.html": '<meta name="generator" content="kag-changelog">',
    "log.json": '[\n  {\n    "format": "kag-changelog",',
    "hard.json": '{\n "format": "kag-mined",',
    "best.yaml": "# The best trial of a sweep, e/p/1; it is written anew.\nname: a\n",
    "sites.h5": "\x89HDF\r\n",
}
OWN = {
    "GUIDE.md": "As in\n```\n<!-- kag:changelog:begin -->\n```\n",
    "index.html": '<meta name="generator" content="hugo">',
    "settings.json": '{"format": "mine"}',
    "spec.yaml": "name: a  # The best trial of a sweep\n",
    "notes.h5": "no data",
}


def test_what_kag_writes_is_no_code_that_changed_whether_committed_or_not(repository: Path) -> None:
    parent = commit(repository)
    for name, text in {**WRITTEN, **OWN}.items():
        (repository / name).write_bytes(text.encode("latin-1"))
    facts = git_facts(repository, parent_commit=parent)
    assert facts is not None
    assert facts.uncommitted == tuple(sorted(OWN))
    assert not any(name in dirty_patch(repository).decode() for name in WRITTEN)
    commit(repository)
    (repository / "LOG.md").write_text(f"{WRITTEN['LOG.md']}more\n")
    facts = git_facts(repository, parent_commit=parent)
    assert facts is not None
    assert (facts.dirty, facts.touched) == (False, tuple(sorted(OWN)))
    assert dirty_patch(repository) == b"", "a log that is written anew is no change of the program"


def test_a_figure_that_kag_writes_is_known_as_its_own(tmp_path: Path) -> None:
    from kag.report.figure import Bars
    from kag.report.png import png
    from kag.track.generated import is_generated

    (tmp_path / "f.png").write_bytes(png(Bars(name="b", title="t", value_label="x", labels=("a",), values=(1.0,))))
    assert is_generated(tmp_path / "f.png")
    (tmp_path / "f.png").write_bytes(b"\x89PNG\r\n of somebody else")
    assert not is_generated(tmp_path / "f.png")
