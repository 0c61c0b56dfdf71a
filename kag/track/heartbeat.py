"""Signs of life of runs that an older kag trains, which wrote no owner file: a time by the clock of its process.

What a file system says of a file, a copy of the folder and a cache of NFS make younger: the time is in the file.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kag.track.folder import RunFolder

SILENT = timedelta(minutes=15)
"""Without a sign for so long a run counts as killed: many signs, and more than clocks are apart."""


def last_beat(folder: RunFolder) -> datetime | None:
    """The last sign of life; None where there is none that can be read."""
    try:
        return datetime.fromisoformat(folder.heartbeat_file.read_text(encoding="ascii").strip()).astimezone(UTC)
    except (OSError, ValueError):
        return None


def is_silent(beat: datetime | None, now: datetime) -> bool:
    """Whether the last sign is too old for a run that lives; one of a clock that is ahead is not, nor is none."""
    return beat is not None and now - beat > SILENT
