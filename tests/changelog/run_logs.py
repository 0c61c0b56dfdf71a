"""Small runs and sources for the tests of the change log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from kag import names
from kag.changelog.repository import Repository
from kag.changelog.version import Options
from kag.errors import RecordError
from kag.names import Part
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from kag.track.result import Result

START = datetime(2025, 10, 1, tzinfo=UTC)


def run_record(number: int = 0, name: str = "run", *, val: float | None = None, **fields: Any) -> RunRecord:
    """The run of a day of October."""
    start = START + timedelta(days=number)
    results = () if val is None else (run_result("val", val), run_result("test", val + 0.1))
    basic = {"id": f"{start:%Y-%m-%d_%H-%M-%S}_{name}", "name": name, "status": Status.FINISHED, "start": start}
    return RunRecord.model_validate({**basic, "results": results, **fields})


def run_result(split: str, value: float, **fields: Any) -> Result:
    basic = {"split": split, "metric": "auprc", "value": value, "weights": "raw", "delivered": True}
    return Result.model_validate({**basic, **fields})


def epochs(*values: float) -> list[dict[str, float]]:
    return [{names.EPOCH: float(epoch), names.OBJECTIVE: value} for epoch, value in enumerate(values)]


def make_folder(
    runs: Path, record: RunRecord, *, notes: str = "", history: Sequence[dict[str, float]] = ()
) -> RunFolder:
    """A run on disk."""
    folder = RunFolder(runs / record.id)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_record(record)
    if notes:
        folder.notes_file.write_bytes(notes.encode())
    for row in history:
        folder.append_history(row)
    return folder


def options(tmp_path: Path, **more: Any) -> Options:
    """Outside git, nothing planned."""
    return Options(Repository(tmp_path), tmp_path / "planned", **more)


@dataclass
class MemorySource:
    """A source that cannot be written to."""

    runs: list[RunRecord]
    texts: dict[str, str] = field(default_factory=dict)

    def readable(self) -> tuple[list[RunRecord], list[RecordError]]:
        return self.runs, []

    def records(self) -> Iterator[RunRecord]:
        yield from self.runs

    def history(self, run_id: str) -> list[dict[str, float]]:
        return []

    def notes(self, run_id: str) -> str:
        return self.texts.get(run_id, "")

    def scores(self, run_id: str, split: Part) -> None:
        return None


@dataclass(frozen=True)
class Parsed:
    """What a markdown parser makes of a document."""

    tables: list[list[list[str]]]
    """Rows of the cells' HTML, table by table."""
    html: str


def parsed(text: str) -> Parsed:
    """A document as GitHub's dialect has it."""
    parser = MarkdownIt("commonmark").enable("table")
    tables: list[list[list[str]]] = []
    tokens = parser.parse(text)
    for token in tokens:
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and tables[-1] and len(token.children or []) >= 0 and token.level >= 3:
            tables[-1][-1].append(parser.renderer.render(token.children or [], parser.options, {}))
    return Parsed(tables, parser.renderer.render(tokens, parser.options, {}))
