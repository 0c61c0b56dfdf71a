"""Training steps and evaluation at full size, each beside a plain reference, as ratios of one run.

    python -m tests.benchmarks.steps [--rounds 3] [--small]

The reference is the field's usual way, as the predecessor had it: a Dataset that hands over one sample at a time, the
default collate, attention of each point by itself with its telemetry, and AdamW in a loop over parameters. It trains
the same network, so that what differs is the way. A figure is the median of its rounds, in processor time, so that
other programs on the machine do not count; set OMP_NUM_THREADS=1 where there are any.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kag.data.batches import evaluation_batches
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.model.batch import Batch
from kag.spec import RunSpec, build_spec
from kag.train.build import build_network, build_objective
from kag.train.task import Task
from kag.weights.evaluate import score
from kag.weights.heap import kept_heap
from tests.october import october

FULL = {"embedding": 2560, "batch": 640, "model": {}}
SMALL = {
    "embedding": 320,
    "batch": 640,
    "model": {"hidden": [256, 128, 64], "attention": {"width": 240, "feedforward": 128}},
}


class Samples(Dataset[dict[str, Tensor]]):
    """One point at a time, as the file has it."""

    def __init__(self, sites: Sites, split: str, max_distance: float) -> None:
        self.sites, self.rows, self.max_distance = sites, sites.index(split), max_distance

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        sites, row = self.sites, int(self.rows[item])
        neighbour_K, distance_K = sites.neighbour_NK[row], sites.distance_NK[row]
        valid_K = (neighbour_K >= 0) & (distance_K <= self.max_distance)
        neighbour_KD = np.zeros((len(neighbour_K), sites.embedding), np.float32)
        for place, neighbour in enumerate(neighbour_K.tolist()):
            if valid_K[place]:
                neighbour_KD[place] = sites.residue_RD[neighbour]
        return {
            "tabular_BF": torch.from_numpy(sites.tabular_NF[row]),
            "label_B": torch.tensor(float(sites.label_N[row])),
            "centre_CD": torch.from_numpy(sites.residue_RD[int(sites.centre_N[row])]),
            "neighbour_CKD": torch.from_numpy(neighbour_KD),
            "distance_CK": torch.from_numpy(np.where(valid_K, distance_K, np.float32(self.max_distance))),
            "valid_CK": torch.from_numpy(valid_K),
            "index_B": torch.tensor(row),
        }


def collated(sample: dict[str, Tensor]) -> Batch:
    """What the default collate made, as the network takes it: a context of its own for each point."""
    centre_CD, neighbour_CKD = sample.pop("centre_CD"), sample.pop("neighbour_CKD")
    context_B = torch.arange(len(centre_CD))
    batch = Batch(**sample, context_B=context_B, residue_UD=centre_CD, token_CT=None)
    return batch.with_residues(centre_CD, neighbour_CKD)


def reference_steps(task: Task) -> Iterator[int]:
    """Points of each step of the reference."""
    network, objective = build_network(task).train(), build_objective(task)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, foreach=False, fused=False)
    samples = Samples(task.sites, "train", task.spec.data.max_distance)
    for sample in DataLoader(samples, batch_size=task.spec.data.batch_size, shuffle=True):
        batch = collated(sample)
        optimizer.zero_grad()
        objective(network(batch, telemetry=True), batch).total.backward()
        optimizer.step()
        yield len(batch.label_B)


def steps(task: Task) -> Iterator[int]:
    """The same of a grouping."""
    network, objective = build_network(task).train(), build_objective(task)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    with kept_heap():
        for index_B in task.training_batches(0):
            batch = task.tables.collect(task.rows(index_B))
            optimizer.zero_grad()
            objective(network(batch), batch).total.backward()
            optimizer.step()
            yield len(batch.label_B)


def reference_scores(task: Task) -> Iterator[int]:
    """Points of each evaluated batch of the reference."""
    network = build_network(task).eval()
    samples = Samples(task.sites, "val", task.spec.data.max_distance)
    with torch.inference_mode():
        for sample in DataLoader(samples, batch_size=task.spec.data.batch_size):
            yield len(network(collated(sample), telemetry=True).logit_B)


def scores(task: Task) -> Iterator[int]:
    """The same by whole proteins."""
    network = build_network(task)
    # Of several batches `score` keeps the heap by itself.
    with kept_heap():
        for index_B in cycle(evaluation_batches(task.sites, "val")):
            yield len(score(network, task.tables, [index_B]).logit_N)


def compared(ways: dict[str, Callable[[], Iterator[int]]], rounds: int) -> None:
    """Print samples a second of each way and how many times the first one's that is."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        running = way()
        next(running)
        for _ in range(rounds):
            began = time.process_time()
            points = next(running)
            rates[name].append(points / (time.process_time() - began))
        running.close()
    first = statistics.median(next(iter(rates.values())))
    for name, each in rates.items():
        median = statistics.median(each)
        print(f"  {name:34}{median:>10,.0f} samples/cpu-s{median / first:>8.1f}x", flush=True)


def ceiling() -> float:
    """GFLOP/s of the machine's matrix product, as wide as a query-key-value product."""
    left, right = torch.randn(1024, 2400), torch.randn(2400, 7200)
    seconds = []
    for _ in range(4):
        began = time.process_time()
        torch.mm(left, right)
        seconds.append(time.process_time() - began)
    return 2 * left.numel() * right.shape[1] / min(seconds) / 1e9


def main() -> None:
    """Print all ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="Timed batches of each way, at most 7.")
    parser.add_argument("--small", action="store_true", help="Narrow embeddings and attention.")
    words = parser.parse_args()
    size = SMALL if words.small else FULL
    print(f"{torch.get_num_threads()} threads, matrix products {ceiling():,.0f} GFLOP/s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "full.h5"
        # 18 points on a residue, as full-size files have them.
        synthesise(file, proteins=40, points_per_protein=1800, residues_per_protein=100, embedding=size["embedding"])
        sites = read_sites(file)

        def task(grouping: str) -> Task:
            spec: RunSpec = build_spec(
                october(
                    {"name": "steps", "model": size["model"], "data": {"file": str(file), "batch_size": size["batch"]}}
                ),
                {"data.grouping": grouping},
            )
            return Task.of(spec, sites)

        tasks = {grouping: task(grouping) for grouping in ("point", "protein", "residue")}
        print("training step")
        ways = {f"grouping: {name}": lambda of=each: steps(of) for name, each in tasks.items()}
        compared({"plain reference": lambda: reference_steps(tasks["point"]), **ways}, words.rounds)
        print("evaluation of whole proteins")
        both = {
            "plain reference": lambda: reference_scores(tasks["point"]),
            "each context and residue once": lambda: scores(tasks["point"]),
        }
        compared(both, words.rounds)


if __name__ == "__main__":
    main()
