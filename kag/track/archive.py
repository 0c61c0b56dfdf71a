"""A run that lists and change logs leave out: the tag `archived` says so, wherever the run is kept."""

from __future__ import annotations

from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.record import ARCHIVED, RunRecord


def require_ended(folder: RunFolder) -> None:
    """That nobody writes the record of a run, or can be.

    Raises:
        RecordError: it cannot be read, or the run is under way, here or on another machine.
    """
    if may_be_trained(folder, folder.read_record()):
        raise RecordError(f"run {folder.id} is under way", remedy="archive it when it has ended")


def set_archived(folder: RunFolder, archived: bool) -> bool:
    """Give a run the tag, or take it; whether that changed anything.

    Raises:
        RecordError: as `require_ended`.
        StorageError: the record cannot be written.
    """
    require_ended(folder)
    with locked(folder):
        record = folder.read_record()
        if record.archived is archived:
            return False
        folder.write_record(_tagged(record, archived))
    return True


def _tagged(record: RunRecord, archived: bool) -> RunRecord:
    kept = tuple(tag for tag in record.tags if tag != ARCHIVED)
    return record.model_copy(update={"tags": (*kept, ARCHIVED) if archived else kept})
