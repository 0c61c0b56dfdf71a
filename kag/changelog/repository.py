"""What the change log asks of git: which commits lie between the runs, and what they touched.

"Nothing" and "not known" are two answers. Where git cannot say (no git, no repository, a history that is cut off, an
owner whom git does not trust), `NotKnown` is raised, and whoever asked leaves what stood there before. Git is asked a
constant number of times, whatever number of runs and commits there is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import dropwhile
from pathlib import Path, PurePosixPath

from kag.track.git import GitFailed, run_git

SHALLOW = "the history here is shallow (`git fetch --unshallow` completes it)"
"""The commonest reason why git cannot say: continuous integration checks out so."""

_REASONS = {
    "not a git repository": "the document lies in no git repository",
    "dubious ownership": "git does not trust this repository, which belongs to somebody else (see `safe.directory`)",
}
"""What git says where it cannot answer at all, and what is told."""

_BRANCHES = ("--exclude=refs/stash", "--exclude=refs/notes/*", "--all")
"""Every commit that a clone of this repository can have, too."""

_LOG = ("log", "--stdin", "--reverse", "--date-order", "--no-merges", "--no-renames", "--no-relative", "--name-only")
_DIFF = ("diff-tree", "--stdin", "-r", "--no-renames", "--name-only", "-z")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHAPE = ("--no-color", "--encoding=UTF-8", "--format=%x00%H%x1f%P%x1f%cs%x1f%s%x1f")


class NotKnown(Exception):
    """Git cannot say. The text is why, to follow a colon."""


@dataclass(frozen=True)
class Commit:
    """One commit."""

    id: str
    parent: str | None
    """None for a first one."""
    day: date
    """By the clock of who committed it, wherever it is looked at."""
    subject: str
    files: tuple[str, ...]
    """Those that were asked for."""


@dataclass(frozen=True)
class Between:
    """The commits between some: those that are part of the history of one of them, but not of all."""

    commits: tuple[Commit, ...] = ()
    """Those that touched what was asked for; oldest first, merges left out."""
    missing: tuple[str, ...] = ()
    """Given commits that no branch here has."""
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of every commit here, parents before their children."""

    def next_touching(self, file: str, *, after: str) -> str | None:
        """The first commit between that came out of another one and touched a file; None if there is none."""
        touching = {commit.id for commit in self.commits if file in commit.files}
        later = {after}
        for commit in dropwhile(lambda one: one != after, self.parents) if touching else ():
            if not later.isdisjoint(self.parents[commit]):
                later.add(commit)
                if commit in touching:
                    return commit
        return None

    def has(self, beginning: str) -> bool:
        """Whether a branch here has a commit whose id begins so."""
        return any(commit.startswith(beginning) for commit in self.parents)


@dataclass(frozen=True)
class Repository:
    """The git repository around a folder."""

    folder: Path

    @classmethod
    def around(cls, file: Path) -> Repository:
        """That of a file, which need not exist yet, wherever the command runs."""
        return cls(next(folder for folder in Path(file.resolve()).parents if folder.is_dir()))

    def state(self) -> str:
        """All that its answers depend on: what branches it has, and whether their history is whole, or why it is
        silent. Commits themselves never change.
        """
        try:
            self._require_whole()
            return f"{self.folder} {self._ask('rev-list', '--no-walk', *_BRANCHES)!r}"
        except NotKnown as why:
            return f"{self.folder} {why}"

    def between(self, commits: Collection[str], paths: Iterable[str]) -> Between:
        """What lies between commits, and which of it touched any of the files and folders.

        Raises:
            NotKnown: the history is not here, or not whole.
        """
        self._require_whole()
        lines = self._ask("rev-list", "--topo-order", "--parents", *_BRANCHES).decode().splitlines()
        children_first = {commit: tuple(parents) for commit, *parents in map(str.split, lines)}
        known = [commit for commit in commits if commit in children_first]
        inside, shared = _parted(children_first, known)
        found = tuple(self._touching(inside, shared, paths)) if inside else ()
        missing = tuple(commit for commit in commits if commit not in children_first)
        return Between(found, missing, dict(reversed(children_first.items())))

    def holds(self, commits: Iterable[str]) -> set[str]:
        """Those commits that are here, be it in no branch any more, as after a rebase.

        Raises:
            NotKnown: git cannot say.
        """
        said = self._ask("cat-file", "--batch-check", stdin="".join(f"{commit}\n" for commit in commits).encode())
        return {line.split()[0] for line in said.decode().splitlines() if line.split()[1] == "commit"}

    def changed(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """The files that differ between two commits, for every pair of which both are here.

        Raises:
            NotKnown: git cannot say.
        """
        trees = self._trees({commit for pair in pairs for commit in pair})
        known = [pair for pair in pairs if trees.keys() >= set(pair)]
        heads = [f"{trees[first]} {trees[last]}\n".encode() for first, last in known]
        if not heads:
            return {}
        said = self._ask(*_DIFF, stdin=b"".join(heads))
        found: dict[tuple[str, str], list[str]] = {}
        for pair, head, after in zip(known, heads, [*heads[1:], b""], strict=True):
            said = said.removeprefix(head)
            end = said.find(after) if after else len(said)
            found[pair] = [os.fsdecode(file) for file in said[:end].split(b"\0") if file]
            said = said[end:]
        return found

    def texts(self, commits: Collection[str], folder: str) -> dict[str, list[str]]:
        """The files of a folder as they were at some commits, by the name of the file; empty where it was not there.

        Raises:
            NotKnown: git cannot say.
        """
        roots = dict(zip(commits, self._objects(f"{commit}:{folder}" for commit in commits), strict=True))
        trees = {commit: dict(_entries(root, len(commit) // 2)) for commit, root in roots.items()}
        wanted = sorted({blob for tree in trees.values() for blob in tree.values()})
        blobs = dict(zip(wanted, self._objects(wanted), strict=True))
        return {
            commit: [blobs[tree[name]].decode(errors="replace") for name in sorted(tree)]
            for commit, tree in trees.items()
        }

    def _touching(self, inside: list[str], shared: list[str], paths: Iterable[str]) -> Iterator[Commit]:
        places = [f":(top,literal){path}" for path in paths if _is_inside(path)]
        asked = [*sorted(inside), *(f"^{commit}" for commit in shared), "--", *places]
        said = self._ask(*_LOG, *_SHAPE, stdin="".join(f"{word}\n" for word in asked).encode())
        for piece in said.decode(errors="replace").split("\0")[1:]:
            head, _, files = piece.rpartition("\x1f")
            commit, parents, day, subject = head.split("\x1f", 3)
            touched = tuple(file for file in files.split("\n") if file)
            yield Commit(commit, next(iter(parents.split()), None), date.fromisoformat(day), subject, touched)

    def _objects(self, names: Iterable[str]) -> Iterator[bytes]:
        """What git holds under each of the names; empty where there is nothing."""
        names = list(names)
        said = self._ask("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode()) if names else b""
        for name in names:
            head, _, said = said.partition(b"\n")
            if head == f"{name} missing".encode():
                yield b""
                continue
            size = int(head.split()[-1])
            yield said[:size]
            said = said[size + 1 :]

    def _trees(self, commits: Iterable[str]) -> dict[str, str]:
        """The tree of each commit that is here."""
        asked = [commit for commit in commits if _COMMIT.fullmatch(commit)]
        lines = "".join(f"{commit}^{{tree}}\n" for commit in asked).encode()
        said = self._ask("cat-file", "--batch-check", stdin=lines).decode().splitlines() if asked else []
        return {commit: line.split()[0] for commit, line in zip(asked, said, strict=True) if line.split()[1] == "tree"}

    def _require_whole(self) -> None:
        if self._ask("rev-parse", "--is-shallow-repository").strip() == b"true":
            raise NotKnown(SHALLOW)

    def _ask(self, *words: str, stdin: bytes = b"") -> bytes:
        try:
            return run_git(self.folder, *words, stdin=stdin)
        except GitFailed as failed:
            told = (reason for sign, reason in _REASONS.items() if sign in str(failed))
            raise NotKnown(next(told, str(failed).partition("\n")[0])) from failed


def _parted(children_first: Mapping[str, tuple[str, ...]], tips: Collection[str]) -> tuple[list[str], list[str]]:
    """Of the histories of some commits, what some have and not all, and the newest of what all have."""
    of = {tip: 1 << place for place, tip in enumerate(dict.fromkeys(tips))}
    everyone = (1 << len(of)) - 1
    reached: dict[str, int] = dict(of)
    for commit, parents in children_first.items():
        for parent in parents if commit in reached else ():
            reached[parent] = reached.get(parent, 0) | reached[commit]
    inside = [commit for commit in children_first if 0 < reached.get(commit, 0) < everyone]
    edge = {parent for commit in inside for parent in children_first[commit] if reached[parent] == everyone}
    return inside, sorted(edge)


def _entries(tree: bytes, width: int) -> Iterator[tuple[str, str]]:
    """Name and object of every file in a tree of git, folders passed over; `width` is the bytes of an object's id."""
    while tree:
        head, _, tree = tree.partition(b"\0")
        mode, _, name = head.partition(b" ")
        if mode.startswith(b"100"):
            yield name.decode(errors="replace"), tree[:width].hex()
        tree = tree[width:]


def _is_inside(path: str) -> bool:
    """Whether git can have a file of this name: an absolute one, or one with `..`, it takes for a mistake."""
    place = PurePosixPath(path)
    return not place.is_absolute() and ".." not in place.parts and "\n" not in path
