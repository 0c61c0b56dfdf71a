"""`looks.jsonl`: every look at a test set by the weights of a run, one JSON object a line, in their order.

A file of its own beside the record: whoever looks while the run is trained, or together with others, loses nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from kag.errors import RecordError
from kag.names import ALL
from kag.track.atomic import storing, sync_folder
from kag.track.claim import claimed
from kag.track.reading import faults_of, read_bytes
from kag.track.result import Look, Looker, Result

SECRET = frozenset({"test", ALL})
"""Splits that nothing may be chosen by."""


def looks_of(results: Iterable[Result], *, by: Looker, when: datetime, file: str) -> tuple[Look, ...]:
    """The looks that results are, one for each test set and set of weights.

    Args:
        by: what looked.
        when: it did.
        file: name of the data file, without its folder.
    """
    seen = dict.fromkeys(
        (one.split, one.data_digest, one.weights_digest) for one in results if one.split in SECRET and one.data_digest
    )
    return tuple(
        Look(when=when, by=by, split=split, data_digest=data, weights_digest=weights, file=file)
        for split, data, weights in seen
        if data is not None
    )


def read(path: Path) -> tuple[Look, ...]:
    """Every look; none without the file. An unfinished last line is none yet.

    Raises:
        RecordError: a line is broken.
    """
    *lines, _unfinished = (read_bytes(path) if path.exists() else b"").split(b"\n")
    found: list[Look] = []
    for place, line in enumerate(lines, start=1):
        try:
            found.append(Look.model_validate_json(line))
        except ValidationError as error:
            raise RecordError(f"this line is no look: {faults_of(error)}", where=f"{path}:{place}") from None
    return tuple(found)


def append(path: Path, looks: Sequence[Look]) -> None:
    """Add looks and wait until they are on the disk; processes that do so at once come one after another.

    What a killed writer left unfinished is cut off first.

    Raises:
        StorageError: they cannot be written.
    """
    if not looks:
        return
    lines = "".join(f"{look.model_dump_json()}\n" for look in looks)
    with storing(path), claimed(path.with_name(".owner.looks"), wait=True), open(path, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())
        sync_folder(path.parent)
