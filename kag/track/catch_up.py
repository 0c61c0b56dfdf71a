"""What W&B's own process did not send before it was ended under a run, sent from the run folder by another one.

SLURM's plain `scancel`, and its requeue, end all processes of a job at once: the client's own one is gone before the
run has saved, with the rows of its last seconds, which its local file does not have either. A run that was killed with
it sends nothing any more: the next command that sees it on its server does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from kag.errors import RecordError
from kag.names import EPOCH
from kag.spec.run import TrackSpec
from kag.track.folder import RunFolder
from kag.track.hold import as_it_stands, last_sign, locked
from kag.track.record import RunRecord, Status
from kag.track.wandb_run import begin, end, first_line, lost

if TYPE_CHECKING:
    from wandb import Run


def catch_up(folder: RunFolder, record: RunRecord, track: TrackSpec, warn: Callable[[str], None]) -> None:
    """Log the epochs that the server lacks, and the end of the run.

    Args:
        folder: the run's.
        record: as it ended, with the W&B id.
        track: where the run is mirrored.
        warn: told what cannot be reached, started or uploaded.
    """
    import wandb

    with suppress(*lost()):
        wandb.teardown()
    run = begin(folder, record, track, warn, wandb_id=record.wandb_id)
    if run is not None:
        _caught_up(run, folder, record, warn)


def send_missing(run: Run, folder: RunFolder) -> int:
    """Log the epochs that the server lacks of a run that goes on; how many. Raises what `lost` names."""
    shown = float(dict(run.summary).get(EPOCH, -1.0))
    rows = [row for row in folder.history() if row[EPOCH] > shown]
    for row in rows:
        run.log(dict(row))
    return len(rows)


def is_owed(folder: RunFolder) -> bool:
    """Whether a run was killed before it could say so, and may have been killed with W&B's own process.

    Raises:
        RecordError: its record cannot be read.
    """
    record = folder.read_record()
    silent = record.status is Status.RUNNING and as_it_stands(folder, record).status is Status.KILLED
    return silent and record.wandb_id is not None and any(folder.wandb.glob(f"run-*-{record.wandb_id}"))


def send_owed(folder: RunFolder, track: TrackSpec, warn: Callable[[str], None]) -> int | None:
    """Log the epochs that the server lacks of a run that was killed, and its end; that is then in its record too.

    Args:
        folder: of a run that is owed.
        track: where it is mirrored.
        warn: told what cannot be reached or uploaded.

    Returns:
        How many epochs; None where that could not be, or somebody trains the run.
    """
    try:
        with locked(folder) as own:
            record = folder.read_record().model_copy(
                update={"status": Status.KILLED, "heartbeat": last_sign(folder, own)}
            )
            run = begin(folder, record, track, warn, wandb_id=record.wandb_id, or_offline=False)
            sent = None if run is None else _caught_up(run, folder, record, warn)
            if sent is not None:
                folder.write_record(record)
                own.settle()
            return sent
    except RecordError as error:
        warn(f"nothing is sent: {error}")
        return None


def _caught_up(run: Run, folder: RunFolder, record: RunRecord, warn: Callable[[str], None]) -> int | None:
    try:
        sent = send_missing(run, folder)
        end(run, folder, record)
    except lost() as error:
        warn(f"W&B was lost again ({first_line(error)}); the run is whole in its folder alone")
        return None
    return sent
