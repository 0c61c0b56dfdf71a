"""The figures of one run: its history over the epochs, with the best epoch and the averaged ones marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from kag import names
from kag.report.figure import Band, Chart, Line, Mark, Span
from kag.report.series import Rows, by_epoch, epochs, line
from kag.report.series import values as series_values
from kag.track.record import RunRecord, Scalar

EPOCH_AXIS = "epoch"
"""Charts over epochs move together."""

_LAYER = re.compile(re.escape(names.entropy_layer(0)).replace("0", r"(\d+)"))

Curves = Sequence[tuple[str, str, bool]]
"""Key, label, dashed."""

_VAL_LOSS = names.evaluation("val", "loss")

_CHARTS: tuple[tuple[str, str, str, Curves], ...] = (
    (
        "auprc",
        "Validation AUPRC",
        "AUPRC",
        ((names.OBJECTIVE, "raw", False), (names.averaged(names.OBJECTIVE), "averaged", True)),
    ),
    (
        "losses",
        "Losses",
        "loss",
        (
            (names.TRAIN_LOSS, "train", False),
            (_VAL_LOSS, "val", False),
            (names.averaged(_VAL_LOSS), "val, averaged", True),
        ),
    ),
    (
        "loss_parts",
        "Parts of the training loss",
        "loss",
        (
            (names.TRAIN_LOSS_MAIN, "main", False),
            (names.TRAIN_LOSS_PENALTY, "gate penalty", False),
            (names.TRAIN_LOSS_AUXILIARY, "auxiliary", False),
        ),
    ),
)
_SCHEDULES: tuple[tuple[str, str, str, Curves], ...] = (
    (
        "schedules",
        "Schedules of gate and auxiliary head",
        "value",
        (
            (names.PENALTY_WEIGHT, "penalty weight", False),
            (names.DROPOUT_RATE, "gate dropout rate", False),
            (names.CONTEXT_SCALE, "context scale", False),
            (names.AUXILIARY_WEIGHT, "auxiliary weight", False),
        ),
    ),
    ("lr", "Learning rate", "learning rate", ((names.LR, "learning rate", False),)),
)


def run_figures(record: RunRecord, rows: Rows) -> tuple[Chart, ...]:
    """Charts of a run's history; what was not logged is left out.

    Args:
        record: the run; its spec says which epochs are averaged.
        rows: its history, in any order.
    """
    known = by_epoch(rows)
    marks, spans = best_mark(record), window_span(record.config)
    curves = [_chart(known, *words, marks, spans) for words in _CHARTS]
    schedules = [_chart(known, *words, marks, spans) for words in _SCHEDULES]
    every = [*curves, _alpha(record, known, marks, spans), _entropy(known, marks, spans), *schedules]
    return tuple(chart for chart in every if chart.lines or chart.bands)


def best_mark(record: RunRecord) -> tuple[Mark, ...]:
    """The best epoch, where the record knows it."""
    if record.best_epoch is None:
        return ()
    return (Mark(x=record.best_epoch, label=f"best epoch {record.best_epoch}"),)


def window_span(spec: Mapping[str, Scalar]) -> tuple[Span, ...]:
    """The averaged epochs of a flat spec with SWA; half an epoch is added at both ends, so that one epoch has width."""
    start, window = spec.get("swa.start"), spec.get("swa.window")
    if not isinstance(start, int) or not isinstance(window, int):
        return ()
    last = start + window - 1
    return (Span(start=start - 0.5, end=last + 0.5, label=f"SWA {start}" + (f" to {last}" if last > start else "")),)


def _chart(
    rows: Rows,
    name: str,
    title: str,
    y_label: str,
    curves: Curves,
    marks: tuple[Mark, ...],
    spans: tuple[Span, ...],
) -> Chart:
    found = (line(rows, key, label, dashed=dashed) for key, label, dashed in curves)
    lines = tuple(one for one in found if one is not None)
    return Chart(name, title, "epoch", y_label, lines, marks=marks, spans=spans, axis=EPOCH_AXIS)


def _alpha(record: RunRecord, rows: Rows, marks: tuple[Mark, ...], spans: tuple[Span, ...]) -> Chart:
    low, high = (series_values(rows, key) for key in (names.ALPHA_P05, names.ALPHA_P95))
    known = any(a == a and b == b for a, b in zip(low, high, strict=True))
    bands = (Band("5 % to 95 %", epochs(rows), low, high),) if known else ()
    curves = ((names.ALPHA_P50, "median", False), (names.ALPHA_MEAN, "mean", True))
    lines = [one for key, label, dashed in curves if (one := line(rows, key, label, dashed=dashed)) is not None]
    if lines:
        lines += _target(record.config, lines[0])
    title = "Gate alpha (share of the centre)"
    return Chart("alpha", title, "epoch", "alpha", tuple(lines), bands, marks, spans, EPOCH_AXIS)


def _target(spec: Mapping[str, Scalar], over: Line) -> Iterator[Line]:
    target = spec.get("model.gate.penalty.target")
    if isinstance(target, (int, float)) and not isinstance(target, bool):
        yield Line("penalty target", over.x, (float(target),) * len(over.x), dashed=True)


def _entropy(rows: Rows, marks: tuple[Mark, ...], spans: tuple[Span, ...]) -> Chart:
    layers = sorted({int(found[1]) for row in rows for key in row if (found := _LAYER.fullmatch(key))})
    curves = [(names.entropy_layer(layer), f"layer {layer}", False) for layer in layers]
    if len(layers) != 1:
        curves.append((names.ENTROPY, "mean", bool(layers)))
    title = "Attention entropy (1 is uniform)"
    return _chart(rows, "entropy", title, "entropy", curves, marks, spans)
