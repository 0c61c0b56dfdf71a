"""`SiteBatches`: the LightningDataModule. Loaders hand over row numbers; the gather happens on the device."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule

from kag.data.batches import EVALUATION_POINTS, evaluation_batches, shard
from kag.data.epochs import EpochBatches
from kag.data.rows import EVALUATION, BatchRows
from kag.data.tables import SiteTables
from kag.model.batch import Batch
from kag.model.precision import FACTORS
from kag.train.task import Task


class DeviceTables(NamedTuple):
    """What batches are gathered from on a device."""

    training: SiteTables
    evaluation: SiteTables

    @classmethod
    def on(cls, device: torch.device, task: Task) -> DeviceTables:
        """The tables once, with embeddings as training multiplies them: under mixed precision half as large.

        Evaluation is in 32 bits: then its few embeddings come from the host.
        """
        factors = FACTORS.get(task.spec.trainer.precision)
        if factors is None or device.type == "cpu":
            moved = task.tables.to(device)
            return cls(moved, moved)
        moved = task.tables.to(device, residues=factors)
        return cls(moved, moved._replace(residue_RD=task.tables.residue_RD))


class SiteBatches(LightningDataModule):
    """Batches of a task.

    What training shares follows from `data.grouping`; evaluation shares all, which is exact. Which rows of the tables a
    batch needs is found here, on the host: a training step waits for no value of the device.

    Args:
        task: what is trained.
        start: epoch with which training begins, and batches of it that are done; later than (0, 0) after a resume.
    """

    def __init__(self, task: Task, start: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self._task = task
        self._tables: DeviceTables | None = None
        self._start = start
        self._pinned = task.world.device != "cpu"

    def train_dataloader(self) -> EpochBatches:
        """Training batches, from `start` on: after a resume Lightning names the epoch only once drawing has begun."""
        rank, _ = self._process()
        reached = self.trainer.current_epoch if self.trainer is not None else 0
        return EpochBatches(
            lambda epoch: self._task.training_batches(epoch, rank),
            self._task.rows,
            start=max(self._start, (reached, 0)),
            pinned=self._pinned,
        )

    def val_dataloader(self) -> EpochBatches:
        """Whole proteins, each on one process; one without a protein gets an empty batch, so that it takes part."""
        rank, world = self._process()
        sites = self._task.sites
        points = min(EVALUATION_POINTS, -(-len(sites.index("val")) // world))
        batches = shard(evaluation_batches(sites, "val", points), rank, world, even=False)
        rows = partial(self._task.tables.lookup.rows, share=EVALUATION)
        return EpochBatches(lambda _: batches or [np.empty(0, np.int64)], rows, pinned=self._pinned)

    def transfer_batch_to_device(self, batch: BatchRows, device: torch.device, dataloader_idx: int) -> Batch:
        """Gather the batch on its device."""
        if self._tables is None:
            self._tables = DeviceTables.on(device, self._task)
        trains = self.trainer is not None and self.trainer.training
        return (self._tables.training if trains else self._tables.evaluation).collect(batch)

    def _process(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
