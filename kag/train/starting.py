"""Beginning with the weights of another run: which file, what is kept of it, and what the record says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kag.data.facts import column_order, refuse_other_embedding
from kag.data.layout import FEATURE_NAMES
from kag.errors import CheckpointError, DataError, SpecError
from kag.model.network import Network
from kag.spec.flat import DESCRIPTIVE, differences, flat
from kag.spec.run import RunSpec, StartFromSpec
from kag.text import digest
from kag.track.folder import RunFolder
from kag.track.record import Change, Source
from kag.train.state import position_of, require_future
from kag.train.task import Task
from kag.view.words import find_run
from kag.weights.checkpoint import StoredWeights, load_state, parse_checkpoint
from kag.weights.given import named_checkpoint, require_recorded
from kag.weights.storage import load_torch, require_whole


@dataclass(frozen=True)
class Start:
    """Weights that a run begins with."""

    source: Source
    weights: StoredWeights
    state: Path | None
    """Lightning checkpoint to continue from, or None for the weights alone."""
    changes: tuple[Change, ...]
    """Where the child's spec differs from the parent's."""

    def load_into(self, network: Network) -> None:
        """Give the network the parent's weights, its statistics and its trained bias.

        Raises:
            CheckpointError: they do not fit; all differences are listed.
        """
        load_state(network, self.weights.network)

    def __str__(self) -> str:
        """What a run begins with, and where its spec differs from that of the run that lends its weights."""
        first = f"starts from {self.source.run}, {self.source.checkpoint} ({digest(self.weights.weights_digest)})"
        return "\n".join([first, *(f"  {one.key} {one.before} -> {one.after}" for one in self.changes)])


def find_start(task: Task, runs: Path) -> Start | None:
    """What `start_from` names, read and checked; None for a fresh start.

    Raises:
        RecordError: there is no such run.
        CheckpointError: the run has no such checkpoint, it is damaged, not what the record names, or has no state of
            training to keep.
        SpecError: that state has no future under this spec.
        DataError: the data has other tabular columns than the weights know, or another order, or another embedding.
    """
    spec = task.spec
    if spec.start_from is None:
        return None
    folder = find_run(runs, spec.start_from.run, ending=False)
    path = checkpoint_file(folder, spec.start_from)
    everything = spec.start_from.keep == "everything"
    if everything:
        require_whole(path)
    content = load_torch(path, mmap=True)
    weights = parse_checkpoint(content, where=str(path))
    require_recorded(weights, path)
    _require_same_inputs(task, weights, path)
    if everything and "optimizer_states" not in content:
        raise CheckpointError(
            "holds weights alone, no state of the optimizer",
            where=str(path),
            remedy="set start_from.checkpoint: last, or start_from.keep: weights",
        )
    if everything:
        require_future(weights, position_of(content), spec, left=1)
    return Start(
        source=Source(run=folder.id, checkpoint=path.name, weights_digest=weights.weights_digest),
        weights=weights,
        state=path if everything else None,
        changes=changed_keys(weights.spec, spec),
    )


def _require_same_inputs(task: Task, weights: StoredWeights, path: Path) -> None:
    """Refuse data that the weights would misread. (Sizes that differ are refused, all at once, with the tensors.)"""
    if task.sites.digest == weights.data.data_digest:
        return
    refuse_other_embedding(task.sites, weights.data)
    if column_order(task.sites, weights.data) is not None:
        raise DataError(
            f"the tabular columns stand in another order than {path} knows them",
            where=f"{task.sites.path}, dataset `{FEATURE_NAMES.name}`",
            nearest=", ".join(weights.data.columns or ()),
            remedy="write the file with its columns in this order",
        )


def changed_keys(stored: RunSpec, spec: RunSpec) -> tuple[Change, ...]:
    """Keys on which two specs differ, those left aside that cannot change a number."""
    return tuple(
        Change(key=key, before=before, after=after)
        for key, (before, after) in differences(flat(stored), flat(spec)).items()
        if key not in DESCRIPTIVE
    )


def refuse_unaccepted(changes: Iterable[Change], accept: Sequence[str], run: str) -> None:
    """Let nobody change a run without saying so.

    Raises:
        SpecError: lists the changes that no accepted key (or section) names.
    """
    refused = [
        change for change in changes if not any(change.key == key or change.key.startswith(f"{key}.") for key in accept)
    ]
    if refused:
        listed = "\n".join(f"    {change.key}: {change.before} -> {change.after}" for change in refused)
        raise SpecError(
            f"the spec differs from that of run {run}:\n{listed}",
            remedy="leave the overrides out, or name each key: " + " ".join(f"--accept {c.key}" for c in refused),
        )


def checkpoint_file(folder: RunFolder, start: StartFromSpec) -> Path:
    """The file of the parent that is meant; it lies in the parent's folder.

    Raises:
        CheckpointError: there is no such file (those that are there are named), or it lies elsewhere.
    """
    path = (folder.checkpoints / start.checkpoint).resolve()
    if not path.is_relative_to(folder.path.resolve()):
        raise CheckpointError("lies outside the run that it is said to belong to", where=start.checkpoint)
    return path if path.is_file() else named_checkpoint(folder, start.checkpoint)
