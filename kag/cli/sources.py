"""Where a command about runs reads them: the options, and what stands for runs of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.track.source import RunSource, open_source
from kag.view.metrics import chosen as metrics_of

if TYPE_CHECKING:
    from kag.cli.tables import Values

Runs = Annotated[Path, typer.Option("--runs", help="Folder of runs.", metavar="DIR")]
Source = Annotated[
    str | None,
    typer.Option(help="In place of a folder: wandb:ENTITY/PROJECT, offline:DIR or markdown:FILE.", metavar="SOURCE"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


def opened(source: str | None, runs: Path) -> RunSource:
    """The source that the options name."""
    return open_source(source) if source else FolderSource(runs)


def values_of(source: RunSource, shown: Sequence[RunRecord], known: Sequence[RunRecord]) -> Values:
    """Run id -> what stands for it, of the runs of other programs that are shown, by the metrics that count.

    Args:
        source: where their histories are.
        shown: the runs.
        known: every run of the source.
    """
    foreign = [record for record in shown if record.is_foreign]
    if not foreign:
        return {}
    from kag.changelog.diagnose import values_of as stands_for
    from kag.changelog.logged import Logged

    metrics = metrics_of(known)
    return {one.id: stands_for(Logged(one, source.history(one.id), metrics)) for one in foreign}
