"""Where a command about runs reads them: the options, and what stands for runs of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli import completion
from kag.track.folders import FolderSource
from kag.track.hold import as_it_stands
from kag.track.record import RunRecord
from kag.track.source import RunSource, open_source
from kag.view.metrics import chosen as metrics_of
from kag.view.words import find_run, run_meant

if TYPE_CHECKING:
    from kag.cli.tables import Values

Runs = Annotated[Path, typer.Option("--runs", help="Folder of runs.", metavar="DIR")]
Source = Annotated[
    str | None,
    typer.Option(help="In place of a folder: wandb:ENTITY/PROJECT, offline:DIR or markdown:FILE.", metavar="SOURCE"),
]
SeedKeys = Annotated[
    list[str] | None,
    typer.Option("--seed-key", help="A setting that is a seed of another program; may be repeated.", metavar="KEY"),
]
RunWord = Annotated[
    str,
    typer.Argument(
        help="Run id, its beginning, the run's name, a folder, or latest.",
        metavar="RUN",
        autocompletion=completion.runs,
    ),
]
RunWords = Annotated[
    list[str],
    typer.Argument(help="Run ids, their beginnings, or names.", metavar="RUN...", autocompletion=completion.runs),
]
Weights = Annotated[
    str,
    typer.Argument(
        help="Run (its delivered weights), RUN:CHECKPOINT, or a file.",
        metavar="RUN|CHECKPOINT",
        autocompletion=completion.weights,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


def opened(source: str | None, runs: Path) -> RunSource:
    """The source that the options name."""
    return open_source(source) if source else FolderSource(runs)


def run_of(word: str, source: str | None, runs: Path) -> tuple[RunSource, RunRecord]:
    """The run that a word names, and where it is; in a folder its path is a word, too.

    Raises:
        RecordError: no run fits, or more than one does; or it cannot be read.
    """
    if source:
        place = open_source(source)
        return place, run_meant(word, place.readable()[0], where=source)
    folder = find_run(runs, word)
    return FolderSource(folder.path.parent), as_it_stands(folder, folder.read_record())


def repository_beside(source: RunSource) -> Path:
    """A place in the folder of runs, whose repository has their commits; of any other source one in this folder."""
    return (source.runs if isinstance(source, FolderSource) else Path.cwd()) / "record.json"


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
