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


def known(runs: Path, made_of: str | None, text: str) -> str | None:
    """What was said when this text was written from files in this state; None where it was not."""
    return None if made_of is None else _read(runs).get(_pair(made_of, text))


def remember(runs: Path, made_of: str | None, text: str, said: str) -> None:
    """Note that this is the text of files in this state; a few are kept, for as many documents."""
    if made_of is not None:
        pair = _pair(made_of, text)
        others = [one for one in _read(runs).items() if one[0] != pair]
        keep_file(_file(runs), json.dumps(dict([*others, (pair, said)][-KEPT:])))


def _pair(made_of: str, text: str) -> str:
    return hashlib.sha256(f"{made_of}{text}".encode()).hexdigest()


def _run_files(runs: Path) -> Iterator[str]:
    with os.scandir(runs) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name != FOLDER)
    for name in names:
        yield from (os.path.join(runs, name, file) for file in _FILES)


def _read(runs: Path) -> dict[str, str]:
    try:
        content = json.loads(_file(runs).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _file(runs: Path) -> Path:
    return runs / FOLDER / "stamps.json"
