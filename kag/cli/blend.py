"""`kag blend`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kag.cli import completion
from kag.errors import UserError
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from rich.table import Table

    from kag.finding import Finding
    from kag.track.record import RunRecord
    from kag.track.result import Selection
    from kag.weights.bench import Bench
    from kag.weights.blend import Ratios, Trial
    from kag.weights.given import GivenWeights

LARGEST_GRID = 1001


Parents = Annotated[
    list[str],
    typer.Argument(metavar="A B [C]...", help="Runs, RUN:CHECKPOINT, or files.", autocompletion=completion.weights),
]


def blend(
    parents: Parents,
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
    wanted = _wanted(len(parents), ratios, weights, greedy)

    from datetime import UTC, datetime

    from kag.cli.made import mirrored, print_made, say_worth
    from kag.spec import load_spec
    from kag.track.folder import RunFolder
    from kag.view.progress import shown
    from kag.weights.blend import best_trial, greedy_soup, try_ratios
    from kag.weights.delivered_run import deliver_blend, named_spec
    from kag.weights.given import bench_for, given_weights

    console, start = Terminal(highlight=False, stderr=as_json), datetime.now(UTC)
    given = [given_weights(word, runs) for word in parents]
    stored = [parent.weights for parent in given]
    named_spec(stored[0].spec, name)
    findings = _relation(given, runs, console)
    bench = bench_for(given[0], data, say=console.say)
    trying = greedy_soup(stored, bench) if wanted is None else try_ratios(stored, wanted, bench)
    count = 2 * len(given) - 1 if wanted is None else len(wanted)
    trials = tuple(shown(trying, console, "blends", count))
    chosen, best = _worth(trials, bench, console), best_trial(trials)
    record = deliver_blend(runs, given, trials, bench, name=name, start=start, findings=findings, worth=chosen)
    record = mirrored(record, runs, load_spec(RunFolder(runs / record.id).spec_file).track, console)
    if as_json:
        answer(_page(given, trials, best, record))
        return
    for letter, parent in zip(_letters(len(given)), given, strict=True):
        console.say(f"{letter} = {parent.run}, {parent.checkpoint}")
    console.print(_table(trials, best))
    say_worth(chosen, console)
    print_made(record, runs, console)


def _worth(trials: Sequence[Trial], bench: Bench, console: Terminal) -> Selection | None:
    """What the best blend is worth, with a bar."""
    from kag.view.progress import reporting
    from kag.weights.blend import worth

    with reporting(console) as report:
        return worth(trials, bench, partial(report, "resampled"))


def _page(given: Sequence[GivenWeights], trials: Sequence[Trial], best: Trial, record: RunRecord) -> dict[str, Any]:
    from kag.weights.blend import trial_facts

    said, sources = {"run", "checkpoint", "weights_digest"}, [parent.source() for parent in given]
    return {
        "parents": [source.model_dump(mode="json", include=said) for source in sources],
        "trials": [{**trial_facts(trial), "best": trial is best} for trial in trials],
        "selection": record.found.selection if record.found else None,
        "findings": list(record.preflight),
        "run": record.id,
        "record": record,
        "results": list(record.results),
    }


def _wanted(parents: int, ratios: str | None, weights: str | None, greedy: bool) -> Sequence[Ratios] | None:
    """The ratios to try; None for a greedy soup, which finds them itself."""
    if parents < 2:
        raise UserError("a blend needs two parents or more")
    if sum((ratios is not None, weights is not None, greedy)) != 1:
        raise UserError(
            "say how to blend, in one way", remedy="give one of --ratios 0:1:0.1, --weights 0.5,0.5 and --greedy"
        )
    if weights is not None:
        return [shares(weights, parents)]
    return grid(ratios, parents) if ratios is not None else None


def grid(text: str, parents: int) -> tuple[Ratios, ...]:
    """Ratios of a grid `low:high:step`, such as `0:1:0.1`.

    The grid holds the shares of the second parent, and with more than two of every further one; the first gets the
    rest. Combinations whose shares exceed 1 are left out.

    Raises:
        UserError: not such a grid, one outside [0, 1], or more than 1,001 combinations.
    """
    words = text.split(":")
    if len(words) != 3:
        raise _no_ratios(text, "not a grid low:high:step")
    low, high, step = (_number(word, text) for word in words)
    if not (0 <= low <= high <= 1 and step > 0):
        raise _no_ratios(text, "needs 0 <= low <= high <= 1 and a step above 0")
    count = int((high - low) / step) + 1
    if count ** (parents - 1) > LARGEST_GRID:
        raise _no_ratios(text, f"gives more than {LARGEST_GRID} blends")
    combinations = product([low + step * number for number in range(count)], repeat=parents - 1)
    return tuple((float(1 - sum(others)), *map(float, others)) for others in combinations if sum(others) <= 1)


def shares(text: str, parents: int) -> Ratios:
    """Ratios written out, such as `0.5,0.5`.

    Raises:
        UserError: not one number for each parent, a negative one, or a sum that is not 1.
    """
    numbers = [_number(word, text) for word in text.split(",")]
    if len(numbers) != parents:
        raise _no_ratios(text, f"{len(numbers)} shares for {parents} parents")
    total = sum(numbers, Decimal(0))
    if min(numbers) < 0 or abs(total - 1) > Decimal("1e-6"):
        raise _no_ratios(text, f"shares must not be negative and must sum to 1, not {total}")
    return tuple(map(float, numbers))


def _number(word: str, text: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise _no_ratios(text, f"{word.strip()!r} is not a number")
    return number


def _no_ratios(text: str, problem: str) -> UserError:
    return UserError(
        f"{text!r}: {problem}",
        where="ratios of the blend",
        remedy="write a grid as --ratios 0:1:0.1, or one share for each parent as --weights 0.75,0.25",
    )


def _relation(given: Sequence[GivenWeights], runs: Path, console: Terminal) -> list[Finding]:
    """Warn of parents without a common origin."""
    from kag.track.folders import FolderSource
    from kag.view.findings import finding_line
    from kag.weights.kinship import unrelated

    records = {record.id: record for record in (FolderSource(runs).readable()[0] if runs.is_dir() else [])}
    finding = unrelated([parent.source() for parent in given], records)
    if finding is None:
        return []
    console.print(finding_line(finding), soft_wrap=True)
    return [finding]


def _letters(parents: int) -> list[str]:
    """A, B, C, ..., as the help calls the parents; P27, P28, ... after Z."""
    return [chr(ord("A") + place) if place < 26 else f"P{place + 1}" for place in range(parents)]


def _table(trials: Sequence[Trial], best: Trial) -> Table:
    """Every blend with its val AUPRC, plain and recomputed; `*` marks the one that is kept."""
    from kag.cli.fitted import plain_table
    from kag.cli.made import tried_cells
    from kag.text import number

    columns = (*_letters(len(best.ratios)), "val AUPRC", "recomputed", "digest", "")
    table = plain_table(*columns, right=columns[:-2])
    for trial in trials:
        table.add_row(*map(number, trial.ratios), *tried_cells(trial.tried), "*" if trial is best else "")
    return table
