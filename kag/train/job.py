"""`Job`: the LightningModule. It ties network, objective and averaging to Lightning's loop and keeps the epoch's sums.

What depends on the epoch (ramps, learning rate, random numbers) is set from the epoch's number when it starts, never
from what happened before: a resumed epoch is the same epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from kag import names
from kag.model.batch import Batch
from kag.model.losses import Losses, Objective
from kag.model.network import Network
from kag.spec.schedule import learning_rate
from kag.train.build import build_network, build_objective, build_optimizer
from kag.train.clock import Clock
from kag.train.device_rehearsal import device_of, rehearse_on_device
from kag.train.ema import averaging_network, follow
from kag.train.rehearsal import rehearse
from kag.train.rehearsed import Passed
from kag.train.scoreboard import Scoreboard
from kag.train.state import position_of
from kag.train.task import Task
from kag.weights.checkpoint import StoredWeights, stored

SUMS, NORMS = 7, 5
"""Sums of an epoch: four terms of the loss and the points; behind them gradient norms and steps."""


class Job(LightningModule):
    """Training and validation of one task; batches come from the data module."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.spec = task.spec
        self.network: Network = build_network(task)
        self.objective: Objective = build_objective(task)
        self.average: AveragedModel | None = (
            AveragedModel(self.network).requires_grad_(False) if task.spec.swa else None
        )
        self.ema: Network | None = averaging_network(self.network) if task.spec.ema else None
        self._raw = Scoreboard(task.sites, "val", task.spec.model)
        self._averaged = Scoreboard(task.sites, "val", task.spec.model)
        self._sums = torch.zeros(SUMS, dtype=torch.float64)
        self._row: dict[str, float] = {}
        self._clock = Clock()
        self._batches_done = 0
        self._resumed: dict[str, Any] | None = None

    def rehearse(self, passed: Passed | None = None) -> None:
        """Send one batch through everything; the weights stay as they are.

        Args:
            passed: shapes of which not all has to be tried again.

        Raises:
            RehearsalFailed: names the first thing that is wrong.
        """
        rehearse(self.task, self.network, self.objective, *self.task.first_batches(), passed)

    def rehearse_on_device(self) -> None:
        """Take steps on the GPU that is to train; nothing on the CPU, where `rehearse` is on the device itself.

        Raises:
            RehearsalFailed, SpecError: as `kag.train.device_rehearsal`.
        """
        if (device := device_of(self.task)) is not None:
            rehearse_on_device(self.task, self.network, self.objective, *self.task.first_batches(), device)

    def set_epoch(self, epoch: int) -> None:
        """Bring everything that depends on the epoch's number to that epoch."""
        for network in self.networks:
            network.set_epoch(epoch)
        self.objective.set_epoch(epoch)

    @property
    def kept(self) -> Network:
        """The network whose weights are measured, kept and delivered."""
        return self.network if self.ema is None else self.ema

    @property
    def networks(self) -> tuple[Network, ...]:
        """The network that is trained and, where there is one, its average over steps."""
        return (self.network,) if self.ema is None else (self.network, self.ema)

    @property
    def averaging(self) -> bool:
        """Whether the current epoch lies in the averaging window."""
        swa = self.spec.swa
        return swa is not None and swa.start <= self.current_epoch < swa.end

    def configure_optimizers(self) -> AdamW:
        """That of the spec."""
        return build_optimizer(self.spec, self.network, self.objective)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradient norm, and put it down. Lightning's own way refuses a fused optimizer under bf16, too, where
        nothing is scaled; what 16 bits scale is scaled back before this is called.
        """
        parameters = list(self.network.parameters())
        norm = get_total_norm([each.grad for each in parameters if each.grad is not None])
        if gradient_clip_val:
            clip_grads_with_norm_(parameters, gradient_clip_val, norm)
        # A step that 16 bits overflow in is skipped.
        met = torch.isfinite(norm)
        self._sums[NORMS:] += torch.stack([torch.where(met, norm, 0.0), met]).double()

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Take the step, and the average after it."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.ema is not None and self.spec.ema is not None:
            follow(self.ema, self.network, self.spec.ema.decay, self.trainer.global_step)

    def on_train_epoch_start(self) -> None:
        """Seed the epoch and set its schedules."""
        torch.manual_seed(epoch_seed(self.spec.seed, self.current_epoch, self.global_rank))
        self.set_epoch(self.current_epoch)
        self._sums = torch.zeros(SUMS, dtype=torch.float64, device=self.device)
        self._clock.start(points_before=0.0)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of this position in the run."""
        self._go_on_inside_epoch()
        position = self.current_epoch + batch_idx / float(self.trainer.num_training_batches)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(self.spec, position)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch, as large as its accumulation window wants it."""
        losses: Losses = self.objective(self.network(batch), batch)
        points = len(batch.label_B)
        auxiliary = losses.main.new_zeros(()) if losses.auxiliary is None else losses.auxiliary
        terms = torch.stack([losses.total, losses.main, losses.penalty, auxiliary]).detach().double()
        self._sums[:NORMS] += torch.cat([terms * points, terms.new_full((1,), points)])
        self._batches_done = batch_idx + 1
        return losses.total * self._share_of_window(batch_idx)

    def _share_of_window(self, batch_idx: int) -> float:
        """What makes up for Lightning, which divides by `accumulate` where the last window has fewer batches.

        A step takes the mean over its batches, however many points each has: so each counts as it would alone, and
        batches of an epoch differ by one point at most. The gate's penalty and the auxiliary loss are no sums over
        points that could be weighed otherwise.
        """
        accumulate, batches = self.spec.trainer.accumulate, int(self.trainer.num_training_batches)
        return accumulate / min(accumulate, batches - batch_idx // accumulate * accumulate)

    def on_validation_epoch_start(self) -> None:
        """Take the epoch's weights into the average, before both are validated."""
        self._clock.stop()
        if not self.trainer.sanity_checking:
            self._synchronise_buffers()
            if self.averaging and self.average is not None:
                self.average.update_parameters(self.network)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch with the raw and, inside the window, with the averaged weights, in training's precision."""
        if len(batch.label_B) == 0:
            return
        # Of what is called, a compiled run would compile each batch: whole proteins have any size.
        self._raw.add(batch, self.kept.forward(batch, telemetry=True))
        if self.averaging and self.average is not None:
            self._averaged.add(batch, self.average(batch, telemetry=True))

    def on_validation_epoch_end(self) -> None:
        """Metrics of the whole split, the same on every process; early stopping is told those of what it watches."""
        self._row = watched = self._raw.close(self._sum, self._main_loss)
        if self.averaging:
            watched = self._averaged.close(self._sum, self._main_loss)
            self._row |= {names.averaged(key): value for key, value in watched.items() if key.startswith("val/")}
        self.log(names.OBJECTIVE, watched[names.OBJECTIVE], sync_dist=self.trainer.world_size > 1)

    def close_epoch(self) -> dict[str, float]:
        """The history row of the epoch that has just ended: validation, losses, schedules."""
        *sums, points, norms, steps = self._sum(self._sums).tolist()
        total, main, penalty, auxiliary = (value / points for value in sums)
        weights = self.objective
        row = {
            names.EPOCH: float(self.current_epoch),
            names.LR: float(self.trainer.optimizers[0].param_groups[0]["lr"]),
            names.TRAIN_LOSS: total,
            names.TRAIN_LOSS_MAIN: main,
            names.TRAIN_LOSS_PENALTY: penalty * float(weights.penalty_weight),
            names.TRAIN_LOSS_AUXILIARY: auxiliary * float(weights.auxiliary_weight),
            names.PENALTY_WEIGHT: float(weights.penalty_weight),
            names.AUXILIARY_LOSS: auxiliary,
            names.AUXILIARY_WEIGHT: float(weights.auxiliary_weight),
            names.POS_WEIGHT: float(weights.pos_weight),
            names.PREVALENCE: self.task.prevalence,
            names.SWA_ACTIVE: float(self.averaging),
            names.SWA_AVERAGED_EPOCHS: float(self.average.n_averaged) if self.average is not None else 0.0,
        }
        if steps:
            row[names.GRADIENT_NORM] = norms / steps
        if (gate := self.network.gate) is not None:
            row[names.DROPOUT_RATE] = float(gate.dropout_rate)
            row[names.CONTEXT_SCALE] = float(self.network.context_scale)
        row |= self._row
        self._batches_done = 0
        row[names.SAMPLES_PER_SECOND] = self._clock.rate(points)
        return row

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where an epoch is cut in two, put down how far it is."""
        if self._batches_done:
            cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
            random = {"cpu": torch.get_rng_state(), "cuda": cuda}
            checkpoint["inside_epoch"] = {"batches": self._batches_done, "sums": self._sums.cpu(), "random": random}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Before the window starts there is no average: a state from a run without one, or with another, fits. An
        average over steps begins with the weights where the state has none.

        Lightning restores the rest of the state key by key.
        """
        found = checkpoint["state_dict"]
        state = {key: value for key, value in found.items() if not key.startswith(("average.", "ema."))}
        if self.ema is not None:
            state |= {f"ema.{key}": found.get(f"ema.{key}", found[f"network.{key}"]) for key in self.ema.state_dict()}
        if self.average is not None:
            swa = self.spec.swa
            if swa is not None and position_of(checkpoint).epoch > swa.start:
                state |= {key: value for key, value in found.items() if key.startswith("average.")}
            else:
                state |= {f"average.{key}": value for key, value in self.average.state_dict().items()}
        checkpoint["state_dict"] = state
        self._resumed = checkpoint.get("inside_epoch")

    def _go_on_inside_epoch(self) -> None:
        """Put back the sums and the random state of an epoch that a signal cut in two, right before its next batch."""
        if self._resumed is None:
            return
        sums = self._resumed["sums"]
        self._sums = sums.to(self.device, copy=True)
        self._clock.start(points_before=float(sums[NORMS - 1]))
        torch.set_rng_state(self._resumed["random"]["cpu"])
        if self._resumed["random"]["cuda"] is not None:
            torch.cuda.set_rng_state(self._resumed["random"]["cuda"], self.device)
        self._resumed = None

    def averaged_weights(self) -> StoredWeights | None:
        """The averaged weights, of the last epoch in the average, or None while nothing has been averaged."""
        swa = self.spec.swa
        if swa is None or self.average is None or int(self.average.n_averaged) == 0:
            return None
        last = swa.start + int(self.average.n_averaged) - 1
        return stored(self.spec, self.average.module.state_dict(), self.task.facts, epoch=last)

    def _main_loss(self, logit_V: Tensor, label_V: Tensor) -> Tensor:
        return self.objective.main(logit_V.to(self.device), label_V.to(self.device))

    def _sum(self, tensor: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return tensor.cpu()
        return torch.as_tensor(self.trainer.strategy.reduce(tensor.to(self.device), reduce_op="sum")).cpu()

    def _synchronise_buffers(self) -> None:
        """Give all processes the mean of their running statistics: each has normalised over its own batches only."""
        if self.trainer.world_size == 1:
            return
        for buffer in chain.from_iterable(network.buffers() for network in self.networks):
            if buffer.is_floating_point():
                torch.distributed.all_reduce(buffer)
                buffer /= self.trainer.world_size


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Seed of an epoch's random numbers: a pure function, so that a resume needs no generator state."""
    words = f"kag epoch {seed} {epoch} {rank}".encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "big") >> 1
