"""How results look on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from kag.cli.tables import cell_text
from kag.text import MISSING, command, digest, fact
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.view.results import by_weights, seal
from kag.view.tables import result_cell

_LEGEND = "* the delivered weights; mean: AUPRC, averaged over the proteins"


def unsealing(record: RunRecord, runs: Path) -> str | None:
    """How to look at a test split that a run has left alone; None if it has not."""
    return command("eval", record.id, split="test", runs=runs) if seal(record) else None


def results_page(results: Sequence[Result], file: Path | None = None) -> list[dict[str, Any]]:
    """The results for programs; `file` is where other data than the run's lie, and is named in each."""
    named = {} if file is None else {"file": str(file)}
    return [named | result.model_dump(mode="json") for result in results]


def results_table(title: str, results: Sequence[Result]) -> Table:
    """One line for each set of weights and split; `*` marks the delivered weights."""
    # The widest line has 79 characters: it fits a terminal of 80.
    table = Table(title=escape(title), caption=_LEGEND, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    for column in ("weights", "epoch", "split", "AUPRC, 95 % CI", "mean", "IoU", "digest"):
        left = column in ("weights", "split", "AUPRC, 95 % CI", "digest")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for first, found in by_weights(results):
        table.add_row(
            escape(f"{'*' if first.delivered else ' '} {first.weights or MISSING}"),
            fact(first.epoch),
            escape(first.split),
            cell_text(result_cell(found.get("auprc"))),
            *(result_cell(found.get(metric)).text for metric in ("auprc_per_protein", "iou")),
            escape(digest(first.weights_digest)),
        )
    return table
