"""`SiteBatches`: the LightningDataModule. Loaders hand over row numbers; the gather happens on the device."""

from __future__ import annotations

import numpy as np
from lightning.pytorch import LightningDataModule
from torch import Tensor

from kag.data.batches import EVALUATION_POINTS, evaluation_batches, shard
from kag.data.epochs import EpochBatches
from kag.model.batch import Batch
from kag.train.task import Task


class SiteBatches(LightningDataModule):
    """Batches of a task.

    With `grouping: protein` points of one residue share its context in training too; with `grouping: point` they are
    computed one by one, so that dropout is drawn for each. Evaluation always shares, which is exact.

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
            lambda epoch: self._task.training_batches(epoch, rank), start=max(self._start, (reached, 0))
        )

    def val_dataloader(self) -> EpochBatches:
        """Whole proteins, each on one process; one without a protein gets an empty batch, so that it takes part."""
        rank, world = self._process()
        sites = self._task.sites
        points = min(EVALUATION_POINTS, -(-len(sites.index("val")) // world))
        batches = shard(evaluation_batches(sites, "val", points), rank, world, even=False)
        return EpochBatches(lambda _: batches or [np.empty(0, np.int64)])

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Batch:
        """Gather the batch on its device."""
        if self._tables.residue_RD.device != batch.device:
            self._tables = self._tables.to(batch.device)
        training = self.trainer is not None and self.trainer.training
        return self._tables.gather(batch, share=self._task.share or not training)

    def _process(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
