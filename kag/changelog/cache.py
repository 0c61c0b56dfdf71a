"""What rules made of each history, so that an unchanged run is not read again. Losing the cache costs time only."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kag.errors import StorageError
from kag.finding import Finding
from kag.track.atomic import write_atomically
from kag.track.code import code_digest
from kag.track.record import RunRecord, Status
from kag.track.stated import Course

Version = tuple[int, ...]
"""Times, sizes and inodes of the files that something was made of."""

FOLDER = ".changelog"
"""Folder of the cache inside a folder of runs."""

CODE = (
    *("changelog", "compare", "view", "track", "stats", "spec", "sweep"),
    *("names", "finding", "errors", "text", "number"),
)
"""All that the document is made with: other code finds and writes other things, so its cache is dropped."""

_FINDINGS = f"{FOLDER}/findings.json"
_ABSENT = (0, 0, 0)


class Item(BaseModel):
    """What is kept of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    status: Status
    """How the run stood, which can change without a change of its files."""
    metrics: str
    """Those that counted, where the rules looked at them: of another program's run."""
    course: Course
    courses: dict[str, Course]
    findings: tuple[Finding, ...]
    former: tuple[Course, ...]

    def fits(self, record: RunRecord, version: Version, metrics: str) -> bool:
        """Whether it was made of this run as it stands, by these metrics."""
        return (self.version, self.status, self.metrics) == (version, record.status, metrics)


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    items: dict[str, Item]


def read_items(runs: Path) -> dict[str, Item]:
    """What is kept inside a folder of runs, by run id; nothing if it is missing or torn, or the rules have changed."""
    try:
        content = _Content.model_validate_json((runs / _FINDINGS).read_bytes())
    except (OSError, ValidationError):
        return {}
    return content.items if content.code == code_digest(*CODE) else {}


def keep_items(runs: Path, items: dict[str, Item]) -> None:
    """Keep this and nothing else."""
    keep_file(runs / _FINDINGS, _Content(code=code_digest(*CODE), items=items).model_dump_json())


def keep_file(file: Path, content: str) -> None:
    """Write a file of the cache; where a folder of runs cannot be written to, there is none."""
    try:
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, content)
    except (OSError, StorageError):
        return


def version_of(*files: str | Path) -> Version:
    """Changes whenever one of the files does; a file may be missing."""
    return tuple(number for file in files for number in _stat(file))


def _stat(file: str | Path) -> tuple[int, int, int]:
    try:
        stat = os.stat(file)
    except FileNotFoundError:
        return _ABSENT
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
