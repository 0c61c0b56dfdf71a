"""The figures of one run: its history over the epochs, with the best epoch and the averaged ones marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from kag import names
from kag.number import count
from kag.report.figure import Band, Chart, Line, Mark, Span
from kag.report.series import Rows, by_epoch, epochs, line
from kag.report.series import values as series_values
from kag.track.record import RunRecord, Scalar

EPOCH_AXIS = "epoch"
"""Charts over epochs move together."""

_LAYER = re.compile(re.escape(names.entropy_layer(0)).replace("0", r"(\d+)"))

Curves = Mapping[str, str]
"""Key -> label."""

_AUPRC, _LOSS, _BCE = names.OBJECTIVE, names.VAL_LOSS, names.evaluation("val", "bce")

_DASHED = (names.averaged(_AUPRC), names.averaged(_LOSS), names.averaged(_BCE), names.ALPHA_MEAN)
"""Curves that only go with another one."""

_CHARTS: tuple[tuple[str, str, str, Curves], ...] = (
    ("auprc", "Validation AUPRC", "AUPRC", {_AUPRC: "raw", names.averaged(_AUPRC): "averaged"}),
    (
        "losses",
        "Main loss",
        "loss",
        {names.TRAIN_LOSS_MAIN: "train", _LOSS: "val, without dropout", names.averaged(_LOSS): "val, averaged"},
    ),
    ("bce", "Validation cross-entropy, unweighted", "nats", {_BCE: "raw", names.averaged(_BCE): "averaged"}),
    (
        "loss_parts",
        "Training loss and its parts",
        "loss",
        {
            names.TRAIN_LOSS: "total",
            names.TRAIN_LOSS_MAIN: "main",
            names.TRAIN_LOSS_PENALTY: "gate penalty",
            names.TRAIN_LOSS_AUXILIARY: "auxiliary",
        },
    ),
)
_SCHEDULES: tuple[tuple[str, str, str, Curves], ...] = (
    (
        "schedules",
        "Schedules of gate and auxiliary head",
        "value",
        {
            names.PENALTY_WEIGHT: "penalty weight",
            names.DROPOUT_RATE: "gate dropout rate",
            names.CONTEXT_SCALE: "context scale",
            names.AUXILIARY_WEIGHT: "auxiliary weight",
        },
    ),
    ("lr", "Learning rate", "learning rate", {names.LR: "learning rate"}),
)


def run_figures(record: RunRecord, rows: Rows) -> tuple[Chart, ...]:
    """Charts of a run's history (its rows in any order); what was not logged is left out."""
    known = by_epoch(rows)
    marks, spans = best_mark(record), window_span(record.config)
    every = [*(_chart(known, *words) for words in _CHARTS), _alpha(record, known), _entropy(known)]
    every += [_chart(known, *words) for words in _SCHEDULES]
    return tuple(replace(chart, marks=marks, spans=spans) for chart in every if chart.lines or chart.bands)


def best_mark(record: RunRecord) -> tuple[Mark, ...]:
    """The best epoch, where the record knows it."""
    epoch = count(record.best_epoch)
    return () if epoch is None else (Mark(x=epoch, label=f"best epoch {epoch}"),)


def window_span(spec: Mapping[str, Scalar]) -> tuple[Span, ...]:
    """The averaged epochs of a flat spec with SWA; half an epoch is added at both ends, so that one epoch has width."""
    start, window = count(spec.get("swa.start")), count(spec.get("swa.window"))
    if start is None or window is None:
        return ()
    last = start + window - 1
    return (Span(start=start - 0.5, end=last + 0.5, label=f"SWA {start}" + (f" to {last}" if last > start else "")),)


def _chart(rows: Rows, name: str, title: str, y_label: str, curves: Curves) -> Chart:
    found = (line(rows, key, label, dashed=key in _DASHED) for key, label in curves.items())
    return Chart(name, title, "epoch", y_label, tuple(one for one in found if one is not None), axis=EPOCH_AXIS)


def _alpha(record: RunRecord, rows: Rows) -> Chart:
    curves = {names.ALPHA_P50: "median", names.ALPHA_MEAN: "mean"}
    chart = _chart(rows, "alpha", "Gate alpha (share of the centre)", "alpha", curves)
    low, high = (series_values(rows, key) for key in (names.ALPHA_P05, names.ALPHA_P95))
    known = any(a == a and b == b for a, b in zip(low, high, strict=True))
    bands = (Band("5 % to 95 %", epochs(rows), low, high),) if known else ()
    target = _target(record.config, chart.lines[0]) if chart.lines else ()
    return replace(chart, lines=(*chart.lines, *target), bands=bands)


def _target(spec: Mapping[str, Scalar], over: Line) -> Iterator[Line]:
    target = spec.get("model.gate.penalty.target")
    if isinstance(target, (int, float)) and not isinstance(target, bool):
        yield Line("penalty target", over.x, (float(target),) * len(over.x), dashed=True)


def _entropy(rows: Rows) -> Chart:
    layers = sorted({int(found[1]) for row in rows for key in row if (found := _LAYER.fullmatch(key))})
    curves = {names.entropy_layer(layer): f"layer {layer}" for layer in layers}
    chart = _chart(rows, "entropy", "Attention entropy (1 is uniform)", "entropy", curves)
    mean = None if len(layers) == 1 else line(rows, names.ENTROPY, "mean", dashed=bool(layers))
    return replace(chart, lines=(*chart.lines, mean)) if mean else chart
