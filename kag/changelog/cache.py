"""What rules made of each history, so that an unchanged run is not read again. Losing the cache costs time only."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kag.changelog.entry import Entry
from kag.changelog.logged import Course
from kag.spec.finding import Finding
from kag.track.atomic import write_atomically

Version = tuple[int, ...]
"""Times, sizes and inodes of the files that an item was made of."""

FILE = ".changelog-cache.json"


class Item(BaseModel):
    """What is kept of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    course: Course
    findings: tuple[Finding, ...]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    items: dict[str, Item] = {}


class Cache:
    """The cache of a folder of runs."""

    def __init__(self, file: Path, content: _Content) -> None:
        self._file = file
        self._before = content.items
        self._items: dict[str, Item] = {}

    @classmethod
    def read(cls, runs: Path) -> Cache:
        """The cache beside the runs; empty if there is none, it is torn, or the rules have changed since."""
        file = runs / FILE
        empty = _Content(code=_code_digest())
        try:
            content = _Content.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            content = empty
        return cls(file, content if content.code == empty.code else empty)

    def get(self, run: str, version: Version) -> Item | None:
        """What is known of a run, if its files are the same."""
        item = self._before.get(run)
        if item is None or item.version != version:
            return None
        self._items[run] = item
        return item

    def put(self, run: str, version: Version, entry: Entry) -> Item:
        """Keep what was made of a run."""
        item = self._items[run] = Item(version=version, course=entry.course, findings=entry.findings)
        return item

    def write(self) -> None:
        """Write the cache if it has changed; a folder that cannot be written to goes without."""
        if self._items == self._before:
            return
        content = _Content(code=_code_digest(), items=self._items)
        try:
            write_atomically(self._file, content.model_dump_json())
        except OSError:
            return


@cache
def _code_digest() -> str:
    """Changes with any line of this package: other rules, other findings."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
