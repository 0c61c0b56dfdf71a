"""Runs of any source as run folders without weights: small enough for a repository or the supplement of a paper.

Everything that lists, logs, compares and reports reads them as it reads the ones they come from. Where the data lay on
the machine that trained them stays there: the data are known by their name and their digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

from kag.errors import RecordError
from kag.names import SPLITS, Part
from kag.stats.scores import Scores
from kag.track import history
from kag.track.atomic import write_atomically
from kag.track.folder import RunFolder, record_text
from kag.track.folders import FolderSource
from kag.track.record import RunRecord, Scalar
from kag.track.scores_file import packed
from kag.track.scores_of_run import names_of
from kag.track.source import RunSource

DATA = "data.file"


class File(NamedTuple):
    """A file of a run folder."""

    name: str
    """Relative to the folder."""
    content: Callable[[], bytes]
    """Made when it is written: scores of thousands of runs would fill the memory."""

    def write(self, path: Path) -> None:
        """Write it there."""
        write_atomically(path, self.content())


def files_of_run(record: RunRecord, source: RunSource) -> Iterator[File]:
    """What a run folder holds beside weights, states and logs.

    Raises:
        RecordError: a part of it cannot be read, or its scores are another program's, which such a folder has not.
    """
    told = record.model_copy(update={"config": _moved(record.config)})
    yield File("record.json", lambda: record_text(told).encode())
    if source.history(record.id):
        yield File("history.jsonl", lambda: "".join(map(history.line_of, source.history(record.id))).encode())
    if record.looks:
        yield File("looks.jsonl", lambda: "".join(look.model_dump_json() + "\n" for look in record.looks).encode())
    if source.notes(record.id):
        yield File("notes.md", lambda: source.notes(record.id).encode())
    if isinstance(source, FolderSource) and (folder := RunFolder(source.runs / record.id)).spec_file.is_file():
        yield File("spec.yaml", lambda: _spec(folder, record))
    for split in SPLITS:
        scores = source.scores(record.id, split)
        if scores is not None:
            _require_own(scores, record)
            yield File(names_of(split)[0], partial(_packed, source, record, split))


def _require_own(scores: Scores, record: RunRecord) -> None:
    if scores.weights_digest is None or scores.data_digest is None or scores.label_N is None:
        raise RecordError("its scores are another program's", where=record.id, remedy="export it as csv or parquet")


def _packed(source: RunSource, record: RunRecord, split: Part) -> bytes:
    scores = source.scores(record.id, split)
    assert scores is not None
    return packed(scores, with_draws=False)


def _moved(config: dict[str, Scalar]) -> dict[str, Scalar]:
    data = config.get(DATA)
    return config | {DATA: PurePath(data).name} if isinstance(data, str) else config


def _spec(folder: RunFolder, record: RunRecord) -> bytes:
    from kag.spec import load_spec, spec_text

    spec = load_spec(folder.spec_file)
    data = spec.data.model_copy(update={"file": PurePath(str(record.config.get(DATA, spec.data.file))).name})
    return spec_text(spec.model_copy(update={"data": data})).encode()
