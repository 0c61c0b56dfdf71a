"""`kag blend`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from kag.finding import Finding
    from kag.track.record import RunRecord
    from kag.weights.bench import Bench
    from kag.weights.blend import Trial
    from kag.weights.given import GivenWeights


def blend(
    parents: Annotated[list[str], typer.Argument(metavar="A B [C]...", help="Runs, RUN:CHECKPOINT, or files.")],
    ratios: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH:STEP", help="Grid of the shares of B (and C, ...); A has the rest.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="One share for each parent, with the sum 1.")
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Greedy soup: add parents while val gets no worse.")] = False,
    name: Annotated[str, typer.Option(help="Name of the new run.")] = "blend",
    data: Annotated[Path | None, typer.Option(help="Where the data file lies now.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try weighted means of several runs' weights on val and keep the best as a new run.

    Each mean is tried as it is and with its normalisation statistics recomputed. Test is evaluated once, for the one
    that is kept.

    Examples:

      kag blend oct17 swa --ratios 0:1:0.1

      kag blend oct17 swa:best swa:averaged --greedy --name soup

      kag blend oct17 swa --weights 0.5,0.5
    """
    _require_one_way(parents, ratios, weights, greedy)

    from datetime import UTC, datetime

    from rich.console import Console

    from kag.cli.mirroring import mirrored
    from kag.weights.blend import best_trial
    from kag.weights.delivered_run import deliver_blend, named_spec
    from kag.weights.given import bench_for, given_weights

    console, start = Console(highlight=False, stderr=as_json), datetime.now(UTC)
    given = [given_weights(word, runs) for word in parents]
    named_spec(given[0].weights.spec, name)
    findings = _relation(given, runs, console)
    bench = bench_for(given[0].weights, data)
    trials = _tried(given, ratios, weights, bench, console)
    best = best_trial(trials)
    record = deliver_blend(runs, given, trials, best, bench, name=name, start=start, findings=findings)
    record = mirrored(record, runs, given[0].weights.spec.track, console)
    if as_json:
        typer.echo(_json(given, trials, best, record, findings))
    else:
        _print(console, given, trials, best, record, runs)


def _require_one_way(parents: Sequence[str], ratios: str | None, weights: str | None, greedy: bool) -> None:
    if len(parents) < 2:
        raise UserError("a blend needs two parents or more")
    if sum((ratios is not None, weights is not None, greedy)) != 1:
        raise UserError(
            "say how to blend, in one way", remedy="give one of --ratios 0:1:0.1, --weights 0.5,0.5 and --greedy"
        )


def _relation(given: Sequence[GivenWeights], runs: Path, console: Console) -> list[Finding]:
    """Warn of parents without a common origin."""
    from kag.track.folders import FolderSource
    from kag.weights.kinship import unrelated

    records = {record.id: record for record in (FolderSource(runs).readable()[0] if runs.is_dir() else [])}
    finding = unrelated([parent.source() for parent in given], records)
    if finding is None:
        return []
    console.print(f"[yellow]warning:[/yellow] {finding.sentence}", soft_wrap=True)
    return [finding]


def _ratios(ratios: str | None, weights: str | None, parents: int) -> Sequence[tuple[float, ...]] | None:
    """The ratios to try; None for a greedy soup, which finds them itself."""
    from kag.weights.blend import grid, shares

    if weights is not None:
        return [shares(weights, parents)]
    return grid(ratios, parents) if ratios is not None else None


def _tried(
    given: Sequence[GivenWeights], ratios: str | None, weights: str | None, bench: Bench, console: Console
) -> tuple[Trial, ...]:
    from rich.progress import Progress

    from kag.weights.blend import greedy_soup, try_ratios

    stored = [parent.weights for parent in given]
    chosen = _ratios(ratios, weights, len(given))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("blends", total=len(chosen) if chosen else 2 * len(given) - 1)
        if chosen is None:
            return greedy_soup(stored, bench, progress=lambda _: bar.advance(task))
        return try_ratios(stored, chosen, bench, progress=lambda _: bar.advance(task))


def _letters(parents: int) -> list[str]:
    """A, B, C, ..., as the help calls the parents; P27, P28, ... after Z."""
    return [chr(ord("A") + place) if place < 26 else f"P{place + 1}" for place in range(parents)]


def trials_table(parents: int, trials: Sequence[Trial], best: Trial) -> Table:
    """Every blend with its val AUPRC, plain and recomputed; `*` marks the one that is kept."""
    from kag.cli.tables import plain_table
    from kag.text import digest, number, three_decimals

    columns = (*_letters(parents), "val AUPRC", "recomputed", "digest", "")
    table = plain_table(*columns, right=columns[:-2])
    for trial in trials:
        recomputed = trial.recomputed.evaluation.auprc if trial.recomputed else None
        table.add_row(
            *map(number, trial.ratios),
            three_decimals(trial.plain.evaluation.auprc),
            three_decimals(recomputed),
            digest(trial.best.weights_digest),
            "*" if trial is best else "",
        )
    return table


def _print(
    console: Console, given: Sequence[GivenWeights], trials: Sequence[Trial], best: Trial, record: RunRecord, runs: Path
) -> None:
    from kag.cli.results import results_table

    for letter, parent in zip(_letters(len(given)), given, strict=True):
        console.print(f"{letter} = {parent.run}, {parent.checkpoint}", soft_wrap=True)
    console.print(trials_table(len(given), trials, best))
    console.print(results_table(f"results of {record.id}", record.results))
    console.print(f"run folder {runs / record.id}", soft_wrap=True)


def _json(
    given: Sequence[GivenWeights],
    trials: Sequence[Trial],
    best: Trial,
    record: RunRecord,
    findings: Sequence[Finding],
) -> str:
    from kag.weights.delivered_run import trial_facts

    page = {
        "parents": [parent.source().model_dump(mode="json", include=_PARENT) for parent in given],
        "trials": [{**trial_facts(trial), "best": trial is best} for trial in trials],
        "findings": [finding.model_dump(mode="json") for finding in findings],
        "run": record.id,
        "results": [result.model_dump(mode="json") for result in record.results],
    }
    return json.dumps(page, indent=2)


_PARENT = {"run", "checkpoint", "weights_digest"}
