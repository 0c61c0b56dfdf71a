"""The scores of a run: which files they are, how they are read, and how they are added to a run that has none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from kag.errors import RecordError
from kag.names import ALL, SPLITS, Part
from kag.stats.scores import Drawn, Scores
from kag.text import digest
from kag.track.atomic import storing, write_atomically
from kag.track.evaluations import with_intervals
from kag.track.folder import RunFolder
from kag.track.hold import locked, may_be_trained
from kag.track.npz import arrays_of
from kag.track.reading import read_bytes
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.track.scores_columns import scores_from
from kag.track.scores_file import ABOUT, DRAWN, drawn, packed, require_split, unpacked
from kag.track.scores_table import READERS

FOLDER = "scores"
"""Of a run's files, in its own folder and in W&B."""

LARGEST = 2**26
"""Bytes of a file that is read."""


def names_of(split: Part) -> tuple[str, ...]:
    """Names that a file of scores of a split can have among the files of a run."""
    return tuple(f"{FOLDER}/{split}.{ending}" for ending in READERS)


def files_of(folder: Path) -> tuple[Path, ...]:
    """The files of scores among the files of a run in a folder."""
    named = (folder / name for split in (*SPLITS, ALL) for name in names_of(split))
    return tuple(file for file in named if file.is_file())


def read_scores(content: bytes, name: str, split: Part, *, where: str) -> Scores:
    """The scores in a file.

    Args:
        name: of the file; its ending says how it is read.
        where: for errors.

    Raises:
        RecordError: it is too large, damaged, of another version, of another split, or has not the columns of scores.
    """
    require_size(len(content), where=where)
    columns = READERS[name.rpartition(".")[2]](content, where=where)
    if ABOUT not in columns:
        return scores_from(columns, split, where=where)
    found = unpacked(columns, where=where)
    require_split(found.split, split, where=where)
    return found


def read_drawn(content: bytes, name: str, split: Part, *, where: str) -> Drawn:
    """The draws of a file; where kag wrote it, they are read alone. See `read_scores`."""
    require_size(len(content), where=where)
    if name.endswith(".npz"):
        arrays = arrays_of(content, where=where, only=DRAWN)
        if {*DRAWN} <= arrays.keys():
            return drawn(arrays, split, where=where)
    return read_scores(content, name, split, where=where).drawn


def require_size(size: int, *, where: str) -> None:
    """Refuse a file that is larger than what is read.

    Raises:
        RecordError: it is.
    """
    if size > LARGEST:
        raise RecordError(f"has {size} bytes; scores of at most {LARGEST} are read", where=where)


def only_one(found: Sequence[str], *, where: str) -> str | None:
    """The one file of scores of a split, if there is any.

    Raises:
        RecordError: there are several, and nobody says which one counts.
    """
    if len(found) > 1:
        raise RecordError(f"has {' and '.join(found)}", where=where, remedy="keep one of them")
    return found[0] if found else None


def scores_in(folder: Path, split: Part) -> Scores | None:
    """The scores of a split among the files of a run in a folder; None if there are none.

    Raises:
        RecordError: they cannot be read, or there are several files of them.
    """
    file = _file_in(folder, split)
    return None if file is None else scores_in_file(file, split, where=str(file))


def drawn_in(folder: Path, split: Part) -> Drawn | None:
    """The draws of a split among the files of a run in a folder; see `scores_in`."""
    file = _file_in(folder, split)
    return None if file is None else read_drawn(_content(file, str(file)), file.name, split, where=str(file))


def scores_in_file(file: Path, split: Part, *, where: str) -> Scores:
    """The scores of a split in a file of its own; see `read_scores`."""
    return read_scores(_content(file, where), file.name, split, where=where)


def _file_in(folder: Path, split: Part) -> Path | None:
    name = only_one([name for name in names_of(split) if (folder / name).exists()], where=str(folder))
    return None if name is None else folder / name


def _content(file: Path, where: str) -> bytes:
    if file.is_file():
        require_size(file.stat().st_size, where=where)
    return read_bytes(file)


def write_scores(folder: RunFolder, scores: Iterable[Scores]) -> None:
    """Write the scores of a run, a file for each split; for the one that holds the run.

    Raises:
        StorageError: one cannot be written; the old one stays.
    """
    with storing(folder.scores):
        folder.scores.mkdir(exist_ok=True)
    for one in scores:
        write_atomically(folder.path / names_of(one.split)[0], packed(one))


class Stored(NamedTuple):
    """What a run was given."""

    scores: tuple[Part, ...]
    """Splits of which it had no scores, or had them in other clusters."""
    intervals: tuple[Part, ...]
    """Splits whose intervals in its record are those of the clusters now, and were not before."""


def store_scores(folder: RunFolder, scores: Sequence[Scores], results: Sequence[Result] = ()) -> Stored:
    """Give a run that nobody trains the scores that it has not, or has in other clusters.

    Where they are kept in clusters, the intervals in its record become those that were drawn in these clusters.

    Args:
        folder: of the run.
        scores: of what it has delivered.
        results: the numbers of these scores, with their intervals.

    Raises:
        RecordError: the run is under way, its record is of other weights or data, or it has other scores already.
        StorageError: they cannot be written.
    """
    if may_be_trained(folder, folder.read_record()):
        raise RecordError(f"run {folder.id} is under way", remedy="store its scores when it has ended")
    with locked(folder):
        record = folder.read_record()
        for one in scores:
            require_delivered(record, one)
        fresh = [one for one in scores if not _has(folder, one)]
        if fresh:
            write_scores(folder, fresh)
        # What was kept in clusters by a call that was killed, or by an older kag, has its intervals by the next one.
        in_clusters = [one.split for one in scores if one.clusters_digest is not None]
        kept = with_intervals(record, [one for one in results if one.split in in_clusters])
        if kept is not record:
            folder.write_record(kept)
    changed = {new.split for old, new in zip(record.results, kept.results, strict=True) if old != new}
    return Stored(tuple(one.split for one in fresh), tuple(split for split in in_clusters if split in changed))


def require_delivered(record: RunRecord, scores: Scores) -> None:
    """Refuse scores of other weights or data than those of the numbers in the record.

    Raises:
        RecordError: they are.
    """
    rows = [result for result in record.results if result.delivered and result.split == scores.split]
    if not rows:
        raise RecordError(f"run {record.id} has delivered nothing that was evaluated on {scores.split}")
    known = rows[0]
    for what, said, found in (
        ("weights", known.weights_digest, scores.weights_digest),
        ("data", known.data_digest, scores.data_digest),
    ):
        if said != found:
            raise RecordError(
                f"these are scores of the {what} {digest(found)}, "
                f"but what run {record.id} has delivered was evaluated with the {what} {digest(said)}",
                remedy="only the scores of what a run has delivered are kept with it",
            )


def _has(folder: RunFolder, scores: Scores) -> bool:
    there = scores_in(folder.path, scores.split)
    if there is None:
        return False
    same = ("weights_digest", "data_digest", "examples_digest")
    if any(getattr(there, name) != getattr(scores, name) for name in same):
        raise RecordError(
            f"run {folder.id} has other scores of {scores.split} already",
            where=str(folder.scores),
            remedy="move that file away, then store them",
        )
    # What was drawn in clusters is not drawn without them again: whoever wants that moves the file away.
    return scores.clusters_digest in (None, there.clusters_digest)
