"""A kag checkpoint: the network's weights with the spec and the data they belong to, checked by their digest.

The file is one mapping that `torch.load(weights_only=True)` reads. Training adds its own state under other keys, which
are ignored here: what counts as the weights is `network` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kag.data.facts import DataFacts
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.spec.earlier import with_earlier
from kag.spec.retired import without_retired
from kag.text import digest
from kag.weights.digest import weights_digest
from kag.weights.storage import load_torch, save_torch

FORMAT = "kag-checkpoint"
VERSION = 1

State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """Weights as a file holds them."""

    spec: RunSpec
    network: State
    """State of a `Network`, on the CPU."""
    epoch: int | None
    """Epoch at whose end the weights were these, counted from 0; None for a blend."""
    data: DataFacts
    weights_digest: str


def stored(spec: RunSpec, network: Mapping[str, Tensor], data: DataFacts, *, epoch: int | None) -> StoredWeights:
    """The weights with their digest, on the CPU.

    Tensors that lie there already are shared, not copied (so that a file that holds them twice stores them once):
    save the result before training goes on, or give a `snapshot`.
    """
    state = {name: tensor.detach().cpu() for name, tensor in network.items()}
    return StoredWeights(spec, state, epoch, data, weights_digest(state))


def snapshot(network: Mapping[str, Tensor]) -> State:
    """A copy on the CPU that later training does not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.items()}


def entries(weights: StoredWeights) -> dict[str, Any]:
    """The keys that make a mapping a kag checkpoint; training adds them to Lightning's own."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "spec": weights.spec.model_dump_json(),
        "network": dict(weights.network),
        "epoch": weights.epoch,
        "weights_digest": weights.weights_digest,
        "data": weights.data.plain(),
    }


def save_weights(path: Path, weights: StoredWeights) -> None:
    """Write weights without any state of training, all or nothing.

    Lightning's checkpoints have `epoch` as well, with the same meaning here.

    Raises:
        StorageError: the file cannot be written.
    """
    save_torch(path, entries(weights))


def read_checkpoint(path: Path) -> StoredWeights:
    """Read the weights of a file and compare them with the digest that it states.

    Of a state of training nothing else is read. The tensors lie in the file as it is now: one that replaces it later
    changes nothing, as every file of weights is replaced in one step.

    Raises:
        CheckpointError: missing, not a torch file, damaged, not a kag checkpoint, from a newer kag, or its weights are
            not those that it names.
    """
    return parse_checkpoint(load_torch(path, mmap=True), where=str(path))


def parse_checkpoint(content: Mapping[str, Any], *, where: str) -> StoredWeights:
    """The weights of a loaded file; further keys are left alone.

    Raises:
        CheckpointError: as `read_checkpoint`; `where` says which file.
    """
    if content.get("format") != FORMAT:
        raise CheckpointError(
            "not a kag checkpoint", where=where, remedy="give a file of a run's `checkpoints` folder, or a run"
        )
    if content.get("version") != VERSION:
        raise CheckpointError(f"layout {content.get('version')!r}; this kag reads layout {VERSION}", where=where)
    missing = sorted({"spec", "network", "epoch", "weights_digest", "data"} - content.keys())
    if missing:
        raise CheckpointError(f"incomplete: {', '.join(missing)} missing", where=where)
    network, epoch = content["network"], content["epoch"]
    if not (isinstance(network, Mapping) and all(isinstance(value, Tensor) for value in network.values())):
        raise CheckpointError("`network` does not hold tensors alone", where=where)
    if not (epoch is None or isinstance(epoch, int)):
        raise CheckpointError(f"its epoch is {epoch!r}, not a number", where=where)
    found = weights_digest(network)
    if found != content["weights_digest"]:
        raise CheckpointError(
            f"its weights have the digest {digest(found)}, it names {digest(str(content['weights_digest']))}",
            where=where,
            remedy="the file was changed after it was written; use another one",
        )
    return StoredWeights(
        spec=_spec(content["spec"], where),
        network=dict(network),
        epoch=epoch,
        data=_data_facts(content["data"], where),
        weights_digest=found,
    )


def build_network(weights: StoredWeights, device: torch.device | str = "cpu") -> Network:
    """A network with these weights and buffers, in evaluation mode.

    Raises:
        CheckpointError: names or shapes are not those that the spec describes; all differences are listed.
    """
    network = _untrained(weights)
    load_state(network, weights.network)
    return network.to(device).eval()


def parameter_names(weights: StoredWeights) -> frozenset[str]:
    """Which of the tensors are trained; the others are buffers. Nothing is computed for it."""
    with torch.device("meta"):
        return frozenset(name for name, _ in _untrained(weights).named_parameters())


def load_network(path: Path, device: torch.device | str = "cpu") -> tuple[Network, StoredWeights]:
    """Read a checkpoint and build its network, in evaluation mode.

    Raises:
        CheckpointError: as `read_checkpoint` and `build_network`.
    """
    weights = read_checkpoint(path)
    return build_network(weights, device), weights


def load_state(network: Network, state: Mapping[str, Tensor]) -> None:
    """Write weights and buffers into a network.

    Raises:
        CheckpointError: names, shapes or types differ; all differences are listed.
    """
    found = state_differences(network.state_dict(), state)
    if found:
        raise CheckpointError("these weights do not fit the network of their spec:\n" + "\n".join(found))
    network.load_state_dict(state)


def state_differences(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """One sentence for each tensor that only one of two states has, or whose shape or type differs."""
    sentences = []
    for name in sorted(one.keys() | other.keys()):
        if name not in other or name not in one:
            sentences.append(f"  {name}: only in the {'first' if name in one else 'second'}")
        elif (one[name].shape, one[name].dtype) != (other[name].shape, other[name].dtype):
            sentences.append(f"  {name}: {_form(one[name])} in the first, {_form(other[name])} in the second")
    return sentences


def _untrained(weights: StoredWeights) -> Network:
    spec, data = weights.spec.model, weights.data
    return Network(spec, features=data.features, embedding=data.embedding, max_distance=data.max_distance)


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _spec(text: Any, where: str) -> RunSpec:
    try:
        return RunSpec.model_validate(with_earlier(without_retired(json.loads(text))))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"its spec cannot be read: {error}", where=where) from error


def _data_facts(value: Any, where: str) -> DataFacts:
    needed = [field.name for field in fields(DataFacts) if field.default is MISSING]
    if not (isinstance(value, Mapping) and value.keys() >= set(needed)):
        raise CheckpointError(f"`data` does not hold {', '.join(needed)}", where=where)
    try:
        return DataFacts.read(value)
    except TypeError as error:
        raise CheckpointError(f"`data` cannot be read: {error}", where=where) from error
