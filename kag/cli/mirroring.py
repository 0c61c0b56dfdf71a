"""What `kag blend` and `kag windows` make, mirrored in W&B as their parents are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from kag.spec.run import TrackSpec
    from kag.track.record import RunRecord


def mirrored(record: RunRecord, runs: Path, track: TrackSpec, console: Console) -> RunRecord:
    """Mirror a finished run; W&B's failures are printed. The record with the W&B id, if it has one now."""
    from rich.markup import escape

    from kag.track.folder import RunFolder
    from kag.track.wandb_run import mirror_finished

    def warn(text: str) -> None:
        console.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True)

    return mirror_finished(RunFolder(runs / record.id), record, track, warn)
