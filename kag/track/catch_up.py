"""What W&B's own process did not send before it was ended under a run, sent from the run folder by another one.

SLURM's plain `scancel`, and its requeue, end all processes of a job at once: the client's own one is gone before the
run has saved, with the rows of its last seconds, which its local file does not have either.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from kag.names import EPOCH
from kag.spec.run import TrackSpec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.track.wandb_run import begin, end, first_line, lost


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
    if run is None:
        return
    try:
        shown = float(dict(run.summary).get(EPOCH, -1.0))
        for row in folder.history():
            if row[EPOCH] > shown:
                run.log(dict(row))
        end(run, folder, record)
    except lost() as error:
        warn(f"W&B was lost again ({first_line(error)}); the run is whole in its folder alone")
