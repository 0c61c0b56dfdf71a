"""Whether a run of another program came anywhere: what is not finite, what did not move, what was still improving."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kag.changelog.logged import Logged
from kag.finding import Finding, note, warning
from kag.track.record import Status
from kag.view.metric_names import by_name

FEWEST = 4
"""Values that a metric needs before it is said that it did not move."""
STILL = 0.05
"""Share of all that was gained which the last third of a run must bring, if it was still improving."""


def not_finite(run: Logged) -> Iterator[Finding]:
    """A metric that counts, or a loss, became NaN or infinite."""
    if not run.record.is_foreign:
        return
    counted = [metric.name for metric in run.metrics]
    losses = [key for key in run.record.metrics if key not in counted and by_name(key) == "min"]
    for key in (*counted, *losses):
        found, ended = run.not_finite_at(key), run.record.metrics.get(key, 0.0)
        if found is None and math.isfinite(ended):
            continue
        place, value = found or (None, ended)
        word, unit = str(value).replace("nan", "NaN"), run.unit(key)
        recovered = place is not None and max(run.series(key)[0], default=place) > place
        at = "" if place is None else f" at {unit} {place}"
        said = f"{key} {'was' if recovered else 'became'} {word}{at}"
        yield warning("not_finite", said, metric=key, value=word, place=place, unit=unit)
        return


def no_progress(run: Logged) -> Iterator[Finding]:
    """A metric that counts did not move, or was never better than where it began."""
    if not run.record.is_foreign or run.record.status in (Status.PLANNED, Status.RUNNING):
        return
    for metric in run.metrics:
        places, values = run.series(metric.name)
        if len(values) < FEWEST:
            continue
        unit, first = run.unit(metric.name), metric.text(values[0])
        if min(values) == max(values):
            said = f"{metric.title} did not move: {first} from {unit} {places[0]} to {places[-1]}"
        elif metric.goal and not any(metric.better(value, values[0]) for value in values[1:]):
            better = "lower" if metric.goal == "min" else "higher"
            said = f"{metric.title} was never {better} than {first} at {unit} {places[0]}, where it began"
        else:
            continue
        yield warning("no_progress", said, metric=metric.name, first=values[0], last=values[-1], values=len(values))
        return


def still_improving(run: Logged) -> Iterator[Finding]:
    """The run ended, or was killed, while its metric was still getting better."""
    metric, killed = run.judged, run.record.status is Status.KILLED
    if not run.record.is_foreign or not (run.record.status.done or killed) or metric is None:
        return
    values, thirds = run.series(metric.name)[1], run.thirds(metric.name)
    if thirds is None or any(not metric.better(values[-1], than) for than in values[:-1]):
        return
    gained, lately = abs(values[-1] - values[0]), abs(values[-1] - thirds[1][0])
    if lately >= STILL * gained:
        before, last = metric.text(thirds[1][0]), metric.text(values[-1])
        when = "when it was killed" if killed else "at the end"
        said = f"{metric.title} was still improving {when}, from {before} to {last} over the last third"
        yield note("still_improving", said, first=values[0], last_third=thirds[1][0], last=values[-1])
