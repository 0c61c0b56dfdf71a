"""The state of the code that runs, asked of git: no prompt, no lock on the repository, no long wait."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kag.text import printable
from kag.track.generated import is_generated
from kag.track.record import GitFacts

_TIMEOUT = 30.0
"""Seconds; a huge tree on a slow disk takes some."""

_LARGEST_COMPARED = 1 << 20
"""Bytes of an untracked file that is read to tell its versions apart."""

_TWO_DIGITS = "[0-9][0-9]"
_DAY = f"{_TWO_DIGITS}{_TWO_DIGITS}-{_TWO_DIGITS}-{_TWO_DIGITS}"
_TIME = f"{_TWO_DIGITS}-{_TWO_DIGITS}-{_TWO_DIGITS}"
_CODE = ("--", ":(top)", f":(top,exclude,glob)**/{_DAY}_{_TIME}_*/**")
"""Everything but run folders: what runs write is not code."""

_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
"""A patch that any git takes, whatever this one is configured to print."""

_INHERITED = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)
"""Set inside git hooks, or by a person; they would name another repository than the folder's, or other files."""

_SETTINGS = ("core.quotePath=false", "log.showSignature=false", "log.showRoot=true", "log.follow=false")
"""What a person may have set otherwise, and no option of a command says."""

_LOG = logging.getLogger(__name__)


class GitFailed(Exception):
    """git is missing, hangs, or says no."""


def git_facts(folder: Path, *, parent_commit: str | None) -> GitFacts | None:
    """Commit and changed files of the repository around a folder; paths are relative to its top.

    Run folders are left out, and so is what kag generates. Where the parent's commit is not in this repository,
    `touched` holds the uncommitted files alone and `since` is None.

    Returns:
        None outside a repository and before its first commit; also, with a warning in the log, if git cannot answer.
    """
    try:
        top = _top(folder)
        if top is None or (commit := _commit(top, "HEAD")) is None:
            return None
        uncommitted = sorted({*_changed(top, "HEAD"), *_untracked(top)})
        since = _commit(top, parent_commit) if parent_commit else None
        changed = _changed(top, since, commit) if since else []
    except GitFailed as failed:
        _LOG.warning("the run is recorded without its commit: %s", failed)
        return None
    return GitFacts(
        commit=commit,
        dirty=bool(uncommitted),
        uncommitted=tuple(uncommitted),
        touched=tuple(sorted({*changed, *uncommitted})),
        since=since,
    )


def dirty_patch(folder: Path) -> bytes:
    """What `git apply` needs to come from the commit to the tracked files as they are; empty if all is committed.

    An untracked file may be anything, a `.env` with passwords too, and a run's folder goes round: a line in front of
    the patch names it and its version, and it is not copied. Empty, too, where `git_facts` returns None.
    """
    try:
        top = _top(folder)
        if top is None or _commit(top, "HEAD") is None:
            return b""
        untracked = {path: version for path in _untracked(top) if (version := _version(top / path)) is not None}
        changed = _changed(top, "HEAD")
        patch = run_git(top, "diff", "--binary", *_PLAIN, "HEAD", "--", *_literally(changed)) if changed else b""
    except GitFailed as failed:
        _LOG.warning("the run is recorded without its uncommitted changes: %s", failed)
        return b""
    named = (f"# not carried, untracked: {printable(path)} ({version})\n" for path, version in untracked.items())
    return "".join(named).encode() + patch


def _top(folder: Path) -> Path | None:
    """Top of the working tree, or None outside a repository."""
    try:
        return _asked_path(folder, "--show-toplevel")
    except GitFailed as failed:
        if "not a git repository" in str(failed):
            return None
        raise


def _commit(top: Path, name: str) -> str | None:
    """Full id of a commit, or None if the repository has none of that name."""
    try:
        said = run_git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except GitFailed:
        return None
    return said.decode().strip()


def _changed(top: Path, *commits: str) -> list[str]:
    """Files that differ between two commits, or between one and the working tree, untracked ones left out."""
    return _code(top, run_git(top, "diff", "--name-only", "--no-renames", "-z", *commits, *_CODE))


def _untracked(top: Path) -> list[str]:
    """Untracked files that git does not ignore."""
    return _code(top, run_git(top, "ls-files", "--others", "--exclude-standard", "-z", *_CODE))


def _version(path: Path) -> str | None:
    """What tells the versions of an untracked file apart: its size, and of a small one a digest too short to try
    passwords on. None if it has vanished since git saw it, as an editor's scratch file may.
    """
    try:
        size = path.lstat().st_size
        if path.is_symlink() or size > _LARGEST_COMPARED:
            return f"{size} bytes"
        return f"{size} bytes, {hashlib.sha256(path.read_bytes()).hexdigest()[:4]}"
    except FileNotFoundError:
        return None


def _asked_path(folder: Path, *words: str) -> Path:
    return Path(os.fsdecode(run_git(folder, "rev-parse", *words).removesuffix(b"\n")))


def _code(top: Path, output: bytes) -> list[str]:
    """The paths that git has printed, without what kag generates."""
    paths = (os.fsdecode(path) for path in output.split(b"\0") if path)
    return [path for path in paths if not is_generated(top / path)]


def _literally(paths: Iterable[str]) -> list[str]:
    """Paths as they are, which hold no pattern."""
    return [f":(top,literal){path}" for path in paths]


def keep_out_of_git(folder: Path) -> None:
    """What lies in a folder is no code: it must not make a run's tree look changed. A list of the user's own stays."""
    with suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as ignored:
        ignored.write("*\n")


def run_git(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    """Standard output of a git command, which gets no more to read than `stdin`.

    Raises:
        GitFailed: with what git said.
    """
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    own = {key: value for key, value in os.environ.items() if key not in _INHERITED}
    own |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "--no-replace-objects", *settings, *words],
            cwd=folder,
            env=own,
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise GitFailed("git is not installed") from None
    except OSError as error:
        raise GitFailed(f"git cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise GitFailed(f"`git {words[0]}` took longer than {_TIMEOUT:g} s") from None
    if done.returncode != 0:
        raise GitFailed(f"`git {words[0]}`: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
