"""What rules made of each history, so that an unchanged run is not read again. Losing the cache costs time only."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kag.changelog.entry import Entry
from kag.finding import Finding
from kag.track.atomic import write_atomically
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.record import Course

Version = tuple[int, ...]
"""Times, sizes and inodes of the files that something was made of."""

FOLDER = ".changelog"
"""Folder of the cache inside a folder of runs."""

PACKAGE = "changelog"
"""Other code of this package finds other things: its cache is dropped."""

_ABSENT = (0, 0, 0)


class Item(BaseModel):
    """What is kept of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    course: Course
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, version: Version, entry: Entry) -> Item:
        """What to keep of an entry."""
        return cls(version=version, course=entry.course, findings=entry.findings)


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    items: dict[str, Item] = {}


class Cache:
    """The cache of a folder of runs."""

    def __init__(self, file: Path, before: dict[str, Item]) -> None:
        self._file = file
        self._before = before
        self._items: dict[str, Item] = {}

    @classmethod
    def read(cls, runs: Path) -> Cache:
        """The cache inside a folder of runs; empty if there is none, it is torn, or the rules have changed since."""
        file = runs / FOLDER / "findings.json"
        try:
            content = _Content.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return cls(file, {})
        return cls(file, content.items if content.code == code_digest(PACKAGE) else {})

    def get(self, run: str, version: Version) -> Item | None:
        """What is known of a run, if its files are the same."""
        item = self._before.get(run)
        return item if item is not None and item.version == version else None

    def keep(self, run: str, item: Item) -> None:
        """Have this in the next cache."""
        self._items[run] = item

    def write(self) -> None:
        """Write what was kept, if it is anything new."""
        if self._items != self._before:
            keep_file(self._file, _Content(code=code_digest(PACKAGE), items=self._items).model_dump_json())


def keep_file(file: Path, content: str) -> None:
    """Write a file of the cache; where a folder of runs cannot be written to, there is none."""
    try:
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, content)
    except OSError:
        return


def version_of(*files: str | Path) -> Version:
    """Changes whenever one of the files does; a file may be missing."""
    return tuple(number for file in files for number in _stat(file))


def run_version(folder: RunFolder) -> Version:
    """Changes whenever the record or the history does."""
    return version_of(folder.record_file, folder.history_file)


def _stat(file: str | Path) -> tuple[int, int, int]:
    try:
        stat = os.stat(file)
    except FileNotFoundError:
        return _ABSENT
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
