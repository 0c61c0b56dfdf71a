"""A hand-kept change log into run folders."""

from __future__ import annotations

from pathlib import Path

from kag.changelog.write import write_note
from kag.errors import RecordError
from kag.track.atomic import storing
from kag.track.folder import RunFolder, require_runs
from kag.track.markdown import MarkdownSource


def import_rows(file: Path, runs: Path) -> tuple[list[str], list[str]]:
    """Make a run folder of every row: its record with the cells as they stood, and the words of its last cell as notes.

    Returns:
        Ids of the runs that were made, and of those that were there already.

    Raises:
        RecordError: the file holds no change log, a run of the same id is there with another record, or the folder
            takes no runs; nothing is written then.
    """
    source = MarkdownSource(file)
    records = list(source.records())
    known = [record for record in records if (runs / record.id / "record.json").exists()]
    for record in known:
        folder = RunFolder(runs / record.id)
        if folder.read_record() != record:
            raise RecordError(
                f"run {folder.id} is there already, with another record than the row of {file}",
                where=str(folder.path),
                remedy="import into another folder, or move this run away",
            )
    made = [record for record in records if record not in known]
    if made:
        require_runs(runs)
    for record in made:
        folder = RunFolder(runs / record.id)
        with storing(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)
        write_note(folder, source.notes(record.id))
        folder.write_record(record)
    return [record.id for record in made], [record.id for record in known]
