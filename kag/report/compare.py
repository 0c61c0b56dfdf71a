"""Several runs side by side: their curves in the same charts, and the settings on which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kag import names
from kag.report.figure import Chart, Line
from kag.report.run_figures import EPOCH_AXIS
from kag.report.series import Rows, by_epoch, line
from kag.report.words import MISSING, settings
from kag.spec.flat import DESCRIPTIVE
from kag.track.record import RunRecord

_VAL_LOSS = names.evaluation("val", "loss")

_CHARTS = (
    ("auprc", "Validation AUPRC", "AUPRC", names.OBJECTIVE, names.averaged(names.OBJECTIVE)),
    ("train_loss", "Training loss", "loss", names.TRAIN_LOSS, None),
    ("val_loss", "Validation loss", "loss", _VAL_LOSS, names.averaged(_VAL_LOSS)),
    ("alpha", "Gate alpha, mean (share of the centre)", "alpha", names.ALPHA_MEAN, None),
    ("entropy", "Attention entropy, mean (1 is uniform)", "entropy", names.ENTROPY, None),
    ("lr", "Learning rate", "learning rate", names.LR, None),
)


TOLD = 3
"""Settings that a run can be called by, where names do not tell runs apart."""


@dataclass(frozen=True)
class Setting:
    """A key on which runs differ."""

    key: str
    values: tuple[str, ...]
    """In the words of the spec, one a run; a dash where a run has no such key."""


def labels(records: Sequence[RunRecord]) -> dict[str, str]:
    """Run id -> what its curves are called: the name, what is set differently, or the id, as it tells all apart."""
    apart = differing_settings(records)
    told = [
        ", ".join(f"{one.key.rpartition('.')[2]} {one.values[place]}" for one in apart) for place in range(len(records))
    ]
    few = told if len(apart) <= TOLD else []
    for words in ([record.name for record in records], few):
        if len(set(words)) == len(records):
            return {record.id: word for record, word in zip(records, words, strict=True)}
    return {record.id: record.id for record in records}


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


def differing_settings(records: Sequence[RunRecord]) -> tuple[Setting, ...]:
    """Keys on which the runs differ, in the order of the spec; what only describes a run is left aside.

    A record of a hand-kept log knows some settings only: what it does not know is no difference.
    """
    keys = dict.fromkeys(key for record in records for key in record.config if key not in DESCRIPTIVE)
    return tuple(
        Setting(key, settings([record.config.get(key, MISSING) for record in records]))
        for key in keys
        if len({_known(record, key) for record in records if record.kind != "imported" or key in record.config}) > 1
    )


def _known(record: RunRecord, key: str) -> tuple[type, object]:
    value = record.config.get(key)
    return type(value), value


def _lines(histories: Mapping[str, Rows], key: str, averaged: str | None) -> Iterator[Line]:
    for colour, (label, rows) in enumerate(histories.items()):
        curves = ((key, label, False), (averaged, f"{label}, averaged", True))
        for wanted, name, dashed in curves:
            found = line(rows, wanted, name, dashed=dashed, colour=colour) if wanted is not None else None
            if found is not None:
                yield found
