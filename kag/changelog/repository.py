"""What the change log asks of git: which commits lie between the runs, and what they touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kag.track.git import GitFailed, run_git


@dataclass(frozen=True)
class Commit:
    """One commit."""

    id: str
    day: date
    subject: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Repository:
    """The git repository around a folder. What it does not have (no git, another history) is simply not found."""

    folder: Path

    def state(self) -> str:
        """Where it is and whether its history is whole; empty outside git. Commits themselves never change."""
        return self._ask("rev-parse", "--show-toplevel", "--is-shallow-repository") or ""

    def next_touching(self, file: str, *, after: str, until: str) -> str | None:
        """The first commit after one, up to another, that touched a file; None if there is none."""
        words = ("rev-list", "--reverse", "--end-of-options", f"{after}..{until}", "--", f":(top){file}")
        return next(iter((self._ask(*words) or "").split()), None)

    def changed(self, first: str, last: str) -> list[str] | None:
        """Files that differ between two commits; None where one of them is not here."""
        words = ("diff", "--name-only", "--no-renames", "-z", "--end-of-options", first, last)
        said = self._ask(*words)
        return None if said is None else [file for file in said.split("\0") if file]

    def between(self, first: str, last: str, folders: Sequence[str]) -> Iterator[Commit]:
        """Commits after one, up to another, that touched any of the folders; oldest first, merges left out."""
        shape = "--format=%x00%H%x1f%cs%x1f%s%x1f"
        places = [f":(top){folder}" for folder in folders]
        words = ("log", "--reverse", "--no-merges", "--no-renames", "--name-only", shape)
        said = self._ask(*words, "--end-of-options", f"{first}..{last}", "--", *places)
        for piece in (said or "").split("\0")[1:]:
            commit, day, subject, files = piece.split("\x1f", 3)
            touched = tuple(file for file in files.split("\n") if file)
            yield Commit(commit, date.fromisoformat(day), subject, touched)

    def text(self, commit: str, file: str) -> str | None:
        """A file as it was at a commit, or None if it was not there."""
        return self._ask("show", "--end-of-options", f"{commit}:{file}")

    def files(self, commit: str, folder: str) -> list[str]:
        """Files below a folder as it was at a commit."""
        said = self._ask("ls-tree", "-r", "--name-only", "--full-tree", commit, "--", folder)
        return (said or "").splitlines()

    def _ask(self, *words: str) -> str | None:
        """What git answers, or None if it says no."""
        try:
            return run_git(self.folder, "-c", "core.quotePath=false", *words).decode(errors="replace")
        except GitFailed:
            return None
