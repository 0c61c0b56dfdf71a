"""The run that `kag blend` or `kag windows` makes: mirrored in W&B as its parents are, and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kag.spec.run import TrackSpec
    from kag.track.record import RunRecord
    from kag.track.result import Result, Selection
    from kag.view.terminal import Terminal
    from kag.weights.bench import Tried


def mirrored(record: RunRecord, runs: Path, track: TrackSpec, console: Terminal) -> RunRecord:
    """Mirror a finished run; W&B's failures are printed. The record with the W&B id, if it has one now."""
    from kag.track.folder import RunFolder
    from kag.track.wandb_run import mirror_finished

    return mirror_finished(RunFolder(runs / record.id), record, track, warner(console))


def warner(console: Terminal) -> Callable[[str], None]:
    """What prints a warning."""
    from rich.markup import escape

    return lambda text: console.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True, highlight=False)


def tried_cells(tried: Tried | None) -> list[str]:
    """Of a row of a table: val AUPRC plain and recomputed, and the digest of the better one."""
    from kag.text import digest, three_decimals

    variants = (tried.plain, tried.recomputed) if tried else (None, None)
    auprcs = (three_decimals(variant.evaluation.auprc if variant else None) for variant in variants)
    return [*auprcs, digest(tried.best.weights_digest if tried else None)]


def say_worth(found: Selection | None, console: Terminal) -> None:
    """What the best of the candidates is worth, where there was a choice."""
    from kag.compare.selection import worth_told
    from kag.names import OBJECTIVE
    from kag.view.results import measured

    if found is not None:
        console.say("; ".join([f"best val AUPRC {measured(OBJECTIVE, found.value)}", *worth_told(found)]))


def say_in_32_bits(results: Sequence[Result], console: Terminal) -> None:
    """What was measured in another number format is worth in 32 bits, too."""
    from kag.view.results import in_32_bits

    for sentence in in_32_bits(results):
        console.say(sentence)


def print_made(record: RunRecord, runs: Path, console: Terminal) -> None:
    """Its results, and where it lies."""
    from kag.cli.results import results_table, unsealing

    console.print(results_table(f"results of {record.id}", record.results))
    say_in_32_bits(record.results, console)
    if look := unsealing(record, runs):
        console.say(f"test is sealed; {look} looks at it")
    console.say(f"run folder {runs / record.id}")
