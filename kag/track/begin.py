"""How the folder of a run begins: its spec, the state of the code, and its first record."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from kag.spec.flat import digest, flat
from kag.spec.load import spec_text
from kag.spec.run import RunSpec
from kag.track.atomic import write_atomically
from kag.track.environment import environment
from kag.track.folder import RunFolder
from kag.track.git import dirty_patch, git_facts
from kag.track.record import Found, RunRecord, Status


def begin(
    runs: Path,
    spec: RunSpec,
    found: Found,
    *,
    now: datetime,
    parent: str | None,
    parent_commit: str | None,
    **fields: Any,
) -> tuple[RunFolder, RunRecord]:
    """Make the folder of a run, with its spec and the uncommitted changes of the code; the record is not yet written.

    Args:
        runs: folder of the run folders.
        spec: of the run; gives its name.
        found: what is known before it begins; the digest of the spec is added.
        now: when the run began.
        parent: run that it is compared with.
        parent_commit: commit of the parent, if known.
        fields: other fields of the record.

    Raises:
        RecordError: the folder cannot be made.
    """
    folder = RunFolder.create(runs, spec.name, now)
    folder.checkpoints.mkdir()
    write_atomically(folder.spec_file, spec_text(spec))
    git = git_facts(Path.cwd(), parent_commit=parent_commit)
    patch = dirty_patch(Path.cwd()) if git and git.dirty else b""
    if patch:
        write_atomically(folder.patch_file, patch)
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
        found=found.model_copy(update={"spec_digest": digest(spec)}),
    )
    return folder, record.model_copy(update=fields)
