"""What a run will cost, and the rehearsal, without training: the body of `kag check`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.model.size import flops_per_sample, parameters
from kag.spec.run import RunSpec
from kag.train.batches import SiteBatches
from kag.train.build import build_network, build_objective, data_facts
from kag.train.fit import first_batches
from kag.train.memory import require_memory
from kag.train.rehearsal import rehearse

BACKWARD = 3
"""Forward and backward cost about three times the forward pass."""


def estimate(spec: RunSpec) -> Iterator[str]:
    """Read the data, then say what a run costs and what the rehearsal has found, a line each.

    Raises:
        DataError: the data is at fault.
        SpecError: the run does not fit the machine.
        RehearsalFailed: the rehearsal is.
    """
    sites = read_sites(Path(spec.data.file))
    yield _data_line(sites)
    memory = require_memory(spec, sites)
    flops = flops_per_sample(spec.model, features=sites.columns, embedding=sites.embedding, neighbours=sites.neighbours)
    network, batches = build_network(spec, sites), SiteBatches(spec, sites)
    epochs = spec.last_epoch + 1
    counts = [len(batches.of_epoch(epoch)) for epoch in range(epochs)] if spec.data.replay else None
    per_epoch = len(batches.of_epoch(0))
    total = sum(counts) if counts else per_epoch * epochs
    steps = math.ceil(per_epoch / spec.trainer.accumulate)
    yield f"parameters         {parameters(network):,}"
    yield f"FLOPs per sample   {flops:,} forward, about {BACKWARD * flops:,} in training"
    yield f"batches per epoch  {per_epoch:,} of at most {spec.data.batch_size} points, {steps:,} optimizer steps"
    yield f"run                {epochs} epochs, {total:,} batches, about {_teraflop(flops, sites, epochs)}"
    most = "at most " if spec.data.grouping == "protein" else ""
    yield f"expected memory    {most}{_mib(memory.total)}, {_mib(memory.tables)} of it data tables"
    objective, facts = build_objective(spec, sites), data_facts(spec, sites)
    for sentence in rehearse(spec, network, objective, facts, *first_batches(batches, sites)):
        yield f"rehearsal          {sentence}"


def _data_line(sites: Sites) -> str:
    counts = ", ".join(f"{split} {len(sites.index(split)):,}" for split in ("train", "val", "test"))
    size = f"{len(sites.proteins):,} proteins, {sites.points:,} points ({counts})"
    return f"data               {size}, digest {sites.digest[:12]}"


def _teraflop(flops: int, sites: Sites, epochs: int) -> str:
    total = BACKWARD * flops * len(sites.index("train")) * epochs
    return f"{total / 1e12:,.1f} TFLOP"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
