"""Scores of a network on whole splits: protein by protein, each distinct context once, every point exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kag.data.batches import IndexVector, evaluation_batches
from kag.data.rows import EVALUATION
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import DataError
from kag.model.network import Network
from kag.model.precision import FULL, computing_in
from kag.names import Part, Split
from kag.spec.run import Precision
from kag.stats import bootstrap
from kag.stats.measure import Evaluation, measure
from kag.stats.scores import Scores, grouped
from kag.weights.heap import kept_heap

Progress = Callable[[int, int], None]
"""Called after each batch with the number of points scored so far, and of those to score."""


@dataclass(frozen=True)
class Predictions:
    """Logits of points, ascending by their row in the file; no row occurs twice."""

    index_N: NDArray[np.int64]
    """Rows of the file."""
    logit_N: NDArray[np.float32]

    @classmethod
    def merged(cls, index_N: NDArray[np.int64], logit_N: NDArray[np.float32]) -> Predictions:
        """In the order of the rows, a row that was scored twice (padding of a distributed sampler) once."""
        unique_N, first_N = np.unique(index_N, return_index=True)
        return cls(unique_N, logit_N[first_N])

    def within(self, index_N: NDArray[np.int64]) -> Predictions:
        """Those of the given rows."""
        chosen_N = np.isin(self.index_N, index_N)
        return Predictions(self.index_N[chosen_N], self.logit_N[chosen_N])


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in the mode in which it was."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def score(
    network: Network,
    tables: SiteTables,
    batches: Sequence[IndexVector],
    *,
    precision: Precision = FULL,
    progress: Progress = lambda done, total: None,
) -> Predictions:
    """Logits of the points of some batches.

    Args:
        network: on the device of the tables; its mode is restored.
        batches: rows of the file, as `evaluation_batches` gives them.
        precision: number format of the computation.
    """
    rows: list[Tensor] = []
    logits: list[Tensor] = []
    done, total = 0, sum(map(len, batches))
    device = tables.residue_RD.device
    # What one batch frees is there for the next.
    heap = kept_heap() if device.type == "cpu" and len(batches) > 1 else nullcontext()
    with evaluating(network), computing_in(precision, device), heap:
        for index_B in batches:
            batch = tables.gather(torch.from_numpy(index_B), share=EVALUATION)
            rows.append(batch.index_B)
            logits.append(network(batch).logit_B.float())
            done += len(index_B)
            progress(done, total)
    if not rows:
        return Predictions(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    return Predictions.merged(torch.cat(rows).cpu().numpy(), torch.cat(logits).cpu().numpy())


def measured(
    predictions: Predictions,
    sites: Sites,
    split: Part,
    *,
    threshold: float | None = None,
    samples: int = bootstrap.SAMPLES,
) -> Evaluation:
    """Metrics of predictions that cover a split; points of other splits are left out.

    Raises:
        DataError: a point of the split was not scored.
        Diverged: a logit is NaN or infinite.
    """
    expected_N = sites.index(split)
    found = predictions.within(expected_N)
    missing = len(expected_N) - len(found.index_N)
    if missing:
        raise DataError(f"{missing} of {len(expected_N)} points of {split} have no prediction", where=str(sites.path))
    label_N, protein_N = sites.label_N[found.index_N], sites.protein_N[found.index_N]
    cluster_G = sites.clusters(found.index_N)
    unit_N = None if cluster_G is None else cluster_G[np.unique(protein_N, return_inverse=True)[1]]
    return measure(split, found.logit_N, label_N, protein_N, unit_N=unit_N, threshold=threshold, samples=samples)


def scores_of(predictions: Predictions, sites: Sites, evaluation: Evaluation, weights_digest: str) -> Scores:
    """The scores behind an evaluation, with its values and their draws, to be kept.

    Args:
        predictions: those that were measured; points of other splits are left out.
    """
    within = predictions.within(sites.index(evaluation.split))
    values = {name: value for name, value in evaluation.values.items() if value is not None}
    draws = {name: replace(one, value=values[name]) for name, one in evaluation.draws.items() if name in values}
    group_N, groups = grouped(np.array(sites.proteins)[sites.protein_N[within.index_N]])
    return Scores(
        split=evaluation.split,
        value_N=within.logit_N,
        label_N=sites.label_N[within.index_N] != 0,
        group_N=group_N,
        groups=groups,
        threshold=evaluation.threshold,
        weights_digest=weights_digest,
        data_digest=sites.digest,
        cluster_G=sites.clusters(within.index_N),
    ).keeping(draws)


def evaluate(
    network: Network,
    sites: Sites,
    tables: SiteTables,
    split: Split,
    *,
    precision: Precision = FULL,
    threshold: float | None = None,
    samples: int = bootstrap.SAMPLES,
) -> Evaluation:
    """Score a split and measure it.

    Args:
        network: on the device of the tables.
        precision: number format of the computation.
        threshold: the logit chosen on val; None chooses it on this split, which is only honest on val.
        samples: resamples of the bootstrap; 0 leaves the intervals out.

    Raises:
        Diverged: a logit is NaN or infinite.
    """
    predictions = score(network, tables, evaluation_batches(sites, split), precision=precision)
    return measured(predictions, sites, split, threshold=threshold, samples=samples)
