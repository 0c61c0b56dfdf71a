"""Everything known of one run, as `kag runs show` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from kag.cli import tables
from kag.spec.flat import differences, flat
from kag.spec.run import RunSpec
from kag.track.record import GitFacts, RunRecord, Scalar, Source, told

_OWN = ("name", "change", "parent", "data.file")
"""Keys that have no default, or stand at the top of the page."""


def run_page(record: RunRecord, history: Sequence[Mapping[str, float]], notes: str) -> Group:
    """The page; a part that has nothing to say is left out."""
    parts: list[RenderableType] = [_table(_head(record))]
    for title, part in _parts(record, history, notes):
        parts += ["", f"[bold]{title}[/]", part]
    return Group(*parts)


def changed_settings(spec: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings that are not the defaults; all of them where a record holds only the known ones."""
    defaults = flat(RunSpec.model_validate({"name": "default", "data": {"file": "default"}}))
    return {key: after for key, (_, after) in differences(defaults, spec).items() if key in spec and key not in _OWN}


def _head(record: RunRecord) -> Iterator[tuple[str, str | None]]:
    yield "run", record.id
    yield "status", tables.status(record.status)
    yield "kind", None if record.kind == "train" else record.kind
    yield "change", record.change and escape(record.change)
    yield "start", f"{record.start:%Y-%m-%d %H:%M:%S} UTC"
    yield "duration", str(record.end - record.start).split(".")[0] if record.end else None
    yield "epochs", tables.text(record.epochs_trained)
    yield "best epoch", None if record.best_epoch is None else str(record.best_epoch)
    yield "tags", escape(", ".join(record.tags))
    yield "sweep", record.sweep and escape(record.sweep)
    yield "W&B id", record.wandb_id and escape(record.wandb_id)
    yield "spec digest", record.found.spec_digest if record.found else None
    yield "data digest", record.data_digest


def _parts(
    record: RunRecord, history: Sequence[Mapping[str, float]], notes: str
) -> Iterator[tuple[str, RenderableType]]:
    if record.failure:
        failure = record.failure
        place = f" ({failure.where})" if failure.where else ""
        yield "failure", f"[red]{escape(f'{failure.error}: {failure.message}{place}')}[/]"
    if lineage := list(_lineage(record)):
        yield "lineage", _table(lineage)
    if settings := changed_settings(record.config):
        yield (
            "settings that differ from the defaults",
            _table((key, tables.setting(value)) for key, value in settings.items()),
        )
    if record.resumes:
        yield "resumed with", _table(_resumes(record))
    if record.results:
        yield "results", tables.results_table(record.results)
    if record.checkpoints:
        yield "checkpoints", _checkpoints(record)
    if history:
        yield "history", tables.history_table(history)
    if record.git:
        yield "code", _table(_code(record.git))
    if record.environment:
        yield "environment", _table((key, tables.text(value)) for key, value in record.environment.items())
    if record.preflight:
        said = ((f"{one.severity} {one.code}", escape(one.sentence)) for one in record.preflight)
        yield "preflight", _table(said)
    for title, part in (("world", record.world), ("found", record.found), ("stated", record.stated)):
        if facts := told(part):
            yield title, _table((key, escape(_fact(value))) for key, value in facts.items())
    if notes.strip():
        yield "notes", escape(notes.strip())


def _lineage(record: RunRecord) -> Iterator[tuple[str, str | None]]:
    yield "parent", record.parent and escape(record.parent)
    for source in record.sources:
        yield "weights from", escape(_source(source))


def _source(source: Source) -> str:
    parts = [source.run, source.checkpoint, source.weights_digest and tables.short(source.weights_digest)]
    if source.ratio is not None:
        parts.append(f"share {source.ratio:g}")
    if source.epochs is not None:
        parts.append(f"{source.epochs} epochs inherited")
    return ", ".join(part for part in parts if part)


def _resumes(record: RunRecord) -> Iterator[tuple[str, str]]:
    for number, changes in enumerate(record.resumes, start=1):
        accepted = [f"{c.key} {tables.setting(c.before)} -> {tables.setting(c.after)}" for c in changes]
        yield str(number), "; ".join(accepted) or "the same spec"


def _checkpoints(record: RunRecord) -> Table:
    table = tables.plain_table("name", "file", "digest", "epoch")
    for name, checkpoint in record.checkpoints.items():
        digest = tables.short(checkpoint.weights_digest)
        table.add_row(escape(name), escape(checkpoint.path), digest, tables.text(checkpoint.epoch))
    return table


def _code(git: GitFacts) -> Iterator[tuple[str, str | None]]:
    yield "commit", git.commit + (", with uncommitted changes" if git.dirty else "")
    yield "uncommitted", escape(", ".join(git.uncommitted))
    yield "touched since parent", escape(", ".join(git.touched))


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(
    lines: Iterator[tuple[str, str | None]] | Sequence[tuple[str, str | None]] | Iterator[tuple[str, str]],
) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for key, value in lines:
        if value:
            table.add_row(escape(key), value)
    return table
