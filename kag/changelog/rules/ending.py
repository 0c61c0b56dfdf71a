"""How a run ended, and whether it is the highest so far."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.compare.comparison import COMPARED, compare
from kag.finding import Evidence, Finding, error, note
from kag.text import commit, three_decimals
from kag.track.past import attempts
from kag.track.record import RunRecord, Status
from kag.view.alike import data_of
from kag.view.changes import seed_alone
from kag.view.results import headline

NEXT_COMMIT = "the next commit to touch that file is"
"""Stands before a commit: a document keeps it where git is not at hand."""


def broken_file(record: RunRecord) -> str | None:
    """The file of the project in which an error ended a run; None if none did, or nobody knows where."""
    if record.status is not Status.ABORTED or record.failure is None or record.failure.where is None:
        return None
    return record.failure.where.rpartition(":")[0] or record.failure.where


def aborted(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """An error ended the run; where a later run's code differs in the same file, the commit is named."""
    failure, record = entry.record.failure, entry.record
    if record.status is not Status.ABORTED:
        return
    if failure is None:
        yield error("aborted", "aborted, with no error on record", epochs_trained=record.epochs_trained)
        return
    file = broken_file(record)
    fix = siblings.fixes.get((record.git.commit, file)) if record.git and file else None
    where = f" in `{failure.where}`" if failure.where else ""
    after = f" after {record.epochs_trained} epochs" if record.epochs_trained else ""
    fixed = f"; {NEXT_COMMIT} `{commit(fix)}`" if fix else ""
    yield error(
        "aborted",
        f"aborted by {failure.error}{where}{after}{fixed}",
        error=failure.error,
        message=failure.message,
        where=failure.where,
        epochs_trained=record.epochs_trained,
        next_commit=fix,
    )


def results_of_former_end(run: Logged) -> Iterator[Finding]:
    """A run that had ended was resumed, and that did not end well: what it delivers is what it delivered before."""
    record = run.record
    if record.results and record.resumes and record.status in (Status.ABORTED, Status.KILLED):
        said = "its last resume did not end well; the results are those of the weights that it delivered before"
        yield note("results_of_former_end", said, resumes=len(record.resumes), epochs_trained=record.epochs_trained)


def results_before_resume(run: Logged) -> Iterator[Finding]:
    """A run that had ended was resumed and has new results: what was said of it before rests on the former ones."""
    ended = [attempt.record for attempt in attempts(run.record)]
    said: list[str] = []
    evidence: Evidence = {}
    for before, after in pairwise(ended):
        former, own = ({split: headline(one, split) for split in COMPARED} for one in (before, after))
        numbers = {split: one.value for split, one in former.items() if one is not None and one != own[split]}
        when = after.resumes[-1].when
        if numbers and when is not None:
            listed = " and ".join(f"{split} AUPRC {three_decimals(value)}" for split, value in numbers.items())
            said.append(f"{listed} before it was resumed on {when:%Y-%m-%d}")
            evidence |= {f"{split} before {when:%Y-%m-%d %H:%M}": value for split, value in numbers.items()}
    if said:
        yield note("results_before_resume", "; ".join(said), **evidence)


def caveat(run: Logged) -> Iterator[Finding]:
    """What was established about an imported row, by reading and running the code of its time."""
    caveats = run.stated.caveats
    if caveats:
        yield note("caveat", "; ".join(caveats), caveats=len(caveats))


def highest_so_far(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """No earlier run on the same data reached its value of the metric that runs are judged by; nothing is tested."""
    metric = siblings.judged_by(entry)
    before = siblings.best_before(entry, metric) if metric else None
    if metric is None or before is None:
        return
    value, highest = entry.measured(metric), before.measured(metric)
    if value is not None and highest is not None and metric.better(value, highest):
        seed = entry.record.is_foreign and seed_alone(compare(before.record, entry.record).settings)
        alone = ", by another seed alone" if seed else ""
        among = "" if data_of(entry.record) else ", among runs of unknown data"
        said = f"{metric.extreme} {metric.title} so far ({metric.text(highest)} before{alone}){among}; not tested"
        yield note("highest_so_far", said, value=value, before=highest, run_before=before.id)
