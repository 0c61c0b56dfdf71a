"""`kag report`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from kag.cli import completion
from kag.cli.sources import RUNS, Runs, SeedKeys, Source, repository_beside
from kag.cli.words import name_left_out
from kag.errors import UserError
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from kag.changelog.siblings import Siblings
    from kag.report.differences import Scored
    from kag.report.sections import Report
    from kag.report.sweep_records import Search
    from kag.track.output import Output
    from kag.track.record import RunRecord
    from kag.track.result import Selection
    from kag.track.source import RunSource

Item = TypeVar("Item")

BEST = 5
"""Trials of a sweep whose curves are compared."""


def report(
    run: Annotated[
        list[str] | None,
        typer.Argument(help="Run ids, their beginnings, or names.", metavar="RUN...", autocompletion=completion.runs),
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(help="Report the runs of this sweep, in place of named ones.", metavar="ID")
    ] = None,
    runs: Runs = RUNS,
    source: Source = None,
    seed_key: SeedKeys = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: the run or sweep and .html.", metavar="FILE")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Also write every figure as a PNG into this folder.", metavar="DIR")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: what was written, and the runs that are in it.")
    ] = False,
) -> None:
    """Write one HTML file with figures, results, findings and lineage: for mail, or a paper's supplement.

    It opens from disk and loads nothing from anywhere.

    Examples:

      kag report oct17

      kag report oct16 oct17 oct17-swa --out october.html --png figures

      kag report --sweep 1a2b3c4d
    """
    if bool(run) == bool(sweep):
        raise UserError(
            "named both runs and a sweep" if run else "nothing to report", remedy="kag report RUN..., or --sweep ID"
        )
    from kag.report.sections import file_name
    from kag.track.source import files_of

    place = source or str(runs)
    found = _read(place, run or [], sweep, seed_key or [])
    page = out or Path(f"{file_name(found.title.replace('Sweep ', 'sweep-'))}.html")
    files = _files(found, page, png, force)
    for output in files:
        output.require_free(*files_of(place))
    for output, content in zip(files, _contents(found, drawn=png is not None), strict=True):
        output.write(content)
    if as_json:
        answer(_page(found, files))
    else:
        echo(f"wrote {page}" + (f" and {len(files) - 1} figures into {png}" if png else ""))


def _read(place: str, words: list[str], sweep: str | None, seed_keys: list[str]) -> Report:
    """What is to be reported of a source."""
    from kag.changelog.collect import collect
    from kag.changelog.repository import Repository
    from kag.track.source import open_source
    from kag.view.alike import require_seeds
    from kag.view.progress import busy

    opened = open_source(place)
    with busy("reading the runs"):
        siblings = collect(opened, Repository.around(repository_beside(opened)), seed_keys=seed_keys)
    name_left_out(siblings.broken)
    require_seeds(seed_keys, [entry.record for entry in siblings.entries])
    return _of_sweep(opened, siblings, sweep) if sweep else _of_runs(opened, siblings, words, place)


def _page(found: Report, files: Sequence[Output]) -> dict[str, Any]:
    """What was written, and the runs that have a section in it."""
    records = [section.record for section in found.runs]
    written, *pictures = (output.path for output in files)
    return {"file": written, "pictures": pictures, "runs": [record.id for record in records], "records": records}


def _files(found: Report, page: Path, png: Path | None, force: bool) -> list[Output]:
    """The page, then a picture for each figure if they are asked for."""
    from kag.report.figure import FIGURE
    from kag.report.page import REPORT
    from kag.report.sections import figure_files
    from kag.track.output import Output

    pictures = [Output(png / f"{name}.png", FIGURE, force) for name, _ in figure_files(found)] if png else []
    return [Output(page, REPORT, force), *pictures]


def _contents(found: Report, *, drawn: bool) -> list[bytes]:
    """What goes into these files; all of it is made before any of it is written."""
    from datetime import UTC, datetime

    from kag.report.page import render_report
    from kag.report.sections import figure_files

    contents = [render_report(found, datetime.now(UTC)).encode()]
    if drawn:
        from kag.report.png import png

        contents += [png(figure) for _, figure in _shown(list(figure_files(found)), "figures")]
    return contents


def _of_runs(source: RunSource, siblings: Siblings, words: list[str], place: str) -> Report:
    from kag.report.reading import read_runs
    from kag.report.sections import report_of_runs
    from kag.view.words import run_meant

    known = [entry.record for entry in siblings.entries]
    ids = [run_meant(word, known, where=place).id for word in words]
    runs = read_runs(source, siblings, list(dict.fromkeys(ids)), lambda some: _shown(some, "runs"))
    return report_of_runs(runs, known, siblings.metrics, *_scored(siblings, source))


def _of_sweep(source: RunSource, siblings: Siblings, identifier: str) -> Report:
    from kag.report.reading import of_sweep, read_runs, values_of_trials
    from kag.report.sections import report_of_sweep
    from kag.report.sweep_records import search_of

    trials = of_sweep(siblings, identifier)
    values = values_of_trials(source, trials)
    search = search_of(trials, values)
    best = list(search.values)[:BEST]
    runs = read_runs(source, siblings, best, lambda some: _shown(some, "runs"))
    known = [entry.record for entry in siblings.entries]
    worth, scores = _worth(search, trials, source), _scored(siblings, source)
    return report_of_sweep(identifier, trials, runs, known, values, worth, scores)


def _scored(siblings: Siblings, source: RunSource) -> Scored:
    """What the runs scored, read where a figure asks for it."""
    from kag.compare.paired import profiles_of, read_once
    from kag.report.differences import Scored

    return Scored(siblings.drawn, read_once(profiles_of(source.scores)))


def _worth(search: Search, trials: Sequence[RunRecord], source: RunSource) -> Selection | None:
    from kag.compare.selection import selection

    return selection(trials, source.scores) if search.judged_by == "delivered" else None


def _shown(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, while it is shown how many have come."""
    from kag.view.progress import shown

    return shown(items, Terminal(stderr=True), what, len(items))
