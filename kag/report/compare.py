"""Several runs side by side: their curves in the same charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kag import names
from kag.report.figure import Chart, Line
from kag.report.run_figures import EPOCH_AXIS
from kag.report.series import Rows, by_epoch, line

_BCE = names.evaluation("val", "bce")

_CHARTS = (
    ("auprc", "Validation AUPRC", "AUPRC", names.OBJECTIVE, names.averaged(names.OBJECTIVE)),
    ("train_loss", "Training loss", "loss", names.TRAIN_LOSS, None),
    ("train_loss_main", "Main training loss", "loss", names.TRAIN_LOSS_MAIN, None),
    ("val_loss", "Main loss on val, without dropout", "loss", names.VAL_LOSS, names.averaged(names.VAL_LOSS)),
    ("val_bce", "Validation cross-entropy, unweighted", "nats", _BCE, names.averaged(_BCE)),
    ("alpha", "Gate alpha, mean (share of the centre)", "alpha", names.ALPHA_MEAN, None),
    ("entropy", "Attention entropy, mean (1 is uniform)", "entropy", names.ENTROPY, None),
    ("lr", "Learning rate", "learning rate", names.LR, None),
)


def compare_figures(histories: Mapping[str, Rows]) -> tuple[Chart, ...]:
    """The same charts for several runs; what none of them logged is left out.

    Args:
        histories: label of a run -> its history. A run has one colour in all charts; averaged weights are dashed.
    """
    known = {label: by_epoch(rows) for label, rows in histories.items()}
    charts = []
    for name, title, y_label, key, averaged in _CHARTS:
        lines = tuple(_lines(known, key, averaged))
        if lines:
            charts.append(Chart(f"compare_{name}", title, "epoch", y_label, lines, axis=EPOCH_AXIS))
    return tuple(charts)


def _lines(histories: Mapping[str, Rows], key: str, averaged: str | None) -> Iterator[Line]:
    for colour, (label, rows) in enumerate(histories.items()):
        curves = ((key, label, False), (averaged, f"{label}, averaged", True))
        for wanted, name, dashed in curves:
            found = line(rows, wanted, name, dashed=dashed, colour=colour) if wanted is not None else None
            if found is not None:
                yield found
