"""What is taken away: a whole run, or files of one that nothing needs any more."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from kag.errors import RecordError
from kag.track.atomic import storing, sync_folder
from kag.track.edit import require_ended
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import RunRecord

ASIDE = ".deleted-"
"""How folders beside the runs begin that one goes to in one step, before its files are removed."""


def size_of(path: Path) -> int:
    """Bytes on the disk that are free without a file or a folder: what has another name elsewhere stays."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    found = [os.lstat(file) for file in files]
    return sum(one.st_size for one in found if one.st_nlink == 1)


def delete(folder: RunFolder) -> int:
    """Remove a run for good; the bytes that came free. It is gone in one step: killed in between, no half of it is left
    where runs are, and the next call clears away the rest.

    Raises:
        RecordError: the run is under way, or its record cannot be read.
        StorageError: the folder takes no change; the run is as it was.
    """
    require_ended(folder)
    runs = folder.path.parent
    freed = size_of(folder.path)
    with locked(folder), storing(folder.path):
        require_ended(folder)
        aside = runs / f"{ASIDE}{secrets.token_hex(6)}"
        aside.mkdir()
        os.rename(folder.path, aside / folder.id)
        sync_folder(runs)
    for left in runs.glob(f"{ASIDE}*"):
        shutil.rmtree(left, ignore_errors=True)  # whoever else deletes here may be at it, too
    return freed


def superfluous(folder: RunFolder, record: RunRecord, needed: Collection[str] | None, *, epochs: bool) -> list[Path]:
    """Files of a run that has delivered its weights which nothing needs any more.

    States of training (optimizer, schedules) serve to go on with a run. Weights are superseded where the record names
    others in their place. Those that the record names stay.

    Args:
        folder: the run's.
        record: what it says.
        needed: checkpoints that other runs come from, by name; None keeps all weights.
        epochs: the weights of single epochs, too, which a window map and a blend of epochs take.
    """
    if not record.status.done or needed is None:
        return []
    named = {Path(kept.path).name for kept in record.checkpoints.values()}
    snapshots = set(folder.snapshots().values())
    sums = [folder.sums] if epochs and folder.sums.is_dir() else []
    files = [*sorted(folder.checkpoints.glob("*.ckpt")), *sums]
    return [
        file
        for file in files
        if file.name not in named and file.stem not in needed and (epochs or file not in snapshots)
    ]


def prune(folder: RunFolder, record: RunRecord, needed: Collection[str] | None, *, epochs: bool) -> int:
    """Remove what `superfluous` names, once nobody holds the run; the bytes that came free.

    Raises:
        RecordError: the run is under way, or has changed since its record was read.
        StorageError: the folder takes no change.
    """
    require_ended(folder)
    with locked(folder), storing(folder.checkpoints):
        if folder.read_record() != record:
            raise RecordError(f"run {folder.id} has changed meanwhile", remedy="try again")
        freed = 0
        for path in superfluous(folder, record, needed, epochs=epochs):
            freed += size_of(path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        sync_folder(folder.checkpoints)
    return freed
