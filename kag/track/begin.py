"""How the folder of a run begins: its spec, the state of the code and of the machine, and its first record."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kag.errors import RecordError
from kag.spec.flat import digest, flat
from kag.spec.load import spec_text
from kag.spec.run import RunSpec
from kag.track.atomic import storing, write_atomically
from kag.track.code import TRAINING, code_digest
from kag.track.folder import RunFolder
from kag.track.git import dirty_patch, git_facts
from kag.track.record import Found, RunRecord, Scalar, Status

_PACKAGES = ("kag", "torch", "lightning", "wandb", "numpy", "h5py", "pydantic", "torchmetrics", "scipy", "optuna")


@contextmanager
def begin(
    runs: Path,
    spec: RunSpec,
    found: Found,
    *,
    now: datetime,
    parent: str | None,
    **fields: Any,
) -> Iterator[tuple[RunFolder, RunRecord]]:
    """Make the folder of a run, with its spec and the uncommitted changes of the code; the record is not yet written.

    Write the record inside the block: an error there leaves no folder.

    Args:
        runs: folder of the run folders.
        spec: of the run; gives its name.
        found: what is known before it begins; the digests of the spec and of the code are added.
        now: when the run began.
        parent: run that it is compared with.
        fields: other fields of the record.

    Raises:
        RecordError: the folder cannot be made, since `runs` is none.
        StorageError: it cannot be written to.
    """
    git = git_facts(Path.cwd(), parent_commit=_commit(runs, parent) if parent else None)
    patch = dirty_patch(Path.cwd()) if git and git.dirty else b""
    with RunFolder.creating(runs, spec.name, now) as folder:
        with storing(folder.checkpoints):
            folder.checkpoints.mkdir()
        write_atomically(folder.spec_file, spec_text(spec))
        if patch:
            write_atomically(folder.patch_file, patch, mode=0o600)
        record = RunRecord(
            id=folder.id,
            name=spec.name,
            status=Status.RUNNING,
            start=now,
            change=spec.change,
            tags=spec.track.tags,
            config=flat(spec),
            parent=parent,
            git=git,
            environment=environment(),
            epochs_trained=0,
            found=found.model_copy(update={"spec_digest": digest(spec), "code_digest": code_digest(*TRAINING)}),
        )
        yield folder, record.model_copy(update=fields)


def _commit(runs: Path, run: str) -> str | None:
    """Commit that a run of this folder stands on; None where no record of it can be read."""
    try:
        git = RunFolder(runs / run).read_record().git
    except RecordError:
        return None
    return git.commit if git else None


def environment() -> dict[str, Scalar]:
    """Facts of the machine and versions of the packages, none of them imported; one that is not installed is None."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": socket.gethostname(),
        "cpus": os.cpu_count(),
        **{f"package.{name}": _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
