"""Where a run came from: parents, resumes, and what a resume brought back."""

from __future__ import annotations

from collections.abc import Iterator

from kag import names
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.siblings import Siblings
from kag.finding import Finding, note, warning
from kag.text import commit
from kag.track.record import Status
from kag.view.again import again_text
from kag.view.changes import phrase

SHOWN = 4
"""Changed keys that a sentence lists."""


def resume_changed_spec(run: Logged) -> Iterator[Finding]:
    """A resume went on with other settings."""
    changes = [change for resume in run.record.resumes for change in resume.changes]
    days = [f"{resume.when:%Y-%m-%d}" for resume in run.record.resumes if resume.changes and resume.when]
    if changes:
        on = f" on {' and '.join(dict.fromkeys(days))}" if days else ""
        said = f"settings changed at a resume{on}: {phrase(changes, SHOWN)}"
        yield warning("resume_changed_spec", said, changes=len(changes), resumes=len(run.record.resumes))


def resumed(run: Logged) -> Iterator[Finding]:
    """A run of another program went on after it had ended."""
    resumes = len(run.record.resumes)
    if run.record.is_foreign and resumes:
        yield note("resumed", f"resumed {'once' if resumes == 1 else f'{resumes} times'}", resumes=resumes)


def trained_again(run: Logged) -> Iterator[Finding]:
    """The run is another one, trained once more on purpose."""
    again = run.record.again
    if again is not None:
        said = f"the same run again: {again_text(again)}"
        yield note("trained_again", said, run=again.run, same=again.same, differences=len(again.differences) or None)


def uncommitted_code(run: Logged) -> Iterator[Finding]:
    """A run of another program stood on code that no commit has."""
    git = run.record.git
    if run.record.is_foreign and git is not None and git.dirty:
        files = f" in {len(git.uncommitted)} files" if git.uncommitted else ""
        said = f"ran on uncommitted changes{files}: `{commit(git.commit)}` is not the code that ran"
        yield note("uncommitted_code", said, commit=git.commit, files=len(git.uncommitted) or None)


def patience_restored(run: Logged) -> Iterator[Finding]:
    """Early stopping did not work with the patience of the spec."""
    patience = run.number("early_stopping.patience")
    if patience is None:
        return
    restored, waited = run.stated.restored.get("early_stopping.patience"), _waited(run)
    if restored is not None and restored != patience:
        said = f"early stopping worked with patience {restored:g} out of the checkpoint, not with {patience:g} as set"
        yield warning("patience_restored", said, patience=patience, worked_with=restored)
    elif waited is not None and waited < patience:
        said = f"the run was stopped after {waited} epochs without a rise, not after {patience:g} as set"
        yield warning("patience_restored", said, patience=patience, worked_with=waited)


def unknown_parent(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """A run that this one came from, or is compared with, has no record."""
    named = [source.run for source in entry.record.made_from]
    named += [entry.record.parent] if entry.record.parent else []
    missing = list(dict.fromkeys(run for run in named if siblings.find(run, before=entry) is None))
    if missing:
        said = f"no record of {', '.join(f'`{run}`' for run in missing)}, which this run comes from"
        yield warning("unknown_parent", said, missing=", ".join(missing))


def parent_settings_unknown(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The parent was resumed with other settings, and no record says whether that was before this run began."""
    compared = siblings.against_parent(entry)
    if compared is not None and compared.unsure:
        parent, unsure = compared.before.id, compared.unsure
        said = f"whether `{parent}` had been resumed by then is not known ({phrase(unsure, SHOWN)})"
        yield note("parent_settings_unknown", said, parent=parent, changes=len(unsure))


def row_order(entry: Entry, siblings: Siblings) -> Iterator[Finding]:
    """The hand-kept log lists this run below one that started later."""
    above = siblings.listed_before(entry)
    if above is not None and above.record.start > entry.record.start:
        said = f"the log it was imported from lists it below `{above.id}`, which started later"
        yield note("row_order", said, row=entry.record.stated.row if entry.record.stated else None, above=above.id)


def _waited(run: Logged) -> int | None:
    """Epochs without a counted rise before early stopping ended the run; None if it did not, or nobody knows."""
    least = run.number("early_stopping.min_delta")
    epochs, values = run.series(names.OBJECTIVE)
    if run.record.status is not Status.EARLY_STOPPED or least is None or not values or len(values) < len(run.rows):
        return None
    best, at = float("-inf"), epochs[0]
    for epoch, value in zip(epochs, values, strict=True):
        if value > best + least:
            best, at = value, epoch
    return epochs[-1] - at
