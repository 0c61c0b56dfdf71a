"""`kag train --seeds`: which seeds are meant, and what came of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from kag.cli.fitted import fitted, plain_table, print_whole
from kag.compare.comparison import COMPARED
from kag.compare.replicates import Spread, spread
from kag.errors import Interrupted, RunFailed, UserError
from kag.names import Part, evaluation
from kag.spec.overrides import parse_overrides
from kag.text import MISSING
from kag.view.results import headline, measured
from kag.view.terminal import answer

if TYPE_CHECKING:
    from rich.table import Table

    from kag.spec.run import RunSpec
    from kag.train.console import RunConsole
    from kag.train.seeds import SeedRun

_LARGEST = 2**32 - 1
_MOST = 100
"""Runs of one call: a larger number is a seed."""
_SPARED = ("test AUPRC", "status")


def seeds_meant(word: str, first: int) -> tuple[int, ...]:
    """The seeds of `5` (so many, from the spec's own on), `1,2,3` or `7,`.

    Args:
        word: what the person wrote.
        first: the spec's own seed.

    Raises:
        UserError: it is neither, a seed stands there twice, or is none.
    """
    words = [part.strip() for part in word.removesuffix(",").split(",")]
    if not all(part.isascii() and part.isdigit() for part in words):
        raise UserError(
            f"--seeds {word!r} is no number and no list of seeds", remedy="write --seeds 5 or --seeds 1,2,3"
        )
    numbers = tuple(map(int, words))
    listed = "," in word
    if not listed and not 0 < numbers[0] <= _MOST:
        raise UserError(
            f"--seeds {word} is no number of runs up to {_MOST}", remedy=f"for the seed {word} write {word},"
        )
    seeds = numbers if listed else tuple(range(first, first + numbers[0]))
    if max(seeds) > _LARGEST:
        raise UserError(f"the seed {max(seeds)} is above {_LARGEST}")
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise UserError(f"--seeds has {', '.join(map(str, twice))} more than once: a seed gives one and the same run")
    return seeds


def refuse_beside_seeds(word: str, overrides: Sequence[str], options: Mapping[str, object]) -> None:
    """What makes no sense beside `--seeds`.

    Args:
        word: of the option.
        overrides: of the spec.
        options: others that were given, by name.

    Raises:
        UserError: says what goes with what.
    """
    for name in (name for name, value in options.items() if value):
        raise UserError(
            f"{name} is about one run, --seeds about several",
            remedy="leave one of them out; the same call with --seeds goes on with what was interrupted",
        )
    said = ["seed" in parse_overrides([override]) for override in overrides].count(True)
    if said > 1 or (said and "," in word):
        raise UserError("--seeds and the overrides name the seed more than once", remedy="leave seed=... out")
    named = next((name for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID") if os.environ.get(name)), None)
    if named:
        raise UserError(
            f"{named} is set: this is one run of W&B, and --seeds would make several",
            remedy="make `seed` a parameter of the sweep, or unset the variable",
        )


def train_each(spec: RunSpec, seeds: Sequence[int], *, as_json: bool, runs: Path, new: bool, **options: Any) -> None:
    """Train a spec under several seeds, and print what came of it.

    Raises:
        RunFailed: a seed has no weights to hand on; the others have been trained.
        Interrupted: a signal came.
    """
    from kag.train.console import RunConsole
    from kag.train.seeds import train_seeds

    def console() -> RunConsole:
        return RunConsole(stderr=as_json)

    console().say(f"seeds: {', '.join(map(str, seeds))}")
    done: list[SeedRun] = []
    try:
        for one in train_seeds(spec, seeds, runs=runs, console=console, new=new, **options):
            done.append(one)
    except Interrupted:
        rest = ", ".join(str(seed) for seed in seeds[len(done) :])
        console().say(f"the same call{' without --new' if new else ''} goes on with seeds {rest}")
        raise
    _tell(done, console(), as_json=as_json)


def _tell(done: Sequence[SeedRun], console: RunConsole, *, as_json: bool) -> None:
    spreads = {split: found for split in COMPARED if (found := _spread(done, split)).n or split == "val"}
    if as_json:
        told = [{"run": one.record and one.record.id, **one._asdict()} for one in done]
        answer({"seeds": told, "spread": {evaluation(split, "auprc"): one.as_json() for split, one in spreads.items()}})
    width = console.terminal.width
    print_whole(console.terminal, fitted(_table(done, spreads), width, _SPARED, lines=False).group(width))
    counted = f"n = {sum(one.trouble is None for one in done)} of {len(done)}"
    console.say(counted)
    if failed := [f"seed {one.seed}: {one.trouble}" for one in done if one.trouble is not None]:
        raise RunFailed("; ".join([*failed, counted]))


def _value(one: SeedRun, split: str) -> float | None:
    found = headline(one.record, split) if one.record is not None and one.trouble is None else None
    return found.value if found else None


def _spread(done: Sequence[SeedRun], split: str) -> Spread:
    values = [_value(one, split) for one in done]
    return spread([value for value in values if value is not None], len(done))


def _text(value: float | None) -> str:
    return measured("auprc", value)


def _table(done: Sequence[SeedRun], spreads: Mapping[Part, Spread]) -> Table:
    table = plain_table("seed", "run", "status", *(f"{split} AUPRC" for split in spreads))
    for one in done:
        record = one.record
        values = (_text(_value(one, split)) for split in spreads)
        status = record.status.value if record else MISSING
        table.add_row(*map(escape, (str(one.seed), record.id if record else MISSING, status, *values)))
    table.add_section()
    found = spreads.values()
    table.add_row("mean", "", "", *(_text(one.mean) for one in found))
    table.add_row("sd", "", "", *(_text(one.sd) for one in found))
    table.add_row("range", "", "", *(f"{_text(one.low)} to {_text(one.high)}" if one.n else MISSING for one in found))
    table.add_row("n", "", "", *(f"{one.n} of {one.of}" for one in found))
    return table
