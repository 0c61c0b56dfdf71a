"""Where records come from: one protocol, four sources.

    runs/                     run folders
    wandb:entity/project      a W&B project, at whatever base URL the environment names
    offline:DIR               what W&B wrote without a server
    markdown:FILE             a change log kept by hand

What a source cannot know is None in the record, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from kag.errors import RecordError
from kag.track.record import RunRecord


class RunSource(Protocol):
    """Runs to read. Reading changes nothing, and reading twice gives the same."""

    def records(self) -> Iterable[RunRecord]:
        """Every run once, in the order of start time, then id.

        Raises:
            RecordError: a run cannot be read.
        """

    def history(self, run_id: str) -> list[dict[str, float]]:
        """One row an epoch, as far as the source knows them.

        Raises:
            RecordError: no such run, or its history cannot be read.
        """

    def notes(self, run_id: str) -> str:
        """What a person wrote about the run; empty if nothing.

        Raises:
            RecordError: no such run.
        """


def open_source(word: str) -> RunSource:
    """The source that a word names.

    Raises:
        RecordError: the folder or file is missing, or the word names no source.
    """
    kind, _, place = word.partition(":")
    if kind == "wandb":
        from kag.track.wandb_api import ProjectSource

        return ProjectSource.named(place)
    if kind == "offline":
        from kag.track.offline import OfflineSource

        return OfflineSource(Path(place))
    if kind == "markdown":
        from kag.track.markdown import MarkdownSource

        return MarkdownSource(Path(place))
    from kag.track.folders import FolderSource

    if not Path(word).is_dir():
        raise RecordError(
            f"{word!r} is no source of runs",
            remedy="name a folder of runs, wandb:ENTITY/PROJECT, offline:DIR or markdown:FILE",
        )
    return FolderSource(Path(word))
