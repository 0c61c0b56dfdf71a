"""`SiteBatches`: the LightningDataModule. Loaders hand over row numbers; the gather happens on the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from kag.data.batches import EVALUATION_POINTS, IndexVector, evaluation_batches, shard, training_batches
from kag.data.loaders import index_loader
from kag.data.mined import read_mined
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.model.batch import Batch
from kag.spec.run import RunSpec


class SiteBatches(LightningDataModule):
    """Batches of a spec.

    With `grouping: protein` points of one residue share its context in training too; with `grouping: point` they are
    computed one by one, so that dropout is drawn for each. Evaluation always shares, which is exact.
    """

    def __init__(self, spec: RunSpec, sites: Sites) -> None:
        super().__init__()
        self._spec = spec
        self._sites = sites
        self._tables = SiteTables.from_sites(sites, spec.data.max_distance)
        self.start = (0, 0)
        """Epoch with which training begins, and batches of it that are done; later than (0, 0) after a resume."""
        replay = spec.data.replay
        self._replay_M: IndexVector | None = read_mined(Path(replay.indices), sites) if replay else None

    def of_epoch(self, epoch: int, *, rank: int = 0, world: int = 1) -> list[IndexVector]:
        """Training batches of one process."""
        batches = training_batches(
            self._sites, self._spec.data, seed=self._spec.seed, epoch=epoch, replay_M=self._replay_M, world=world
        )
        return shard(batches, rank, world, even=True)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Training batches, from `start` on: after a resume Lightning names the epoch only once drawing has begun."""
        rank, world = self._process()
        reached = self.trainer.current_epoch if self.trainer is not None else 0
        return index_loader(
            lambda epoch: self.of_epoch(epoch, rank=rank, world=world),
            start=max(self.start, (reached, 0)),
        )

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Whole proteins, each on one process; one without a protein gets an empty batch, so that it takes part."""
        rank, world = self._process()
        points = min(EVALUATION_POINTS, -(-len(self._sites.index("val")) // world))
        batches = shard(evaluation_batches(self._sites, "val", points), rank, world, even=False)
        return index_loader(lambda _: batches or [np.empty(0, np.int64)])

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Batch:
        """Gather the batch on its device."""
        if self._tables.residue_RD.device != batch.device:
            self._tables = self._tables.to(batch.device)
        training = self.trainer is not None and self.trainer.training
        return self.gather(batch, training=training)

    def gather(self, index_B: Tensor, *, training: bool) -> Batch:
        """The batch of some rows, as training or as evaluation sees it."""
        share = not training or self._spec.data.grouping == "protein"
        return self._tables.gather(torch.as_tensor(index_B), share=share)

    def _process(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
