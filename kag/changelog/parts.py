"""What a row says, cell by cell, as pieces that markdown, CSV, HTML and the page only decorate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kag.changelog.cells import body
from kag.changelog.entry import Entry
from kag.changelog.groups import Group
from kag.changelog.table import Row
from kag.compare.selection import worth_told
from kag.compare.wording import seeds_listed, spread_text
from kag.finding import Finding
from kag.text import MISSING, commit, printable
from kag.track.record import RunRecord, Status
from kag.view.changes import phrase
from kag.view.life import silence
from kag.view.metrics import TEST, Metric
from kag.view.results import absent

FILES_SHOWN = 8
"""Files that a cell lists where it lists not all."""


FINDINGS_SHOWN = 3
"""Findings that a cell shows, the gravest; the others are folded or counted."""


class Code(str):
    """A piece that is code: the id of a run, a file, settings."""


Text = tuple[str, ...]
"""Pieces to be joined: a `Code`, or plain text, in which a person may have written marks of their own."""


class Member(NamedTuple):
    """One of several replicates."""

    run: str
    seed: str
    values: tuple[str, ...]
    """A value a metric."""
    status: str
    """How it ended, where that was not well; else empty."""
    note: str
    """Empty where it is the note of the row."""

    @property
    def text(self) -> str:
        """All but the run and the note."""
        return " ".join([f"seed {self.seed}", *self.values, *([self.status] if self.status else [])])


class Trial(NamedTuple):
    """Another trial of a sweep, or several that are replicates, by the first of them."""

    run: str
    value: str
    """Of the metric by which trials are judged."""
    searched: str
    """What it has set otherwise than the others."""
    note: str
    """Empty of replicates, which have their own."""
    members: tuple[Member, ...] = ()
    """The replicates; empty of a trial that has none."""


class Value(NamedTuple):
    """What a metric came to."""

    text: str
    """`-` too for a val number that was typed as test, which is not repeated as one; `sealed` for test left alone."""
    highest_so_far: bool = False
    """By the goal of the metric; nothing is tested."""
    best_to_date: bool = False
    """Tested, or the first of its data."""


class Parts(NamedTuple):
    """A row of the table."""

    date_and_run: Text
    key_changes: Text
    files: Text
    values: tuple[Value, ...]
    """A value a metric."""
    status: str
    """How the run stands, where it delivered nothing and no rule says it; else empty."""
    findings: tuple[Finding, ...]
    """The gravest ones, which a cell shows."""
    folded: tuple[Finding, ...]
    """The others."""
    worth: str
    """Of a row that was chosen from several: what the best of them is worth; else empty."""
    unpaired: str
    """Of a row of a hand-kept log with numbers: what a paired test of them would need and lacks; else empty."""
    note: str
    trials: tuple[Trial, ...]
    """The other trials of the sweep, best first."""
    members: tuple[Member, ...] = ()
    """The replicates that it is a row of, in the order of start; empty of a run that has none."""

    @property
    def trials_heading(self) -> str:
        """What stands above the other trials."""
        runs = sum(len(trial.members) or 1 for trial in self.trials)
        return f"{runs} other trials" if runs == len(self.trials) else f"{len(self.trials)} others, {runs} trials"


def parts_of(row: Row, *, files: int | None = None) -> Parts:
    """The parts of a row; `files` is how many files are listed, None for all."""
    entry = row.entry
    return Parts(
        date_and_run=_shown(_date_and_run(row)),
        key_changes=_shown(_key_changes(row)),
        files=_shown(_code_of(row, files) if entry.record.is_foreign else _files_touched(entry, files)),
        values=tuple(_value(row, metric) for metric in row.metrics),
        status=_standing(row.group, row.metrics, row.judged) if row.group else _status_word(entry),
        findings=row.findings[:FINDINGS_SHOWN],
        folded=row.findings[FINDINGS_SHOWN:],
        worth="; ".join(worth_told(row.selection)) if row.selection else "",
        unpaired=_unpaired(entry.record),
        note=body(entry.notes),
        trials=tuple(_trial(row, trial) for trial in row.trials),
        members=_members(row.group, row.metrics, but_note_of=entry.id) if row.group else (),
    )


def sentences(parts: Parts, *, whole: bool) -> list[str]:
    """What there is to say of a run: how it stands, then its findings, then what its numbers are worth and lack.

    Args:
        parts: of its row.
        whole: say all findings; else the folded ones are counted.
    """
    shown = (*parts.findings, *parts.folded) if whole else parts.findings
    more = f"and {len(parts.folded)} more (`kag doctor`)" if parts.folded and not whole else ""
    said = (parts.status, *(finding.sentence for finding in shown), more, parts.worth, parts.unpaired)
    return [body(one) for one in said if one]


def _value(row: Row, metric: Metric) -> Value:
    if metric.name == TEST.name and row.says("val_typed_as_test"):
        return Value(MISSING)
    value, judged = row.value(metric), metric == row.judged
    if value is None and metric.name == TEST.name:
        text = absent(row.entry.record, "test")
    else:
        text = _told(row.group, metric) if row.group else metric.text(value)
    return Value(text, row.highest_so_far and judged, row.best_to_date and judged)


def _told(group: Group, metric: Metric) -> str:
    return spread_text(metric, group.spread(metric)) if group.is_several else metric.text(group.value(metric))


def _trial(row: Row, trial: Group) -> Trial:
    value = _told(trial, row.judged) if row.judged else MISSING
    searched, several = body(row.searched[trial.id]), trial.is_several
    members = _members(trial, [row.judged] if row.judged else []) if several else ()
    return Trial(body(trial.id), value, searched, "" if several else body(trial.first.notes), members)


def _members(group: Group, metrics: Sequence[Metric], but_note_of: str = "") -> tuple[Member, ...]:
    return tuple(
        Member(
            body(entry.id),
            body(group.seed(entry)),
            tuple(metric.text(entry.measured(metric)) for metric in metrics),
            "" if entry.record.status.done else entry.record.status.value,
            "" if entry.id == but_note_of else body(entry.notes),
        )
        for entry in group.entries
    )


def _standing(group: Group, metrics: Sequence[Metric], judged: Metric | None) -> str:
    """What the means go without, and what nobody knows of their runs."""
    *others, last = group.alike.untold or ("",)
    untold = f"taken to be of the same {' and '.join([', '.join(others), last] if others else [last])}" if last else ""
    return "; ".join(part for part in (_lacking(group, metrics, judged), untold) if part)


def _lacking(group: Group, metrics: Sequence[Metric], judged: Metric | None) -> str:
    """Seeds that a mean goes without, and why: `without seed 3 (aborted)`."""
    told = [metric for metric in metrics if metric == judged or group.spread(metric).n]
    lacking: list[str] = []
    for seed, runs in group.alike.by_seed.items():
        ended = [entry for entry in group.entries if entry.record in runs and entry.record.status.done]
        without = [one.title for one in told if all(entry.measured(one) is None for entry in ended)]
        why = f"no {' and no '.join(without)}" if ended else runs[-1].status.value
        lacking += [f"seed {seed} ({why})"] if without or not ended else []
    return f"without {' and '.join(lacking)}" if lacking else ""


def _shown(pieces: Iterable[str]) -> Text:
    """Pieces as they may be shown."""
    return tuple(type(piece)(printable(piece, lines=True)) for piece in pieces)


def best_of(row: Row) -> str:
    """What a row of a sweep is: `best of 4 trials of`; with replicates `best mean of 4 settings in 12 trials of`."""
    settings, trials = len(row.trials) + 1, len(row.runs)
    return (
        f"best of {trials} trials of"
        if trials == settings
        else f"best mean of {settings} settings in {trials} trials of"
    )


def joined(text: Text, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    """A text whose pieces are decorated, each by its kind."""
    return "".join(code(piece) if isinstance(piece, Code) else plain(piece) for piece in text)


def _date_and_run(row: Row) -> Iterable[str]:
    record = row.entry.record
    yield f"{record.start:%Y-%m-%d} – "
    yield Code(record.id)
    if row.group:
        yield f" and its replicates, seeds {seeds_listed(row.group.alike.by_seed)}"
    if record.sweep:
        yield f", {best_of(row)} sweep "
        yield Code(record.sweep)
        yield f" on data {row.data}" if row.data else ""
    if searched := row.searched.get(record.id):
        yield ": "
        yield Code(searched)


def _key_changes(row: Row) -> Text:
    said, changes = body(row.entry.record.change or ""), Code(phrase(row.changes, whole=row.entry.record.is_foreign))
    against = (f" against {row.against}",) if row.against else ()
    return _between([text for text in ((said,), (changes, *against)) if text[0]], "; ") or (MISSING,)


def _code_of(row: Row, most: int | None) -> Text:
    """The commit that another program's client has sent, behind the files that changed since, if git knows them."""
    git = row.entry.record.git
    if git is None:
        return (MISSING,)
    came = (" after ", Code(commit(row.since))) if row.since and row.since != git.commit else ()
    stands = ("commit ", Code(commit(git.commit)), *came, *(("; uncommitted changes",) if git.dirty else ()))
    return _between([part for part in (_files(git.touched, most), stands) if part], "; ")


def _files_touched(entry: Entry, most: int | None) -> Text:
    record = entry.record
    if record.git is None:
        return _files(record.files_touched or (), most) or (MISSING if record.kind == "imported" else "outside git",)
    if not record.git.touched:
        return ("none",) if record.git.since else ("none; commit ", Code(commit(record.git.commit)))
    uncommitted = _files(record.git.uncommitted, most)
    committed = _files([file for file in record.git.touched if file not in record.git.uncommitted], most)
    return _between([part for part in (committed, uncommitted and ("uncommitted: ", *uncommitted)) if part], "; ")


def _files(files: Sequence[str], most: int | None) -> Text:
    listed = _between([(Code(file),) for file in files[:most]], ", ")
    rest = 0 if most is None else len(files) - most
    return (*listed, f" and {rest} more") if rest > 0 else listed


def _between(texts: Sequence[Text], sign: str) -> Text:
    return tuple(piece for place, text in enumerate(texts) for piece in ((sign, *text) if place else text))


def _status_word(entry: Entry) -> str:
    record = entry.record
    if record.status in (Status.PLANNED, Status.RUNNING):
        return str(record.status)
    if record.status is not Status.KILLED:
        return ""
    unknown = record.is_foreign and record.epochs_trained is None
    killed = f"killed{'' if unknown else f' after {record.epochs_done} epochs'}"
    return ", ".join(filter(None, [killed, silence(record)]))


def _unpaired(record: RunRecord) -> str:
    """A paired test takes the scores of two runs on the same proteins of the same data, each by weights of its own."""
    if record.stated is None or not record.results:
        return ""
    lacks = {
        "scores": True,
        "data digest": all(one.data_digest is None for one in record.results),
        "weights digest": all(one.weights_digest is None for one in record.results),
    }
    return f"unpaired: {', '.join(f'no {what}' for what, lacking in lacks.items() if lacking)}"
