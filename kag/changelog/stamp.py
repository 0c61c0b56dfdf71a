"""Whether a document is what the last update left, told from the state of the files alone, before any run is read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from kag.changelog.cache import CODE, FOLDER, keep_file, version_of
from kag.errors import RecordError
from kag.track.code import code_digest
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord, Status

SETTLED_NS = 2_000_000_000
"""A file younger than this may change once more without a sign: clocks of file systems are coarse."""

KEPT = 8
"""Documents that are remembered."""

_FILES = ("record.json", "looks.jsonl", "history.jsonl", "notes.md")
_SCORES = "scores"
"""Folder whose files a tested difference rests on; they may come later than all else."""
_OPEN = (Status.RUNNING, Status.KILLED)


class _Written(BaseModel):
    said: str
    open_runs: dict[str, str]
    """Runs without an end, and how they stood."""


_KNOWN = TypeAdapter(dict[str, _Written])


def stamp(runs: Path, specs: Path, settings: str) -> str | None:
    """A digest of the state of all files that a document is made of; None if one of them is too young to tell.

    Args:
        runs: folder of runs.
        specs: folder of planned specs.
        settings: whatever else decides what is written.
    """
    digest = hashlib.sha256(f"{code_digest(*CODE)}\0{settings}".encode())
    youngest = 0
    for file in (*_run_files(runs), *map(str, sorted(specs.glob("*.yaml")))):
        version = version_of(file)
        youngest = max(youngest, version[0])
        digest.update(f"{file}{version}".encode())
    return None if time.time_ns() - youngest < SETTLED_NS else digest.hexdigest()


def known(runs: Path, made_of: str | None, text: str) -> str | None:
    """What was said when this text was written from files in this state, of runs that stood as they stand now; None
    where it was not.
    """
    found = _read(runs).get(_pair(made_of, text)) if made_of is not None else None
    same = found and all(_stands(runs, run, status) for run, status in found.open_runs.items())
    return found.said if found and same else None


def remember(runs: Path, made_of: str | None, text: str, records: Iterable[RunRecord], said: str) -> None:
    """Note that this is the text of files in this state; a few are kept, for as many documents.

    Args:
        runs: folder of runs.
        made_of: the state of its files.
        text: of the document.
        records: all runs as they were read. Of those without an end, the files do not tell how they stand.
        said: what there was to say when it was written.
    """
    if made_of is not None:
        written, pair = _read(runs), _pair(made_of, text)
        written.pop(pair, None)
        open_runs = {one.id: str(one.status) for one in records if one.end is None and one.status in _OPEN}
        written[pair] = _Written(said=said, open_runs=open_runs)
        keep_file(_file(runs), _KNOWN.dump_json(dict(list(written.items())[-KEPT:])).decode())


def _stands(runs: Path, run: str, status: str) -> bool:
    folder = RunFolder(runs / run)
    try:
        return as_it_stands(folder, folder.read_record()).status == status
    except RecordError:
        return False


def _pair(made_of: str, text: str) -> str:
    return hashlib.sha256(f"{made_of}{text}".encode()).hexdigest()


def _run_files(runs: Path) -> Iterator[str]:
    with os.scandir(runs) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name != FOLDER)
    for name in names:
        yield from (os.path.join(runs, name, file) for file in _FILES)
        yield from _entries_of(os.path.join(runs, name, _SCORES))


def _entries_of(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except OSError:
        return []


def _read(runs: Path) -> dict[str, _Written]:
    """Digest of a text and of what it was made of -> what else is known of it."""
    try:
        return _KNOWN.validate_json(_file(runs).read_bytes())
    except (OSError, ValidationError):
        return {}


def _file(runs: Path) -> Path:
    return runs / FOLDER / "stamps.json"
