"""What the server of a sweep lacks of trials that were killed together with W&B's own process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from kag.cli.sweep_result import records_of
from kag.track.folders import FolderSource
from kag.view.terminal import Terminal

if TYPE_CHECKING:
    from kag.track.folder import RunFolder


def send_all(path: str, runs: Path, console: Terminal) -> None:
    """Send it from the run folders that lie here; what was sent is said.

    Args:
        path: of the sweep, `entity/project/id`.
        runs: folder of the run folders.
        console: told.
    """
    owed = owed_of(path.rsplit("/", 1)[-1], runs)
    if not owed:
        return
    from kag.spec.run import TrackSpec
    from kag.track.catch_up import send_owed

    entity, project, _ = path.split("/")

    def warn(sentence: str) -> None:
        console.print(f"[red]warning:[/red] {escape(sentence)}", soft_wrap=True)

    track = TrackSpec(entity=entity, project=project, mode="online")
    for folder in owed:
        sent = send_owed(folder, track, warn)
        if sent is not None:
            what = "epochs that its server lacked and were sent from its folder"
            console.say(f"run {folder.id} was killed; {what}: {sent}")


def owed_of(identifier: str, runs: Path) -> list[RunFolder]:
    """Folders of the runs of a sweep that are owed; one that cannot be read is met by whoever shows the sweep."""
    from kag.errors import RecordError
    from kag.track.catch_up import is_owed
    from kag.track.folder import RunFolder

    found = []
    for record in records_of(identifier, FolderSource(runs)):
        folder = RunFolder(runs / record.id)
        try:
            found += [folder] if record.wandb_id and is_owed(folder) else []
        except RecordError:
            continue
    return found
