"""How val AUPRC went over the epochs, with the learning rate and the schedules at the best and at the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kag import names
from kag.changelog.logged import Logged
from kag.finding import Evidence, Finding, note, warning
from kag.text import three_decimals
from kag.track.stated import Course

COLLAPSED = 0.6
"""Share of the best value below which the last one counts as a collapse."""
DRIFT = 0.01
"""Val AUPRC lost from the best to the last epoch that counts."""
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
    course = run.course
    if course.best_epoch is None or course.last_epoch is None:
        return
    epochs = course.last_epoch + 1
    if course.best_epoch < EARLY * epochs and course.last_epoch - course.best_epoch >= FEWEST_AFTER:
        at_best = "" if _fell(course) else _place(None, run.at(course.best_epoch))
        said = f"peaked early, at epoch {course.best_epoch} of 0 to {course.last_epoch}{at_best}"
        yield note("peaked_early", said, **_evidence(run))


def late_drift(run: Logged) -> Iterator[Finding]:
    """Val AUPRC went down after its best epoch, without collapsing."""
    if _fell(run.course) and not _collapsed(run.course):
        yield note("late_drift", f"val AUPRC went from {_from_best_to_last(run)}", **_evidence(run))


def collapse(run: Logged) -> Iterator[Finding]:
    """Val AUPRC lost more than 40 % after its best epoch."""
    if _collapsed(run.course):
        yield warning("collapse", f"val AUPRC collapsed from {_from_best_to_last(run)}", **_evidence(run))


def _fell(course: Course) -> bool:
    return course.best is not None and course.last is not None and course.best - course.last > DRIFT


def _collapsed(course: Course) -> bool:
    return course.best is not None and course.last is not None and course.last < COLLAPSED * course.best


def _from_best_to_last(run: Logged) -> str:
    course = run.course
    best = _place(course.best_epoch, run.at(course.best_epoch))
    last = _place(course.last_epoch, run.at(course.last_epoch))
    return f"{three_decimals(course.best)}{best} to {three_decimals(course.last)}{last}"


def _place(epoch: int | None, row: Mapping[str, float]) -> str:
    """The epoch, if it is to be named, and what the schedules set in its row."""
    words = [] if epoch is None else [f"epoch {epoch}"]
    words += [f"{word} {row[key]:.2g}" for key, word in SCHEDULES.items() if key in row]
    return f" ({', '.join(words)})" if words else ""


def _evidence(run: Logged) -> Evidence:
    course = run.course
    found: Evidence = course.model_dump(exclude={"alpha"})
    for when, epoch in (("best", course.best_epoch), ("last", course.last_epoch)):
        row = run.at(epoch)
        found |= {f"{key}_at_{when}": row[key] for key in SCHEDULES if key in row}
    return found
