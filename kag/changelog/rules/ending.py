"""How a run ended, and whether it is the highest so far."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.compare.comparison import COMPARED
from kag.compare.groups import seeds_text
from kag.compare.paired import Unpaired
from kag.compare.wording import tested_text
from kag.finding import Evidence, Finding, error, note
from kag.text import commit, three_decimals
from kag.track.past import attempts
from kag.track.record import RunRecord, Status
from kag.view.alike import data_of
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
    """No earlier run on the same data reached its value, and no test tells it apart from the highest of them."""
    metric = siblings.judged_by(entry)
    before = siblings.best_before(entry, metric) if metric else None
    if metric is None or before is None:
        return
    value, highest = siblings.value(entry, metric), siblings.value(before, metric)
    if value is None or highest is None or not metric.better(value, highest) or siblings.best_to_date(entry):
        return
    compared = siblings.against_best(entry)
    assert compared is not None
    alone = ", by another seed alone" if compared.seed_alone else ""
    among = "" if data_of(entry.record) else ", among runs of unknown data"
    tested = compared.test_of(metric.name)
    said = f"{metric.extreme} {metric.title} so far ({metric.text(highest)} before{alone}){among}"
    if isinstance(tested, Unpaired):
        yield note("highest_so_far", f"{said}; not tested", value=value, before=highest, run_before=before.id)
        return
    apart = "" if tested.told_apart else ", not distinguishable"
    said = f"{said}: {tested_text(metric.name, tested)}{seeds_text(compared)}{apart}"
    yield note("highest_so_far", said, value=value, before=highest, run_before=before.id, p_value=tested.p_value)


def best_to_date(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """No earlier run on the same data reached its value, and a test tells it apart from the highest of them."""
    metric, compared = siblings.judged_by(entry), siblings.against_best(entry)
    if metric is None or compared is None or not siblings.best_to_date(entry):
        return
    tested = compared.test_of(metric.name)
    assert not isinstance(tested, Unpaired)
    over = f"over `{compared.before.id}`{seeds_text(compared)}"
    said = f"best {metric.title} to date: {tested_text(metric.name, tested)} {over}"
    yield note("best_to_date", said, change=tested.value, p_value=tested.p_value, run_before=compared.before.id)
