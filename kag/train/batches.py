"""`SiteBatches`: the LightningDataModule. Loaders hand over row numbers; the gather happens on the device."""

from __future__ import annotations

from functools import partial

import numpy as np
from lightning.pytorch import LightningDataModule

from kag.data.batches import EVALUATION_POINTS, evaluation_batches, shard
from kag.data.epochs import EpochBatches
from kag.data.rows import EVALUATION, BatchRows
from kag.model.batch import Batch
from kag.train.task import Task


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
        self._tables = task.tables
        self._start = start

    def train_dataloader(self) -> EpochBatches:
        """Training batches, from `start` on: after a resume Lightning names the epoch only once drawing has begun."""
        rank, _ = self._process()
        reached = self.trainer.current_epoch if self.trainer is not None else 0
        return EpochBatches(
            lambda epoch: self._task.training_batches(epoch, rank),
            partial(self._tables.lookup.rows, share=self._task.share),
            start=max(self._start, (reached, 0)),
        )

    def val_dataloader(self) -> EpochBatches:
        """Whole proteins, each on one process; one without a protein gets an empty batch, so that it takes part."""
        rank, world = self._process()
        sites = self._task.sites
        points = min(EVALUATION_POINTS, -(-len(sites.index("val")) // world))
        batches = shard(evaluation_batches(sites, "val", points), rank, world, even=False)
        return EpochBatches(
            lambda _: batches or [np.empty(0, np.int64)], partial(self._tables.lookup.rows, share=EVALUATION)
        )

    def on_after_batch_transfer(self, batch: BatchRows, dataloader_idx: int) -> Batch:
        """Gather the batch on its device."""
        if self._tables.residue_RD.device != batch.index_B.device:
            self._tables = self._tables.to(batch.index_B.device)
        return self._tables.collect(batch)

    def _process(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
