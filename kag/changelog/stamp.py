"""Whether a document is what the last update left, told from the state of the files alone, before any run is read."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kag.changelog.cache import CODE, FOLDER, keep_file, version_of
from kag.track.code import code_digest

SETTLED_NS = 2_000_000_000
"""A file younger than this may change once more without a sign: clocks of file systems are coarse."""

KEPT = 8
"""Documents that are remembered."""

_FILES = ("record.json", "history.jsonl", "notes.md")


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


def is_known(runs: Path, made_of: str | None, text: str) -> bool:
    """Whether this text was written from files in this state."""
    return made_of is not None and _pair(made_of, text) in _read(runs)


def remember(runs: Path, made_of: str | None, text: str) -> None:
    """Note that this is the text of files in this state; a few are kept, for as many documents."""
    if made_of is not None:
        pair = _pair(made_of, text)
        keep_file(_file(runs), json.dumps([*(known for known in _read(runs) if known != pair), pair][-KEPT:]))


def _pair(made_of: str, text: str) -> str:
    return hashlib.sha256(f"{made_of}{text}".encode()).hexdigest()


def _run_files(runs: Path) -> Iterator[str]:
    with os.scandir(runs) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name != FOLDER)
    for name in names:
        yield from (os.path.join(runs, name, file) for file in _FILES)


def _read(runs: Path) -> list[str]:
    try:
        content = json.loads(_file(runs).read_bytes())
    except (OSError, ValueError):
        return []
    return content if isinstance(content, list) else []


def _file(runs: Path) -> Path:
    return runs / FOLDER / "stamps.json"
