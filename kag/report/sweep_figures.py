"""The figures of a sweep: what was tried, what came of it, and which parameters mattered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kag.report.figure import Axis, Bars, Chart, Figure, Heatmap, Line, Mark, Parallel
from kag.sweep import Metric, Sweep, Trial, TrialState
from kag.sweep.distribution import Distribution
from kag.sweep.importance import importance
from kag.text import setting
from kag.view.changes import is_seed

START, WINDOW = "swa.start", "swa.window"

WIDE = 50.0
"""Ratio of largest to smallest listed value from which on an axis is logarithmic."""


def sweep_figures(
    sweep: Sweep, trials: Sequence[Trial], name_of: Callable[[Trial], str] | None = None
) -> tuple[Figure, ...]:
    """Pictures of a sweep; a trial without a result is not in them, and a figure without a trial is left out.

    Parallel coordinates, results in the order of the trials, the expected best of fewer trials (of a search over seeds
    fewer settings, by their means), importance (PED-ANOVA),
    and for a search over start and window of weight averaging a map of both.

    Args:
        sweep: its file.
        trials: in any order.
        name_of: what a trial is called; by default its number, and beside a line that can be pointed at its run.
    """
    shown = measured_trials(trials)
    if sweep.metric is None or not shown:
        return ()
    varied = sweep.varied()
    figures: list[Figure] = [_parallel(sweep.metric, varied, shown, name_of or _with_run)] if varied else []
    figures.append(_course(sweep.metric, shown, name_of or _numbered))
    if any(map(is_seed, varied)):
        figures += _expected(sweep.metric, "settings", _means(shown))
    else:
        figures += _expected(sweep.metric, "trials", [_result(trial) for trial in shown])
    if shares := importance(sweep, trials):
        figures.append(Bars("importance", "Importance", "share", tuple(shares), tuple(shares.values())))
    averaged = [trial for trial in shown if all(_is_number(trial.params.get(key)) for key in (START, WINDOW))]
    if {START, WINDOW} <= varied.keys() and averaged:
        figures.append(_window_map(sweep.metric, averaged))
    return tuple(figures)


def _numbered(trial: Trial) -> str:
    return f"trial {trial.id}"


def _with_run(trial: Trial) -> str:
    return _numbered(trial) + (f", {trial.run}" if trial.run else "")


def measured_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Those with a result that can be drawn, by number."""
    found = [trial for trial in trials if trial.result is not None and math.isfinite(trial.result)]
    return sorted(found, key=lambda trial: trial.id)


def _result(trial: Trial) -> float:
    return math.nan if trial.result is None else trial.result


def _best(metric: Metric) -> Callable[[Sequence[float]], float]:
    return max if metric.goal == "maximize" else min


def _course(metric: Metric, trials: Sequence[Trial], name_of: Callable[[Trial], str]) -> Chart:
    ended = [trial for trial in trials if trial.state is TrialState.FINISHED]
    others = [trial for trial in trials if trial.state is not TrialState.FINISHED]
    best = _best(metric)
    counted = [trial for trial in trials if trial.counts]
    lines, marks = list[Line](), tuple[Mark, ...]()
    if counted:
        so_far = [best([_result(one) for one in counted[: count + 1]]) for count in range(len(counted))]
        top = next(trial for trial in counted if _result(trial) == so_far[-1])
        lines.append(Line("best so far", [trial.id for trial in counted], so_far, colour=0))
        marks = (Mark(top.id, f"best: {name_of(top)}"),)
    for label, some, colour in (("finished", ended, 0), ("running, stopped or failed", others, 1)):
        if some:
            points = [trial.id for trial in some], [_result(trial) for trial in some]
            lines.append(Line(label, *points, points=True, colour=colour))
    return Chart("trials", "Trials in order", "trial", metric.name, tuple(lines), marks=marks)


def _expected(metric: Metric, of: str, results: Sequence[float]) -> list[Chart]:
    """What the best of n of these is on average: where it lies flat, more of them would find no more."""
    from kag.stats.selection import expected_best

    if len(results) < 2:
        return []
    sign = 1.0 if metric.goal == "maximize" else -1.0
    expected = [sign * float(value) for value in expected_best([sign * result for result in results])]
    line = Line("expected best", list(range(1, len(results) + 1)), expected, colour=0)
    return [Chart("expected", f"Expected best of n {of}", of, metric.name, (line,))]


def _means(trials: Sequence[Trial]) -> list[float]:
    """Mean result over the seeds of each settings: among these the choice is."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        settings = {key: value for key, value in trial.params.items() if not is_seed(key)}
        found.setdefault(json.dumps(settings, sort_keys=True), []).append(_result(trial))
    return [math.fsum(results) / len(results) for results in found.values()]


def _parallel(
    metric: Metric, varied: Mapping[str, Distribution], trials: Sequence[Trial], name_of: Callable[[Trial], str]
) -> Parallel:
    """The best trials are drawn last, above the others."""
    sign = 1.0 if metric.goal == "maximize" else -1.0
    ordered = sorted(trials, key=lambda trial: sign * _result(trial))
    axes = [axis_of(key, leaf, ordered) for key, leaf in varied.items()]
    rows = tuple(
        (*(coordinate(axis, trial.params.get(axis.label)) for axis in axes), _result(trial)) for trial in ordered
    )
    labels = tuple(map(name_of, ordered))
    return Parallel("parallel", "Parameters and results", (*axes, Axis(metric.name)), rows, labels)


def axis_of(key: str, leaf: Distribution, trials: Sequence[Trial]) -> Axis:
    """The axis of a parameter: logarithmic where its distribution is, or where its values are far apart."""
    values = [trial.params.get(key) for trial in trials]
    if all(map(_is_number, values)):
        return Axis(key, logarithmic=_logarithmic(leaf, values))
    listed = leaf.levels() or ()
    return Axis(key, words=tuple(dict.fromkeys(setting(value, None) for value in (*listed, *values))))


def _logarithmic(leaf: Distribution, values: Sequence[Any]) -> bool:
    if "log" in str(getattr(leaf, "distribution", "")):
        return bool(min(values) > 0)
    return leaf.levels() is not None and bool(min(values) > 0 and max(values) / min(values) >= WIDE)


def coordinate(axis: Axis, value: Any) -> float:
    """The place of a value on an axis."""
    if axis.words is not None:
        return axis.words.index(setting(value, None))
    number: float = value
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _window_map(metric: Metric, trials: Sequence[Trial]) -> Heatmap:
    """The best result of each start and window, whatever the other parameters were."""
    cells: dict[tuple[Any, Any], list[float]] = {}
    for trial in trials:
        cells.setdefault((trial.params[START], trial.params[WINDOW]), []).append(_result(trial))
    best = {cell: _best(metric)(results) for cell, results in cells.items()}
    starts, windows = (sorted({cell[side] for cell in cells}) for side in (0, 1))
    top = _best(metric)(list(best.values()))
    start, window = next(cell for cell, value in best.items() if value == top)
    return Heatmap(
        name="windows",
        title="Start and window of weight averaging",
        x_label="first averaged epoch",
        y_label="averaged epochs",
        value_label=f"best {metric.name}" if len(best) < len(trials) else metric.name,
        x=tuple(map(str, starts)),
        y=tuple(map(str, windows)),
        values=tuple(tuple(best.get((x, y), math.nan) for x in starts) for y in windows),
        marked=(windows.index(window), starts.index(start)),
    )
