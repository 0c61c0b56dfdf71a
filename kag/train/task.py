"""`Task`: a run's spec, data and world, and what follows from them. Made once in `fit` and handed on."""

from __future__ import annotations

import math
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from kag.data.batches import IndexVector, evaluation_batches, shard, training_batches
from kag.data.facts import DataFacts
from kag.data.mined import mined_digest, read_mined
from kag.data.rows import EVALUATION, BatchRows, Share, shared_in_training
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.model.batch import Batch
from kag.model.precision import FULL
from kag.model.size import parameters, shape_network
from kag.spec.run import Precision, RunSpec
from kag.track.launch import Launch
from kag.track.world import Machine, World, launch, processors_each, resolve_world, threads_for

REHEARSED_POINTS = 4096
"""Most points of the evaluation batch of a rehearsal, which is to take no longer than a few steps."""


@dataclass(frozen=True, eq=False)
class Task:
    """What every step of a run works on."""

    spec: RunSpec
    sites: Sites
    world: World
    tables: SiteTables
    """The data on the CPU."""
    facts: DataFacts
    prevalence: float
    """Share of positives in the train split."""
    replay_M: IndexVector | None
    """Mined rows that are shown again."""
    mined_digest: str | None

    @classmethod
    def of(cls, spec: RunSpec, sites: Sites, world: World | None = None) -> Task:
        """The task of a spec on its data.

        Args:
            world: as resolved; None asks this machine.

        Raises:
            DataError: the mined samples are unreadable or belong to other data, or the train split is too small.
        """
        replay = spec.data.replay
        task = cls(
            spec=spec,
            sites=sites,
            world=world or resolve_world(spec, this_machine()),
            tables=SiteTables.from_sites(sites, spec.data.max_distance),
            facts=DataFacts.of(sites, spec.data.max_distance),
            prevalence=sites.prevalence("train"),
            replay_M=read_mined(Path(replay.indices), sites) if replay else None,
            mined_digest=mined_digest(Path(replay.indices)) if replay else None,
        )
        return replace(task, world=task.world.model_copy(update={**task.steps(), "threads": task.threads()}))

    @property
    def share(self) -> Share:
        """What points of a training batch share."""
        return shared_in_training(self.spec.data)

    @property
    def precision(self) -> Precision:
        """Number format in which it is computed: that of the spec, but 32 bits on a device without TF32."""
        return FULL if self.world.precision == FULL else self.spec.trainer.precision

    @property
    def averaged_statistics(self) -> Literal["raw"] | None:
        """See `kag.track.record.Found`."""
        return "raw" if self.spec.swa is not None and self.spec.model.norm == "batch" else None

    @property
    def auto_pos_weight(self) -> float:
        """Negatives / positives of the train split."""
        return (1.0 - self.prevalence) / self.prevalence

    def training_batches(self, epoch: int, rank: int = 0) -> list[IndexVector]:
        """Rows of the batches of one process in an epoch, counted from 0."""
        world = self.world.processes or 1
        batches = training_batches(
            self.sites, self.spec.data, seed=self.spec.seed, epoch=epoch, replay_M=self.replay_M, world=world
        )
        return shard(batches, rank, world, even=True)

    def rows(self, index_B: IndexVector) -> BatchRows:
        """Rows of a training batch; one for a compiled network has a shape that comes again.

        Statistics over the batches of all processes know of no padding.
        """
        trainer = self.spec.trainer
        padded = trainer.compile and (self.spec.model.norm == "layer" or not trainer.sync_batchnorm)
        return self.tables.lookup.rows(index_B, self.share, padded=padded)

    def batches_per_epoch(self) -> list[int]:
        """Batches of one process, for every epoch; only an epoch that replays differs from the others."""
        plain = len(self.training_batches(0)) if self.replay_M is None else 0
        epochs = range(self.spec.last_epoch + 1)
        return [plain or len(self.training_batches(epoch)) for epoch in epochs]

    def steps(self) -> dict[str, int]:
        """Optimizer steps of the whole run, if nothing stops it early, and the points of the largest."""
        batches, accumulate = self.batches_per_epoch(), self.spec.trainer.accumulate
        together = min(accumulate, max(batches)) * (self.world.processes or 1)
        return {
            "optimizer_steps": sum(math.ceil(count / accumulate) for count in batches),
            "effective_batch": self.spec.data.batch_size * together,
        }

    def threads(self) -> int:
        """Threads of torch's operators in one process: what is asked for, or what the shape is worth."""
        if self.world.threads is not None:
            return self.world.threads
        trained = parameters(shape_network(self.spec.model, **self.facts.sizes))
        return threads_for(trained, self.spec.data.batch_size, processors_each(self.world, this_machine()))

    def first_batches(self) -> tuple[Batch, Batch]:
        """A training batch as it will come, and whole proteins to evaluate, for the rehearsal."""
        train = self.tables.collect(self.rows(self.training_batches(0)[0]))
        val_B = torch.from_numpy(evaluation_batches(self.sites, "val", REHEARSED_POINTS)[0])
        return train, self.tables.gather(val_B, share=EVALUATION)


def this_machine() -> Machine:
    """The machine that the process runs on."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return Machine(
        gpus=tuple(map(torch.cuda.get_device_name, gpus)),
        cpus=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        host=socket.gethostname(),
        environment=os.environ,
        formats=units_of_gpu() if gpus else units_of_cpu(),
    )


def units_of_gpu() -> frozenset[str]:
    """Formats for which all GPUs have units: those of compute capability 8.0 on (NVIDIA A100, 2020)."""
    oldest = min(map(torch.cuda.get_device_capability, range(torch.cuda.device_count())))
    return frozenset(("bf16", "tf32") if oldest >= (8, 0) else ())


def units_of_cpu(described: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """Formats for which the processor has units, as Linux lists its abilities; None where nobody says."""
    try:
        with described.open() as lines:
            listed = next((line for line in lines if line.startswith(("flags", "Features"))), None)
    except OSError:
        return None
    if listed is None:
        return None
    return frozenset(["bf16"] if {"avx512_bf16", "amx_bf16", "bf16"} & set(listed.split()) else [])


def place_of(world: World) -> Launch:
    """The place of this process among those of the run."""
    return launch(world, os.environ)
