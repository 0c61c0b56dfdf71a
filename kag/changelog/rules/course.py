"""How the metric by which a run is judged went (of kag's own runs val AUPRC), with the learning rate and the schedules
at its best and at its last value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kag import names
from kag.changelog.logged import Logged
from kag.finding import Evidence, Finding, note, warning
from kag.track.stated import Course
from kag.view.metrics import VAL, Metric

COLLAPSED = 0.6
"""Largest share of the best value that the last one is in a collapse; of a loss, the best one of the last."""
DRIFT = 0.01
"""Lost from the best to the last value that counts, of a metric between 0 and 1."""
DRIFT_SHARE = 0.05
"""The same of any other metric, as a share of its best value."""
EARLY = 0.25
"""Share of the trained epochs before which a peak is early."""
FEWEST_AFTER = 4
"""Epochs that must follow an early peak."""

SCHEDULES = {
    names.LR: "lr",
    names.PENALTY_WEIGHT: "penalty",
    names.DROPOUT_RATE: "gate dropout",
    names.CONTEXT_SCALE: "context scale",
    names.AUXILIARY_WEIGHT: "auxiliary",
}
"""What the schedules set at an epoch, and the word for it."""


def peaked_early(run: Logged) -> Iterator[Finding]:
    """The best epoch lies in the first part of the run."""
    course, metric = run.course, run.judged or VAL
    if course.best_epoch is None or course.last_epoch is None:
        return
    first, best, last = _places(run)
    if best < EARLY * (last + 1) and last - best >= FEWEST_AFTER and (best or not run.record.is_foreign):
        at_best = "" if _fell(metric, course) else _place("", None, run.at(course.best_epoch))
        peaked = f"{metric.title} was {metric.extreme} early" if run.record.is_foreign else "peaked early"
        said = f"{peaked}, at {course.unit} {course.best_epoch} of {first} to {course.last_epoch}{at_best}"
        yield note("peaked_early", said, **_evidence(run))


def late_drift(run: Logged) -> Iterator[Finding]:
    """The metric went down (a loss up) after its best epoch, without collapsing."""
    metric = run.judged or VAL
    if _fell(metric, run.course) and not _collapsed(metric, run.course):
        yield note("late_drift", f"{metric.title} went from {_from_best_to_last(metric, run)}", **_evidence(run))


def collapse(run: Logged) -> Iterator[Finding]:
    """The metric lost more than 40 % after its best epoch."""
    metric = run.judged or VAL
    if _collapsed(metric, run.course):
        went = "collapsed" if metric.goal == "max" else "went far up"
        yield warning("collapse", f"{metric.title} {went} from {_from_best_to_last(metric, run)}", **_evidence(run))


def _places(run: Logged) -> tuple[int, int, int]:
    """The first epoch or step, then the places of the best and of the last value: epochs, or a count of the values."""
    course = run.course
    if not run.record.is_foreign or run.judged is None:
        return 0, course.best_epoch or 0, course.last_epoch or 0
    places = run.series(run.judged.name)[0]
    return places[0], places.index(course.best_epoch or 0), len(places) - 1


def _fell(metric: Metric, course: Course) -> bool:
    if course.best is None or course.last is None:
        return False
    share = metric == VAL or (metric.goal == "max" and 0 <= course.best <= 1)
    lost = course.best - course.last if metric.goal == "max" else course.last - course.best
    return lost > (DRIFT if share else DRIFT_SHARE * abs(course.best))


def _collapsed(metric: Metric, course: Course) -> bool:
    if course.best is None or course.last is None:
        return False
    if metric.goal == "max":
        return course.last < COLLAPSED * course.best
    return 0 < course.best < COLLAPSED * course.last


def _from_best_to_last(metric: Metric, run: Logged) -> str:
    course = run.course
    best = _place(course.unit, course.best_epoch, run.at(course.best_epoch))
    last = _place(course.unit, course.last_epoch, run.at(course.last_epoch))
    return f"{metric.text(course.best)}{best} to {metric.text(course.last)}{last}"


def _place(unit: str, place: int | None, row: Mapping[str, float]) -> str:
    """The epoch or step, if it is to be named, and what the schedules set in its row."""
    words = [] if place is None else [f"{unit} {place}"]
    words += [f"{word} {row[key]:.2g}" for key, word in SCHEDULES.items() if key in row]
    return f" ({', '.join(words)})" if words else ""


def _evidence(run: Logged) -> Evidence:
    course = run.course
    found: Evidence = course.model_dump(exclude={"alpha", "unit"})
    for when, epoch in (("best", course.best_epoch), ("last", course.last_epoch)):
        row = run.at(epoch)
        found |= {f"{key}_at_{when}": row[key] for key in SCHEDULES if key in row}
    return found
