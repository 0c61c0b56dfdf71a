"""What of a file of weights is read: a state of training is mostly the optimizer's, which scoring never looks at."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kag.data.facts import DataFacts
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights.checkpoint import StoredWeights, entries, read_checkpoint, stored
from kag.weights.digest import weights_digest
from kag.weights.storage import load_torch, require_whole, save_torch

MOMENTS = 2_000_000
"""Numbers of the optimizer: 8 MB beside 20 kB of weights."""
PICKLE = "archive/data.pkl"


@pytest.fixture
def weights(network: Network, spec: RunSpec, facts: DataFacts) -> StoredWeights:
    return stored(spec, network.state_dict(), facts, epoch=3)


@pytest.fixture
def state(tmp_path: Path, weights: StoredWeights) -> Path:
    """A state of training."""
    path = tmp_path / "last.ckpt"
    save_torch(path, entries(weights) | {"optimizer_states": [{"exp_avg": torch.ones(MOMENTS)}]})
    return path


def flip(path: Path, entry: str | None = None) -> str:
    """Change a bit inside an entry of an archive, by default of the largest tensor; its name."""
    with zipfile.ZipFile(path) as archive:
        tensors = [one for one in archive.infolist() if "/data/" in one.filename]
        name = entry or max(tensors, key=lambda one: one.file_size).filename
        content = archive.read(name)
    whole = bytearray(path.read_bytes())
    whole[whole.index(content) + len(content) // 2] ^= 1
    path.write_bytes(whole)
    return name


def bytes_read(work: Callable[[], object]) -> int:
    """What a thread asks the system for by `read`, while it works."""

    def so_far() -> int:
        told = dict(line.split(": ") for line in Path("/proc/thread-self/io").read_text().splitlines())
        return int(told["rchar"])

    before = so_far()
    work()
    return so_far() - before


def test_a_mapped_file_is_read_where_its_directory_and_plain_values_lie(state: Path) -> None:
    size = state.stat().st_size
    assert size > 4 * MOMENTS
    assert bytes_read(lambda: load_torch(state)) > size
    for mapped in (lambda: load_torch(state, mmap=True), lambda: read_checkpoint(state)):
        assert bytes_read(mapped) < 0.05 * size
    assert size < bytes_read(lambda: require_whole(state)) < 1.1 * size, "once"


def test_scoring_looks_at_the_weights_alone_and_going_on_at_everything(state: Path, weights: StoredWeights) -> None:
    name = flip(state)
    found = read_checkpoint(state)
    assert (found.weights_digest, weights_digest(found.network)) == (weights.weights_digest,) * 2
    for whole in (load_torch, require_whole):
        with pytest.raises(CheckpointError, match=f"damaged: the checksum of {name} is wrong"):
            whole(state)


def test_damage_of_what_is_used_is_found_in_a_mapped_file(tmp_path: Path, weights: StoredWeights) -> None:
    for entry, message in ((None, "its weights have the digest"), (PICKLE, f"the checksum of {PICKLE} is wrong")):
        path = tmp_path / "delivered.ckpt"
        save_torch(path, entries(weights))
        flip(path, entry)
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(path)


def test_what_was_read_stays_where_the_file_is_replaced(state: Path, weights: StoredWeights) -> None:
    found = read_checkpoint(state)
    zeros = {name: torch.zeros_like(value) for name, value in weights.network.items()}
    save_torch(state, entries(stored(weights.spec, zeros, weights.data, epoch=4)))
    assert weights_digest(found.network) == weights.weights_digest
    changed = read_checkpoint(state)
    changed.network["gate.dropout_rate"].fill_(0.5)
    assert float(read_checkpoint(state).network["gate.dropout_rate"]) == 0.0, "a change stays in memory"
