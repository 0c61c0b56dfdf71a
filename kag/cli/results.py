"""How results look on a terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.table import Table

from kag.track.record import Result


def results_json(results: Sequence[Result]) -> str:
    """A JSON list, one object a number."""
    return json.dumps([result.model_dump(mode="json") for result in results], indent=2)


def results_table(title: str, results: Sequence[Result]) -> Table:
    """One line for each set of weights and split; `*` marks the delivered weights."""
    # The widest line has 78 characters: it fits a terminal of 80.
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("weights", "epoch", "split", "AUPRC", "95 % CI", "per protein", "IoU", "digest"):
        table.add_column(column, justify="left" if column in ("weights", "split", "digest") else "right", no_wrap=True)
    groups: dict[tuple[str | None, str, str | None], dict[str, Result]] = {}
    for result in results:
        groups.setdefault((result.weights, result.split, result.weights_digest), {})[result.metric] = result
    for (weights, split, digest), found in groups.items():
        table.add_row(*_cells(weights, split, digest, found))
    return table


def _cells(weights: str | None, split: str, digest: str | None, found: dict[str, Result]) -> list[str]:
    some = next(iter(found.values()))
    auprc = found.get("auprc")
    interval = "-" if auprc is None or auprc.ci_low is None else f"{auprc.ci_low:.3f}-{auprc.ci_high:.3f}"
    return [
        f"{'*' if some.delivered else ' '} {weights or '-'}",
        "-" if some.epoch is None else str(some.epoch),
        split,
        _number(auprc),
        interval,
        _number(found.get("auprc_per_protein")),
        _number(found.get("iou")),
        (digest or "-")[:8],
    ]


def _number(result: Result | None) -> str:
    return "-" if result is None else f"{result.value:.3f}"
