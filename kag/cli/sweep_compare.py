"""`kag sweep compare`: what the best of one search is worth against the best of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kag.cli.sources import RUNS, Json, Runs, Source, opened
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.compare.chosen import Side
    from kag.stats.selection import ChosenDifference


def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="Id of a sweep, or a run with those of its other seeds.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    runs: Runs = RUNS,
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Compare two searches: how far the best of B lies above the best of A, without what choosing adds to each.

    The best of many trials looks better than it is, and better the more there were. Both choices are made again on the
    proteins that a resample draws, and judged on those that it does not (BBC-CV): so a search is compared with a single
    run, or with a search of another length. Every trial needs its scores (`kag eval RUN --store` adds them).

    Examples:

      kag sweep compare 1a2b3c4d 5e6f7a8b

      kag sweep compare 1a2b3c4d baseline
    """
    from kag.compare.chosen import chosen_apart, side_of

    place, where = opened(source, runs), source or str(runs)
    known = place.readable()[0]
    sides = [side_of(word, known, where=where) for word in (before, after)]
    found = chosen_apart(sides[0], sides[1], place.scores)
    if as_json:
        answer(_page(sides, found))
        return
    console = Terminal(highlight=False)
    for line in _lines(sides, found):
        console.say(line)


def _page(sides: list[Side], found: ChosenDifference) -> dict[str, Any]:
    names = ("a", "b")
    return {
        **{
            name: {
                "name": side.name,
                "candidates": len(side.best_first),
                "best": [run.id for run in side.best.runs],
                "value": side.best.value,
            }
            for name, side in zip(names, sides, strict=True)
        },
        "difference": found.value,
        "corrected": found.corrected,
        "interval": found.interval and {"low": found.interval.low, "high": found.interval.high},
    }


def _lines(sides: list[Side], found: ChosenDifference) -> Iterator[str]:
    from kag.names import OBJECTIVE
    from kag.view.results import measured, moved

    for letter, side in zip("AB", sides, strict=True):
        count = len(side.best_first)
        among = f"best of {count}" if count > 1 else "not chosen"
        seeds = f", mean of {len(side.best.runs)} seeds" if len(side.best.runs) > 1 else ""
        value = measured(OBJECTIVE, side.best.value)
        yield f"{letter} = {side.name}: {side.best.runs[0].id}, {among}{seeds}, val AUPRC {value}"
    yield f"B - A as they stand: {moved(OBJECTIVE, found.value)}"
    if found.interval is None:
        yield "no resample leaves enough out to correct it"
        return
    corrected, low, high = (moved(OBJECTIVE, one) for one in (found.corrected, found.interval.low, found.interval.high))
    told = "no difference shown" if found.interval.low <= 0.0 <= found.interval.high else "told apart"
    yield f"B - A on proteins that had no part in the choices: {corrected} [{low}, {high}]: {told}"
