"""kag in Python: the runs of a place, as records, data frames and, in a notebook, as HTML. Reading changes nothing.

>>> import kag
>>> runs = kag.runs("runs")
>>> runs
2 runs of 'runs'
>>> [run.name for run in runs]
['plain', 'other']
>>> runs["other"].history()[-1]["val/auprc"]
0.2
>>> kag.compare(runs["plain"], runs["other"]).settings
()
>>> list(runs.frame()["status"])
['finished', 'finished']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from kag.compare.comparison import Comparison
from kag.errors import KagError, UserError
from kag.names import Part
from kag.track.record import RunRecord, Status
from kag.track.source import RunSource, open_source
from kag.view.metrics import OWN, Metric

if TYPE_CHECKING:
    import pandas

    from kag.compare.verdict import Values, Verdict
    from kag.stats.scores import Scores

SHOWN = 50
"""Runs that a notebook shows of many: the newest."""


@dataclass(frozen=True)
class Run:
    """A run: its record, and where its history and scores are."""

    record: RunRecord
    place: Runs = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """The run id."""
        return self.record.id

    @property
    def name(self) -> str:
        """What the run is called; several can have one name."""
        return self.record.name

    @property
    def status(self) -> Status:
        """Where the run stands."""
        return self.record.status

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings by dotted key."""
        return self.record.config

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Numbers by the name under which they are logged: of kag's run those of the weights that it delivered, of
        another program's the last ones.
        """
        from kag.view.results import delivered

        own = {name: float(result.value) for name, result in delivered(self.record).items()}
        return {**{name: float(value) for name, value in self.record.metrics.items()}, **own}

    def history(self) -> list[dict[str, float]]:
        """One row an epoch, of another program's run one a step.

        Raises:
            RecordError: it cannot be read.
        """
        return self.place.source.history(self.id)

    def frame(self) -> pandas.DataFrame:
        """The history as a data frame, a column for each name.

        Raises:
            UserError: there is no pandas.
            RecordError: the history cannot be read.
        """
        return _pandas().DataFrame(self.history())

    def notes(self) -> str:
        """What a person wrote about the run; empty if nothing."""
        return self.place.source.notes(self.id)

    def scores(self, split: Part = "val") -> Scores | None:
        """What the delivered weights scored on every example of a split, as vectors of N points; None where the run
        kept none.

        Raises:
            RecordError: they cannot be read.
        """
        return self.place.source.scores(self.id, split)

    def compared(self, other: Run) -> RunComparison:
        """This run and another one; see `kag.compare`.

        Raises:
            UserError: the other one is no run of `kag.runs`.
        """
        if not isinstance(other, Run):
            raise UserError(f"{other!r} is no run", remedy="compare two runs, as kag.runs('runs')['NAME'] gives them")
        return _compared(self, other)

    def __str__(self) -> str:
        return self.id

    def _repr_html_(self) -> str:
        from kag.view.html import heading, paragraphs, table_html
        from kag.view.tables import pairs_table, results_table

        said = [self.record.change or "", self.record.failure.message if self.record.failure else ""]
        numbers = results_table(self.record.results) if self.record.results else pairs_table(self.metrics)
        return heading(f"{self.id}: {self.status}") + paragraphs(said) + table_html(numbers)


class Runs(Sequence[Run]):
    """The runs of a place in the order of their start; they are read when they are first asked for.

    A number or a slice picks by place, a word as on the command line: an id, its beginning, a name, `latest`.

    Args:
        where: what they are read from: a folder, `wandb:ENTITY/PROJECT`, `offline:DIR` or `markdown:FILE`.
        source: the same, opened.
        chosen: some of them; None for all.
    """

    def __init__(self, where: str, source: RunSource, chosen: Sequence[RunRecord] | None = None) -> None:
        self.where = where
        self.source = source
        self._chosen = chosen

    @property
    def broken(self) -> Sequence[KagError]:
        """What is wrong with the runs that cannot be read, and are left out."""
        return self._read[1]

    @cached_property
    def records(self) -> list[RunRecord]:
        """Their records."""
        return list(self._read[0] if self._chosen is None else self._chosen)

    def frame(self) -> pandas.DataFrame:
        """One row a run: what it is, its settings by dotted key, its metrics by name; indexed by run id.

        A setting that has the name of a metric, or of another column, is `config.NAME`.

        Raises:
            UserError: there is no pandas.
        """
        rows = [_row(run) for run in self]
        return _pandas().DataFrame(rows, index=[run.id for run in self])

    @overload
    def __getitem__(self, wanted: int | str) -> Run: ...

    @overload
    def __getitem__(self, wanted: slice) -> Runs: ...

    def __getitem__(self, wanted: int | str | slice) -> Run | Runs:
        if isinstance(wanted, slice):
            return Runs(self.where, self.source, self.records[wanted])
        if isinstance(wanted, str):
            from kag.view.words import run_meant

            return Run(run_meant(wanted, self.records, where=self.where), self)
        return Run(self.records[wanted], self)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Run]:
        return (Run(record, self) for record in self.records)

    def __repr__(self) -> str:
        lost = f", {len(self.broken)} more cannot be read" if self.broken else ""
        return f"{len(self)} run{'' if len(self) == 1 else 's'} of {self.where!r}{lost}"

    def _repr_html_(self) -> str:
        from kag.view.html import paragraphs, table_html
        from kag.view.tables import runs_table

        shown = self.records[-SHOWN:]
        said = f"the newest {SHOWN} of {self!r}" if len(shown) < len(self) else repr(self)
        return paragraphs([said]) + table_html(runs_table(shown))

    @cached_property
    def _read(self) -> tuple[Sequence[RunRecord], Sequence[KagError]]:
        return self.source.readable()


@dataclass(frozen=True)
class RunComparison(Comparison):
    """A comparison of two runs of `kag.runs`, with the sentence that says what may be said of them."""

    metrics: tuple[Metric, ...] = OWN
    """Those that count where the runs are."""
    values: Values = field(default_factory=dict)
    """What stands for runs of other programs."""

    @cached_property
    def verdict(self) -> Verdict:
        """Which is higher, by how much, and what differs, as `kag runs compare` says it."""
        from kag.compare.judge import verdict

        return verdict(self.before, self.after, self.metrics, self.values, self.drawn)

    def __str__(self) -> str:
        return self.verdict.sentence

    def _repr_html_(self) -> str:
        from kag.view.html import heading, paragraphs, table_html
        from kag.view.tables import changes_table

        title = heading(f"{self.before.id} and {self.after.id}")
        return title + paragraphs([str(self)]) + table_html(changes_table(self.settings, self.before.name))


def runs(source: str = "runs") -> Runs:
    """The runs of a place.

    Args:
        source: a folder of runs, `wandb:ENTITY/PROJECT` at whatever server the environment names, `offline:DIR` or
            `markdown:FILE`.

    Raises:
        RecordError: there is no such place.
    """
    return Runs(str(source), open_source(str(source)))


def _compared(before: Run, after: Run) -> RunComparison:
    from kag.changelog.diagnose import values_of
    from kag.changelog.logged import Logged
    from kag.compare.paired import kept_by, read_once
    from kag.view.metrics import chosen

    own, other = (read_once(kept_by(run.place.source)) for run in (before, after))
    foreign = [run for run in (before, after) if run.record.is_foreign]
    metrics = tuple(chosen(before.place.records)) if foreign else OWN
    return RunComparison(
        before.record,
        after.record,
        drawn=lambda record, split: (own if record is before.record else other)(record, split),
        metrics=metrics,
        values={run.id: values_of(Logged(run.record, run.history(), metrics)) for run in foreign},
    )


def _row(run: Run) -> dict[str, Any]:
    record = run.record
    facts = {
        "name": record.name,
        "status": record.status.value,
        "start": record.start,
        "end": record.end,
        "tags": list(record.tags),
        "sweep": record.sweep,
        "group": record.group,
        "parent": record.parent,
        "epochs_trained": record.epochs_trained,
        "best_epoch": record.best_epoch,
    }
    taken = facts.keys() | run.metrics.keys()
    config = {f"config.{key}" if key in taken else key: value for key, value in run.config.items()}
    return {**facts, **config, **run.metrics}


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise UserError("a data frame takes pandas", remedy="pip install pandas") from error
    return pandas
