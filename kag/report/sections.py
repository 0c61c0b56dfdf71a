"""The parts of a report, as values: what the page's template and the PNG files show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kag.compare.comparison import against_parent, in_doubt, not_comparable
from kag.compare.judge import sentences, verdicts
from kag.compare.paired import DrawnOf, ProfileOf, not_asked
from kag.compare.selection import worth_told
from kag.compare.spreads import Spreads, grouped_among, spreads_table
from kag.report.compare import compare_figures
from kag.report.curves import curves, overlaid
from kag.report.differences import NOT_SCORED, OVERLAID, Scored, differences_of, pictures_beside, seeds_overlaid
from kag.report.figure import Figure
from kag.report.lineage import lineage_figure
from kag.report.reading import ReportedRun
from kag.report.run_figures import run_figures
from kag.report.score_figures import Pictured, run_pictures
from kag.report.sweep_figures import sweep_figures
from kag.report.sweep_records import Values, search_of, trials_table
from kag.track.record import RunRecord
from kag.track.result import Result, Selection
from kag.view import tables
from kag.view.changes import beside_defaults
from kag.view.metrics import OWN, Metric
from kag.view.results import headline
from kag.view.tables import Table
from kag.view.words import labels


@dataclass(frozen=True)
class RunSection:
    """One run."""

    anchor: str
    run: ReportedRun
    headlines: dict[str, Result]
    """Numbers that a reader looks for first."""
    figures: tuple[Figure, ...]
    lineage: Figure | None
    changes: Table
    changes_title: str
    scored: Pictured
    """What its scores look like."""
    beside: Pictured
    """By how much they differ from those of the run that it is compared with."""
    beside_title: str
    is_compared: bool = False
    """Whether the report sets it beside others of its replicates."""

    @property
    def record(self) -> RunRecord:
        """Its record."""
        return self.run.record


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side."""

    title: str
    anchor: str
    summary: str
    figures: tuple[Figure, ...]
    runs: Table
    settings: Table | None = None
    """On which the runs differ."""
    not_comparable: tuple[str, ...] = ()
    """Why their numbers must not be set side by side."""
    verdicts: tuple[str, ...] = ()
    """What is said of each run against the first one."""
    doubt: str | None = None
    """What is to be said beside them, where nobody knows whether they may be."""
    groups: Table | None = None
    """A row for each group of runs that differ in the seed alone; None where there is none of several runs."""
    said: tuple[str, ...] = ()
    """What else is to be said beside the figures."""


@dataclass(frozen=True)
class Report:
    """A whole report."""

    title: str
    runs: tuple[RunSection, ...]
    comparisons: tuple[Comparison, ...] = ()


def report_of_runs(
    runs: Sequence[ReportedRun],
    known: Iterable[RunRecord],
    metrics: Sequence[Metric] = OWN,
    drawn: DrawnOf = not_asked,
    profiled: ProfileOf = not_asked,
) -> Report:
    """A section a run, and first a comparison if there are several.

    Args:
        runs: what is reported.
        known: every run of the source, for the lineage.
        metrics: those that count in the source.
        drawn: where the draws of the runs are.
        profiled: what their scores look like.
    """
    every, scores = tuple(known), Scored(drawn, profiled)
    sections = _sections(runs, every, scores)
    title = runs[0].record.id if len(runs) == 1 else f"{len(runs)} runs"
    several = (comparison(runs, every, metrics=metrics, scores=scores),) if len(runs) > 1 else ()
    return Report(title, sections, several)


def report_of_sweep(
    identifier: str,
    trials: Sequence[RunRecord],
    best: Sequence[ReportedRun],
    known: Iterable[RunRecord],
    values: Values | None = None,
    worth: Selection | None = None,
    scores: Scored = NOT_SCORED,
) -> Report:
    """What a sweep tried, the curves of its best trials, and a section of the best one.

    Args:
        identifier: the sweep's id.
        trials: its runs.
        best: the best of them with their histories, best first.
        known: every run of the source, for the lineage.
        values: of another program's sweep, what stands for each trial; see `search_of`.
        worth: what the best trial is worth.
        scores: what the best trials scored.
    """
    every = tuple(known)
    search = search_of(trials, values)
    parameters = search.sweep.leaves() if search.sweep else {}
    overview = Comparison(
        title=f"Sweep {identifier}",
        anchor="sweep",
        summary=f"{len(trials)} trials over {', '.join(parameters) or 'no parameter on which they differ'}; "
        f"{'; '.join([search.summary, *(worth_told(worth) if worth else ())])}.",
        figures=sweep_figures(search.sweep, search.trials) if search.sweep else (),
        runs=trials_table(trials, search),
        not_comparable=not_comparable([trial for trial in trials if trial.id in search.values]),
    )
    several = (comparison(best, every, f"The best {len(best)} trials", scores=scores),) if len(best) > 1 else ()
    return Report(f"Sweep {identifier}", _sections(best[:1], every, scores), (overview, *several))


def figure_files(report: Report) -> Iterator[tuple[str, Figure]]:
    """Every figure of a report with a file name of its own, without an ending."""
    for part in report.comparisons:
        yield from ((file_name(f"{part.anchor}-{figure.name}"), figure) for figure in part.figures)
    for run in report.runs:
        lineage = [run.lineage] if run.lineage else []
        every = (*run.figures, *run.scored.figures, *run.beside.figures, *lineage)
        yield from ((file_name(f"{run.record.id}-{figure.name}"), figure) for figure in every)


def file_name(text: str) -> str:
    """A text as a file's name: what could lead elsewhere is replaced."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".") or "_"


def comparison(
    runs: Sequence[ReportedRun],
    known: Sequence[RunRecord],
    title: str = "Comparison",
    metrics: Sequence[Metric] = OWN,
    scores: Scored = NOT_SCORED,
) -> Comparison:
    """A verdict on each run against the first, curves over one another, and the settings on which the runs differ.

    Runs that differ in the seed alone are one row and one curve, and have one verdict.
    """
    records = [run.record for run in runs]
    called, values = labels(records), {run.record.id: run.values for run in runs}
    spreads = grouped_among(known, records, values, newest=False)
    figures = overlaid if any(record.is_foreign for record in records) else compare_figures
    differing, rows = differences_of(spreads.found, scores), {run.record.id: run.rows for run in runs}
    return Comparison(
        title=title,
        anchor="comparison",
        summary=_summary(spreads),
        figures=(
            *differing.figures,
            *seeds_overlaid(spreads.found, rows, figures),
        ),
        runs=tables.runs_table(
            records, called=dict(zip((record.id for record in records), called, strict=True)), values=values
        ),
        settings=tables.settings_table(records, called),
        not_comparable=not_comparable(records),
        verdicts=sentences(verdicts(records, spreads.found, metrics, values, scores.drawn)),
        doubt=in_doubt(records),
        groups=spreads_table(spreads) if spreads.several else None,
        said=(*differing.said, *spreads.said()),
    )


def _summary(spreads: Spreads) -> str:
    left_out = f" The charts show the first {OVERLAID}." if len(spreads.found) > OVERLAID else ""
    if not spreads.several:
        each = "each has one colour in all charts, averaged weights are dashed"
        return f"{len(spreads.found)} runs; {each}.{left_out}"
    band = "each has one colour in all charts: the mean of its seeds, in a band of one standard deviation"
    groups = "1 group" if len(spreads.found) == 1 else f"{len(spreads.found)} groups"
    return f"{len(spreads.runs)} runs in {groups} that differ in more than the seed; {band}.{left_out}"


def _sections(runs: Sequence[ReportedRun], known: Sequence[RunRecord], scores: Scored) -> tuple[RunSection, ...]:
    anchors = {run.record.id: f"run-{number}" for number, run in enumerate(runs, start=1)}

    def link(run: str) -> str | None:
        return f"#{anchors[run]}" if run in anchors else None

    lineages = [lineage_figure(known, run.record.id, link=link) for run in runs]
    return tuple(_section(run, anchors, lineage, scores) for run, lineage in zip(runs, lineages, strict=True))


def _section(run: ReportedRun, anchors: Mapping[str, str], lineage: Figure | None, scores: Scored) -> RunSection:
    record, replicates = run.record, run.among.runs if run.among else ()
    told = {metric.name for metric in run.values}
    found = {split: headline(record, split) for split in ("val", "test") if f"{split}/auprc" not in told}
    title, changes = _changes(run)
    return RunSection(
        anchor=anchors[record.id],
        run=run,
        headlines={f"{split} AUPRC": result for split, result in found.items() if result is not None},
        figures=tuple(curves(run.rows)) if record.is_foreign else run_figures(record, run.rows),
        lineage=lineage,
        changes=changes,
        changes_title=title,
        scored=run_pictures(record, scores.profiled),
        beside=pictures_beside(run.parent, record, scores) if run.parent else Pictured(),
        beside_title=f"Scores beside {_before(run, run.parent)}" if run.parent else "",
        is_compared=any(one in anchors for one in replicates if one != record.id),
    )


def _changes(run: ReportedRun) -> tuple[str, Table]:
    """A table of what the run has set, under its title: otherwise than its parent or the defaults, if it has any."""
    record, parent = run.record, run.parent
    if parent:
        changes = tables.changes_table(against_parent(parent, record).settings, "before" if run.against else "parent")
        return f"Settings that differ from {_before(run, parent)}", changes
    if record.is_foreign:
        return "Settings", tables.details(record)["All settings"]
    return "Settings beside the defaults", tables.changes_table(beside_defaults(record.config), "default")


def _before(run: ReportedRun, parent: RunRecord) -> str:
    """The run that it is compared with, in words."""
    return f"{f'{run.against}, ' if run.against else 'the parent '}{parent.id}"
