"""What a run will cost, and the rehearsal, without training: the body of `kag check`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.data.soundness import soundness_for
from kag.finding import Finding
from kag.model.size import flops_per_sample, forward_flops, parameters
from kag.spec.circumstances import OF_DATA_AND_DEVICE
from kag.spec.preflight import require_no_error
from kag.spec.run import RunSpec
from kag.text import digest, size
from kag.track.world import resolve_world
from kag.train.build import build_network, build_objective
from kag.train.circumstances import circumstances
from kag.train.device_rehearsal import device_of, rehearse_on_device
from kag.train.memory import LIBRARIES, require_memory
from kag.train.rehearsal import rehearse
from kag.train.task import Task, this_machine

BACKWARD = 3
"""Forward and backward cost about three times the forward pass."""


def estimate(spec: RunSpec) -> Iterator[str | Finding]:
    """Read the data, then say what is odd about it, what a run costs and what the rehearsal has found, a line each.

    Raises:
        DataError: the data is at fault.
        SpecError: the run does not fit the machine, or the data gives it nothing to learn from.
        RehearsalFailed: the rehearsal is.
    """
    world = resolve_world(spec, this_machine())
    said: list[str] = []
    clusters = Path(spec.data.clusters) if spec.data.clusters else None
    sites = open_sites(Path(spec.data.file), clusters=clusters, copies=world.processes or 1, say=said.append)
    yield from (f"data               {sentence}" for sentence in (*said, *sites.unchecked))
    task = Task.of(spec, sites, world)
    yield _data_line(sites)
    facts = circumstances(spec, sites, world)
    findings = [*(found for rule in OF_DATA_AND_DEVICE for found in rule(spec, facts)), *soundness_for(sites, spec)]
    yield from findings
    require_no_error(findings, spec.name)
    memory = require_memory(task)
    flops = flops_per_sample(spec.model, **task.facts.sizes)
    network = build_network(task)
    batches = task.batches_per_epoch()
    epochs, steps = len(batches), math.ceil(batches[0] / spec.trainer.accumulate)
    yield f"parameters         {parameters(network):,}"
    yield f"FLOPs per sample   {flops:,} forward, about {BACKWARD * flops:,} in training"
    yield f"batches per epoch  {batches[0]:,} of at most {spec.data.batch_size} points, {steps:,} optimizer steps"
    teraflop = epochs * epoch_flops(task) / 1e12
    yield f"run                {epochs} epochs, {sum(batches):,} batches, about {teraflop:,.1f} TFLOP"
    yield f"world              {task.world}"
    most = "" if task.share == "nothing" else "at most "
    parts = f"{size(memory.tables)} of it data, {size(memory.step)} training, {size(LIBRARIES)} libraries"
    yield f"expected memory    {most}{size(memory.total)}: {parts}"
    objective, (train, evaluation) = build_objective(task), task.first_batches()
    if (device := device_of(task)) is not None:
        yield f"rehearsal          {rehearse_on_device(task, network, objective, train, evaluation, device)}"
    for sentence in rehearse(task, network, objective, train, evaluation):
        yield f"rehearsal          {sentence}"


def _data_line(sites: Sites) -> str:
    counts = ", ".join(f"{split} {len(sites.index(split)):,}" for split in ("train", "val", "test"))
    extent = f"{len(sites.proteins):,} proteins, {sites.points:,} points ({counts})"
    return f"data               {extent}, digest {digest(sites.digest)}"


def epoch_flops(task: Task) -> int:
    """Floating-point operations of training in an epoch without replay; what points of a batch share counts once."""
    processes = range(task.world.processes or 1)
    batches = [task.rows(index_B) for rank in processes for index_B in task.training_batches(0, rank)]
    return BACKWARD * forward_flops(
        task.spec.model,
        points=sum(len(rows.index_B) for rows in batches),
        contexts=sum(len(rows.point_C) for rows in batches),
        residues=sum(len(rows.residue_U) for rows in batches) if task.share == "residues" else None,
        **task.facts.sizes,
    )
