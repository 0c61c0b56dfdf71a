"""Tables of runs as values: a terminal prints them, a report makes HTML of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kag.text import MISSING, commit, digest, duration, fact, number, setting
from kag.track.past import time_spent
from kag.track.record import Change, RunRecord, Source, told
from kag.track.result import Result
from kag.view.again import again_text
from kag.view.changes import change_texts, differing_settings
from kag.view.life import last_sign, silence
from kag.view.metrics import Metric
from kag.view.results import absent, by_file, by_weights, headline, interval, measured, metrics_of, seal


@dataclass(frozen=True)
class Cell:
    """A text; what stands under it is smaller, and `full` is what it is short for."""

    text: str
    under: str = ""
    full: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; columns after the first `words` ones hold numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 99


_OF_RUN: dict[str, Callable[[RunRecord], Cell]] = {
    "run": lambda record: Cell(record.id),
    "status": lambda record: Cell(record.status.value, under=silence(record)),
    "epochs": lambda record: Cell(fact(record.epochs_trained)),
    "best epoch": lambda record: Cell(fact(record.best_epoch)),
    "val AUPRC": lambda record: headline_cell(record, "val"),
    "test AUPRC": lambda record: headline_cell(record, "test"),
    "digest of weights": lambda record: _digest(
        getattr(headline(record, "val") or headline(record, "test"), "weights_digest", None)
    ),
    "parent": lambda record: Cell(record.parent or MISSING),
    "tags": lambda record: Cell(", ".join(record.tags)),
}

_OF_KAG = frozenset({"best epoch", "val AUPRC", "test AUPRC", "digest of weights"})
"""What runs of other programs have nothing in."""

RUN_COLUMNS = tuple(_OF_RUN)
"""What `runs_table` can show."""


def runs_table(
    records: Sequence[RunRecord],
    columns: Sequence[str] = RUN_COLUMNS,
    called: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[Metric, float | None]] | None = None,
) -> Table:
    """One row a run, with the AUPRC of its delivered weights, or what a hand-kept log states; of runs of other
    programs with the metrics that count.

    Args:
        records: the runs.
        columns: some of `RUN_COLUMNS`, `run` first.
        called: run id -> what its curves are called.
        values: run id -> what stands for a run of another program.
    """
    measured_by = metrics_shown(values or {})
    own = not records or not all(record.is_foreign for record in records)
    columns = [one for one in columns if own or one not in _OF_KAG]
    rows = []
    for record in records:
        word, found = (called or {}).get(record.id, record.id), (values or {}).get(record.id, {})
        cells = [_OF_RUN[column](record) for column in columns[1:]]
        counted = [Cell(metric.text(found.get(metric))) for metric in measured_by]
        rows.append((Cell(record.id, under="" if word in (record.id, record.name) else word), *cells, *counted))
    return Table((*columns, *(metric.label for metric in measured_by)), tuple(rows))


def metrics_shown(values: Mapping[str, Mapping[Metric, float | None]]) -> list[Metric]:
    """The metrics of runs of other programs, in their order."""
    return list(dict.fromkeys(metric for found in values.values() for metric in found))


def results_table(results: Sequence[Result]) -> Table:
    """One column for each split and set of weights, with the digests of weights and data; a row a metric."""
    groups = by_weights(results)
    owners = [group.first for group in groups]
    head = {
        "weights": [Cell(r.weights or "unknown", under="delivered" if r.delivered else "") for r in owners],
        "digest of weights": [_digest(r.weights_digest) for r in owners],
        "digest of data": [_digest(r.data_digest) for r in owners],
        "epoch": [Cell(fact(r.epoch)) for r in owners],
        "chosen by": [Cell(r.selected_on or MISSING) for r in owners],
    }
    body = {name: [result_cell(group.numbers.get(name)) for group in groups] for name in metrics_of(groups)}
    exact = [group.numbers["auprc"].in_32_bits if "auprc" in group.numbers else None for group in groups]
    if any(value is not None for value in exact):
        body["auprc in 32 bits"] = [Cell(measured("auprc", value)) for value in exact]
    rows = ((Cell(name), *cells) for name, cells in {**head, **body}.items() if owners)
    return Table(("", *(r.split for r in owners)), tuple(rows), words=1)


def evaluations_tables(record: RunRecord) -> dict[str, Table]:
    """`Evaluated on coach420.h5` -> what the run's weights score on that file."""
    return {f"Evaluated on {file}": results_table(results) for file, results in by_file(record).items()}


def settings_table(records: Sequence[RunRecord], called: Sequence[str]) -> Table:
    """The settings on which runs differ, a column a run.

    Args:
        records: the runs.
        called: what heads the column of each.
    """
    rows = ((Cell(one.key), *map(Cell, one.values)) for one in differing_settings(records))
    return Table(("setting", *called), tuple(rows))


def changes_table(changes: Iterable[Change], before: str) -> Table:
    """Settings that differ from something else's, the parent's or the defaults."""
    rows = ((Cell(change.key), *map(Cell, change_texts(change))) for change in changes)
    return Table(("setting", before, "this run"), tuple(rows))


def pairs_table(values: Mapping[str, object], *, name: str = "what", text: Callable[[object], str] = fact) -> Table:
    """Names and values; what is empty is left out."""
    known = {key: value for key, value in values.items() if value != ""}
    return Table((name, "value"), tuple((Cell(key), Cell(text(value))) for key, value in known.items()))


def details(record: RunRecord) -> dict[str, Table]:
    """Title -> what else a record holds; a part that has nothing to say has no rows."""
    git = record.git
    code = {"uncommitted": ", ".join(git.uncommitted), "touched since parent": ", ".join(git.touched)} if git else {}
    return {
        "Weights": _checkpoints(record),
        "Resumed with": pairs_table(dict(_resumes(record)), name="attempt"),
        "Code": pairs_table({"commit": git.commit, **code} if git else {}),
        "World": pairs_table(told(record.world)),
        "Environment": pairs_table(record.environment),
        "Preflight": _preflight(record),
        "Found by kag": pairs_table(told(record.found)),
        "Stated by a person": pairs_table(told(record.stated)),
        "All settings": pairs_table(record.config, name="setting", text=setting),
    }


def facts(record: RunRecord) -> dict[str, str]:
    """What stands at the top of a run; what is unknown is left out."""
    git, spec_digest, spent = record.git, record.found.spec_digest if record.found else None, time_spent(record)
    known = {
        "kind": "" if record.kind == "train" else record.kind,
        "start": f"{record.start:%Y-%m-%d %H:%M:%S} UTC",
        "duration": "" if spent is None else duration(spent.total_seconds()),
        "last sign of life": last_sign(record),
        "epochs": "" if record.epochs_trained is None else str(record.epochs_trained),
        "best epoch": "" if record.best_epoch is None else str(record.best_epoch),
        "parent": record.parent,
        "weights from": "; ".join(map(_source, record.sources)),
        "sweep": record.sweep,
        "test": seal(record),
        "tags": ", ".join(record.tags),
        "W&B id": record.wandb_id,
        "commit": commit(git.commit) + (" with uncommitted changes" if git.dirty else "") if git else "",
        "world": str(record.world or ""),
        "log": (record.world and record.world.log) or "",
        "digest of the spec": digest(spec_digest) if spec_digest else "",
        "digest of the data": digest(record.data_digest) if record.data_digest else "",
        "resumed": f"{len(record.resumes)} times" if record.resumes else "",
        "again": again_text(record.again) if record.again else "",
    }
    return {name: value for name, value in known.items() if value}


def headline_cell(record: RunRecord, split: str) -> Cell:
    """The AUPRC that a run is judged by on a split, or why there is none."""
    return result_cell(headline(record, split), absent(record, split))


def result_cell(result: Result | None, absent: str = MISSING) -> Cell:
    """A number with its interval, or what stands in its place."""
    if result is None:
        return Cell(absent)
    bounds = interval(result)
    return Cell(measured(result.metric, result.value), under="" if bounds == MISSING else bounds)


def _digest(value: str | None) -> Cell:
    return Cell(digest(value), full=value or "")


def _checkpoints(record: RunRecord) -> Table:
    rows = (
        (Cell(name), Cell(kept.path), _digest(kept.weights_digest), Cell(fact(kept.epoch)))
        for name, kept in record.checkpoints.items()
    )
    return Table(("name", "file", "digest of weights", "epoch"), tuple(rows))


def _preflight(record: RunRecord) -> Table:
    rows = ((Cell(one.severity.value), Cell(one.code), Cell(one.sentence)) for one in record.preflight)
    return Table(("severity", "rule", "what it says"), tuple(rows))


def _resumes(record: RunRecord) -> Iterable[tuple[str, str]]:
    for attempt, resume in enumerate(record.resumes, start=1):
        accepted = [f"{change.key} {' -> '.join(change_texts(change))}" for change in resume.changes]
        when = f"{resume.when:%Y-%m-%d %H:%M} UTC: " if resume.when else ""
        yield str(attempt), f"{when}{'; '.join(accepted) or 'the same spec'}"


def _source(source: Source) -> str:
    parts = [source.run, source.checkpoint, source.weights_digest and digest(source.weights_digest)]
    if source.ratio is not None:
        parts.append(f"share {number(source.ratio)}")
    if source.epochs is not None:
        parts.append(f"{source.epochs} epochs inherited")
    return ", ".join(part for part in parts if part)
