"""`Scoreboard`: what an evaluation pass collects, exact under any number of processes.

Each row of the split has a place. A process fills the places of the proteins that it scores and leaves zeros elsewhere;
adding the boards of all processes then gives every score once, whatever was sharded how. Nothing is padded, so nothing
can be counted twice (torch #25162). The board lies where the batches are, and comes over once, when it is closed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kag import names
from kag.data.sites import Sites
from kag.model.batch import Batch, Scores
from kag.names import Split
from kag.spec.model import ModelSpec
from kag.stats.measure import measure

Reduce = Callable[[Tensor], Tensor]
"""Sum of a tensor over all processes."""

MainLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits and labels to what training minimises, as it stands in this epoch."""

SATURATION = 0.05
"""Alpha below this, or above one minus this, counts as saturated."""


class Scoreboard:
    """Scores of one split by one set of weights.

    Args:
        sites: the data.
        split: `val` or `test`.
        model: layers and heads of the attention, and the gate's clamp, whose edges count as saturated.
    """

    def __init__(self, sites: Sites, split: Split, model: ModelSpec) -> None:
        self._sites = sites
        self._split = split
        self._rows_V = torch.from_numpy(sites.index(split))
        self._closed = model.gate.kind == "closed"
        self._layers, self._heads = model.attention.layers, model.attention.heads
        self._low, self._high = model.gate.clamp or (SATURATION, 1.0 - SATURATION)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._logit_V = self._zeros(len(self._rows_V))
        self._alpha_V = self._zeros(len(self._rows_V))
        self._seen_V = self._zeros(len(self._rows_V))
        self._entropy_LH = self._zeros(self._layers, self._heads, dtype=torch.float64)
        self._sums = self._zeros(5, dtype=torch.float64)

    def _zeros(self, *sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(sizes, dtype=dtype, device=self._rows_V.device)

    def add(self, batch: Batch, scores: Scores) -> None:
        """Take the scores of a batch, with their telemetry."""
        if scores.centre_norm is None:
            raise AssertionError("scores without telemetry")
        if self._rows_V.device != batch.index_B.device:
            self._rows_V = self._rows_V.to(batch.index_B.device)
            self.clear()
        place_B = torch.searchsorted(self._rows_V, batch.index_B)
        self._logit_V[place_B] = scores.logit_B.float()
        self._alpha_V[place_B] = scores.alpha_B.float()
        self._seen_V[place_B] = 1.0
        points = self._sums.new_full((), len(place_B))
        attending = batch.valid_CK.any(1)[batch.context_B].sum().double()
        valid = batch.valid_CK.float().mean(1)[batch.context_B].sum()
        if scores.entropy_LH is not None:
            self._entropy_LH += scores.entropy_LH.double() * attending
        context_norm = points.new_zeros(()) if scores.context_norm is None else scores.context_norm.double() * points
        centre_norm = scores.centre_norm.double() * points
        self._sums += torch.stack([context_norm, centre_norm, valid.double(), attending, points])

    def close(self, reduce: Reduce, main_loss: MainLoss) -> dict[str, float]:
        """Metrics and telemetry over all processes, then forget everything.

        Where no point has a neighbour to attend to, no entropy is told; nothing of the gate where it is closed.

        Raises:
            RunFailed: a logit is NaN or infinite: the weights have diverged.
        """
        logit_V, alpha_V = reduce(self._logit_V).numpy(), reduce(self._alpha_V).numpy().astype(np.float64)
        seen = reduce(self._seen_V)
        if not bool((seen == 1.0).all()):
            raise AssertionError(f"{int((seen != 1.0).sum())} points of {self._split} were scored not exactly once")
        context_norm, centre_norm, valid, attending, points = reduce(self._sums).tolist()
        entropy_LH = reduce(self._entropy_LH).numpy()
        row = self._metrics(logit_V, main_loss)
        if not self._closed:
            row |= self._gate(alpha_V) | (_entropy(entropy_LH / attending) if attending else {})
            row[names.NORM_RATIO] = context_norm / max(centre_norm, 1e-12)
        row[names.VALID_SHARE] = valid / points
        self.clear()
        return row

    def _metrics(self, logit_V: NDArray[np.float32], main_loss: MainLoss) -> dict[str, float]:
        rows_V = self._rows_V.cpu().numpy()
        label_V, protein_V = self._sites.label_N[rows_V], self._sites.protein_N[rows_V]
        found = measure(self._split, logit_V, label_V, protein_V, samples=0).values
        row = {names.evaluation(self._split, metric): value for metric, value in found.items() if value is not None}
        loss = main_loss(torch.from_numpy(logit_V), torch.from_numpy(label_V).float())
        return row | {names.evaluation(self._split, "loss"): float(loss)}

    def _gate(self, alpha_V: NDArray[np.float64]) -> dict[str, float]:
        p05, p50, p95 = np.quantile(alpha_V, [0.05, 0.5, 0.95]).tolist()
        saturated = (alpha_V <= np.float32(self._low)) | (alpha_V >= np.float32(self._high))
        return {
            names.ALPHA_MEAN: float(alpha_V.mean()),
            names.ALPHA_STD: float(alpha_V.std()),
            names.ALPHA_P05: p05,
            names.ALPHA_P50: p50,
            names.ALPHA_P95: p95,
            names.SATURATED_SHARE: float(saturated.mean()),
        }


def _entropy(entropy_LH: NDArray[np.float64]) -> dict[str, float]:
    row = {names.ENTROPY: float(entropy_LH.mean())}
    row |= {names.entropy_layer(layer): float(value) for layer, value in enumerate(entropy_LH.mean(1))}
    row |= {names.entropy_head(head): float(value) for head, value in enumerate(entropy_LH.mean(0))}
    return row
