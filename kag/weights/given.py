"""Weights as a person names them (a run, one of its checkpoints, or a file), and the bench on which they are tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import torch

from kag.data.opened import open_sites
from kag.data.whereabouts import KnownData, Say, moved_clusters, places_near
from kag.errors import CheckpointError
from kag.model.precision import FULL
from kag.spec.run import Precision
from kag.text import digest
from kag.track.folder import RunFolder
from kag.track.record import Source, Status
from kag.view.words import find_run
from kag.weights.bench import Bench
from kag.weights.checkpoint import StoredWeights, read_checkpoint
from kag.weights.epochs import KEEP

SUFFIX = ".ckpt"
DELIVERED = ("delivered", "best")
"""Checkpoints that stand for a run of which none is named, the first one that is there."""


@dataclass(frozen=True, eq=False)
class GivenWeights:
    """Weights, and where they came from."""

    run: str
    """Run id; the file's name if the file lies in no run folder."""
    checkpoint: str
    """Name of the file."""
    weights: StoredWeights
    file: Path

    def __str__(self) -> str:
        """In the word that names them, `RUN:CHECKPOINT`."""
        return f"{self.run}:{Path(self.checkpoint).stem}"

    def source(self, ratio: float | None = None) -> Source:
        """What a record says of them; `ratio` is their share in a blend."""
        own = self.weights.weights_digest
        return Source(run=self.run, checkpoint=self.checkpoint, weights_digest=own, ratio=ratio)


def given_weights(word: str, runs: Path) -> GivenWeights:
    """Read the weights that a word means: `RUN` (what it delivered), `RUN:CHECKPOINT` or a file.

    A checkpoint is named as its file is: `swa:best`, `swa:averaged`, or `swa:epoch_9` where a run keeps its epochs.

    Raises:
        RecordError: no run fits, or more than one does.
        CheckpointError: the run has no such checkpoint, or the file is none, or holds other weights than the record
            of its run says.
    """
    path = weights_file(word, runs)
    folder, weights = folder_of(path), read_checkpoint(path)
    require_recorded(weights, path)
    return GivenWeights(folder.id if folder else path.stem, path.name, weights, path)


def weights_file(word: str, runs: Path) -> Path:
    """The file of `given_weights`.

    Raises:
        RecordError, CheckpointError: as `given_weights`.
    """
    if Path(word).is_file():
        return Path(word)
    run, _, name = word.partition(":")
    folder = find_run(runs, run, ending=False)
    return named_checkpoint(folder, name)


def named_checkpoint(folder: RunFolder, name: str = "") -> Path:
    """A checkpoint of a run by its name, such as `best` or `epoch_9`; without one what the run delivered.

    Raises:
        CheckpointError: the run has no such checkpoint; those that it has are named, epochs as a range.
    """
    epochs = folder.snapshots()
    named = sorted({*folder.checkpoints.glob(f"*{SUFFIX}")} - {*epochs.values()})
    there = {path.stem: path for path in [*named, *epochs.values()]}
    for wanted in [name.removesuffix(SUFFIX)] if name else DELIVERED:
        if wanted in there:
            return there[wanted]
    kept = [path.stem for path in epochs.values()]
    ends = " to ".join(dict.fromkeys([*kept[:1], *kept[-1:]]))
    raise CheckpointError(
        f"run {folder.id} has no checkpoint {name!r}" if name else f"run {folder.id} has no weights yet",
        where=str(folder.checkpoints),
        nearest=", ".join(filter(None, [*(path.stem for path in named), ends])) or None,
        remedy=KEEP if name.startswith("epoch_") and not kept else None,
    )


def folder_of(path: Path) -> RunFolder | None:
    """The run in whose folder a file of weights lies; None if it lies elsewhere."""
    folder = RunFolder(path.absolute().parent.parent)
    return folder if folder.record_file.is_file() else None


def require_recorded(weights: StoredWeights, path: Path) -> None:
    """Refuse a file of an ended run that holds other weights than its record names: they did not make its numbers.

    Raises:
        CheckpointError: names both digests.
        RecordError: the run's record cannot be read.
    """
    folder = folder_of(path)
    record = folder.read_record() if folder else None
    if record is None or record.status is Status.RUNNING:
        return
    said = [one.weights_digest for one in record.checkpoints.values() if Path(one.path).name == path.name]
    if said and weights.weights_digest not in said:
        raise CheckpointError(
            f"holds the weights {digest(weights.weights_digest)}, "
            f"but the record of run {record.id} names {digest(said[0])}",
            where=str(path),
            remedy="put the run's own file back; weights of another origin belong outside its folder",
        )


def own_data(weights: StoredWeights, path: Path) -> KnownData:
    """What is known of the data that the weights of a file were trained on."""
    return KnownData(
        file=Path(weights.spec.data.file),
        digest=weights.data.data_digest,
        places=_places(path),
        sizes=lambda: weights.data.sizes,
    )


def own_clusters(weights: StoredWeights, path: Path) -> Path | None:
    """The file of clusters that the weights of a file were tested with, wherever it lies now; None without one."""
    return moved_clusters(weights.spec.data.clusters, _places(path))


def _places(path: Path) -> tuple[Path, ...]:
    folder = folder_of(path)
    return places_near(folder.path.parent if folder else path.absolute().parent)


def bench_for(given: GivenWeights, data: Path | None = None, *, say: Say = lambda sentence: None) -> Bench:
    """A bench on the data of these weights.

    Args:
        data: where the data file lies now; the default is where the weights' spec says, or wherever it was moved to.
        say: told where it is found, if it was moved.

    Raises:
        DataError: the file is at fault, or the data are nowhere.
        CheckpointError: it is not the data that the weights were trained on.
    """
    read = partial(open_sites, clusters=own_clusters(given.weights, given.file), say=say)
    sites = read(data) if data else own_data(given.weights, given.file).find(read=read, say=say)
    return Bench.of(given.weights, sites, fastest_device(), precision=measured_in(given.weights, given.file))


def measured_in(weights: StoredWeights, path: Path) -> Precision:
    """Number format in which the run of these weights has measured val, so that the same weights score the same again.

    That of the spec where no record says; and 32 bits on a device without TF32.
    """
    folder = folder_of(path)
    world = folder.read_record().world if folder else None
    said = (world.validation if world else None) or weights.spec.trainer.precision
    known = next((one for one in get_args(Precision) if one == said), FULL)
    return FULL if known == "tf32" and fastest_device().type != "cuda" else known


def fastest_device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
