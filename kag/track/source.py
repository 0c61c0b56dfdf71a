"""Where records come from: one protocol, four sources.

    runs/                     run folders
    wandb:entity/project      a W&B project, at whatever base URL the environment names
    offline:DIR               what W&B wrote without a server
    markdown:FILE             a change log kept by hand

What a source cannot know is None in the record, never a guess.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kag.errors import RecordError
from kag.names import Part
from kag.track.processes import Mapped
from kag.track.record import RunRecord

if TYPE_CHECKING:  # numpy takes longer to load than a list of runs
    from kag.stats.scores import Scores


class RunSource(Protocol):
    """Runs to read. Reading changes nothing, and reading twice gives the same."""

    def readable(self) -> tuple[Sequence[RunRecord], Sequence[RecordError]]:
        """Every run that can be read, once, in the order of start time, then id; and what is wrong with the others.

        Raises:
            RecordError: the source itself cannot be read.
        """

    def records(self) -> Iterable[RunRecord]:
        """Every run once, in the order of start time, then id.

        Raises:
            RecordError: a run cannot be read.
        """

    def history(self, run_id: str) -> list[dict[str, float]]:
        """One row an epoch, of another program's run one a step, as far as the source knows them.

        Raises:
            RecordError: no such run, or its history cannot be read.
        """

    def notes(self, run_id: str) -> str:
        """What a person wrote about the run; empty if nothing.

        Raises:
            RecordError: no such run.
        """

    def scores(self, run_id: str, split: Part) -> Scores | None:
        """What the run scored on every example of a split; None where it, or the source, has kept no scores.

        Raises:
            RecordError: no such run, or its scores cannot be read.
        """


ScoresOf = Callable[[str, Part], "Scores | None"]
"""Reads what a run scored on a split, by its id; see `RunSource.scores`."""


def no_scores(split: Part) -> None:
    """Of a source that has kept none."""


class Known(NamedTuple):
    """A run of a source that is read as a whole."""

    record: RunRecord
    notes: str = ""
    history: Callable[[], list[dict[str, float]]] = list
    """Reads the history; without one, that of a source that has none."""
    scores: Callable[[Part], Scores | None] = no_scores
    """Reads the scores; without it, the source has none."""


class Found(NamedTuple):
    """What a source that is read as a whole has."""

    runs: dict[str, Known]
    """By id, in the order of `records`."""
    broken: Sequence[RecordError] = ()
    """What is wrong with the runs that cannot be read."""

    def scores(self, run_id: str, split: Part) -> Scores | None:
        """Scores of one of its runs; see `RunSource.scores`."""
        return self.runs[run_id].scores(split)


class WholeSource(ABC):
    """A source that reads every record at once, and once; as text, it is where the runs are."""

    @cached_property
    @abstractmethod
    def found(self) -> Found:
        """Everything there is."""

    @property
    def runs(self) -> dict[str, Known]:
        """The runs that can be read, by id."""
        return self.found.runs

    def readable(self) -> tuple[Sequence[RunRecord], Sequence[RecordError]]:
        """Every run; see `RunSource.readable`."""
        return [known.record for known in self.runs.values()], self.found.broken

    def records(self) -> Iterator[RunRecord]:
        """Every run; see `RunSource.records`."""
        records, broken = self.readable()
        if broken:
            raise broken[0]
        yield from records

    def history(self, run_id: str) -> list[dict[str, float]]:
        """Rows of a run; see `RunSource.history`."""
        return self._run(run_id).history()

    def notes(self, run_id: str) -> str:
        """Notes of a run; see `RunSource.notes`."""
        return self._run(run_id).notes

    def scores(self, run_id: str, split: Part) -> Scores | None:
        """Scores of a run; see `RunSource.scores`."""
        return self._run(run_id).scores(split)

    def _run(self, run_id: str) -> Known:
        if run_id not in self.runs:
            raise RecordError(f"no run {run_id!r}", where=str(self))
        return self.runs[run_id]


class PartedSource(WholeSource):
    """A source that several processes can read, each some of its runs; histories can be read in other processes too."""

    @property
    @abstractmethod
    def worth(self) -> int:
        """How many processes it is worth."""

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Modules that these load."""

    @abstractmethod
    def read(self, mapped: Mapped) -> Found:
        """Everything there is; see `WholeSource.found`.

        Args:
            mapped: does the work; see `kag.track.processes`.
        """

    @cached_property
    def found(self) -> Found:
        """Every run; see `WholeSource.found`."""
        return self.read(map)


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


def files_of(word: str) -> tuple[Path, ...]:
    """The file or the folder that a source reads beside run folders, for outputs to keep away from."""
    kind, _, place = word.partition(":")
    return (Path(place),) if kind in ("offline", "markdown") else ()
