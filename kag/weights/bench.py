"""`Bench`: one network and one data set on which states are tried one after another, plain and recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kag.data.batches import evaluation_batches, training_batches
from kag.data.rows import shared_in_training
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.model.precision import FULL
from kag.names import Split
from kag.spec.run import Precision
from kag.stats.measure import Evaluation
from kag.stats.scores import Scores
from kag.stats.selection import Bagged, bagged
from kag.text import digest
from kag.weights.average import normalised_by_batch, recompute_normalisation
from kag.weights.checkpoint import State, StoredWeights, build_network, load_state, snapshot, stored
from kag.weights.digest import weights_digest
from kag.weights.evaluate import Predictions, measured, score, scores_of
from kag.weights.foremost import Foremost


@dataclass(frozen=True)
class Variant:
    """What one state scores on val, without intervals, and its name."""

    evaluation: Evaluation
    weights_digest: str


@dataclass(frozen=True)
class Tried:
    """A state as it is and with its normalisation statistics recomputed on training data: either can be better."""

    plain: Variant
    recomputed: Variant | None
    """None for a network without BatchNorm."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """One or both."""
        return (self.plain,) if self.recomputed is None else (self.plain, self.recomputed)

    @property
    def best(self) -> Variant:
        """The one with the higher AUPRC, the plain one if they tie."""
        return max(self.variants, key=lambda variant: variant.evaluation.auprc)

    @property
    def auprc(self) -> float:
        """Of the better variant."""
        return self.best.evaluation.auprc

    @property
    def recomputed_is_better(self) -> bool:
        """Whether the recomputed variant is the one to deliver."""
        return self.best is not self.plain


class Scored(NamedTuple):
    """What weights score on a split."""

    evaluation: Evaluation
    scores: Scores
    in_32_bits: float | None
    """AUPRC in 32 bits; None where the evaluation is that."""


@dataclass(frozen=True, eq=False)
class Bench:
    """Tries states of one architecture on one data set."""

    weights: StoredWeights
    """Give the architecture, the data and the batches of it from which statistics are recomputed."""
    network: Network
    """Holds the state that was tried last."""
    sites: Sites
    tables: SiteTables
    """On the device of the network."""
    precision: Precision = FULL
    """Number format in which all is scored: the one in which the runs that made the weights have measured val."""
    foremost: Foremost = field(default_factory=Foremost)
    """The best of the variants that were tried, of which one is chosen."""

    @classmethod
    def of(
        cls,
        weights: StoredWeights,
        sites: Sites,
        device: torch.device | str = "cpu",
        tables: SiteTables | None = None,
        *,
        precision: Precision = FULL,
    ) -> Bench:
        """A bench for states like these weights.

        Args:
            tables: the data on any device, where they are made already.
            precision: number format in which to score.

        Raises:
            CheckpointError: the weights were trained on other data, so val may hold what they have seen.
        """
        if weights.data.data_digest != sites.digest:
            known, given = digest(weights.data.data_digest), digest(sites.digest)
            raise CheckpointError(
                f"these weights were trained on data {known}, this file is {given}",
                where=str(sites.path),
                remedy="give the data file that the run was trained on",
            )
        tables = tables or SiteTables.from_sites(sites, weights.data.max_distance)
        return cls(weights, build_network(weights, device), sites, tables.to(device), precision)

    def recomputed(self, state: Mapping[str, Tensor]) -> State:
        """The state with normalisation statistics that fit its weights; equal to it without BatchNorm.

        Raises:
            CheckpointError: the state does not fit the network.
        """
        load_state(self.network, state)
        spec = self.weights.spec
        batches = training_batches(self.sites, spec.data, seed=spec.seed, epoch=0)
        share = shared_in_training(spec.data)
        recompute_normalisation(self.network, self.tables, batches, share=share, precision=self.precision)
        return snapshot(self.network.state_dict())

    def scored(self, weights: StoredWeights, split: Split, *, threshold: float | None = None) -> Scored:
        """Metrics of weights with their intervals, and the scores that they were measured on.

        Raises:
            CheckpointError: the weights do not fit the network.
            Diverged: they score no finite number.
        """
        load_state(self.network, weights.network)
        predictions = self.score(split)
        evaluation = measured(predictions, self.sites, split, threshold=threshold)
        scores = scores_of(predictions, self.sites, evaluation, weights.weights_digest)
        if self.precision == FULL:
            return Scored(evaluation, scores, None)
        exact = measured(self.score(split, FULL), self.sites, split, samples=0)
        return Scored(evaluation, scores, exact.values["auprc"])

    def score(self, split: Split, precision: Precision | None = None) -> Predictions:
        """Logits of the state that the network holds; None takes the bench's own number format."""
        batches = evaluation_batches(self.sites, split)
        return score(self.network, self.tables, batches, precision=precision or self.precision)

    def tried(self, state: Mapping[str, Tensor]) -> Tried:
        """What a state scores on val, plain and recomputed.

        Raises:
            CheckpointError: the state does not fit the network.
            Diverged: it scores no finite number.
        """
        plain = self._variant(state)
        return Tried(plain, self._variant(self.recomputed(state)) if normalised_by_batch(self.network) else None)

    def bagged(self, logit_N: NDArray[np.float32]) -> Bagged:
        """Logits on val in the bags in which a choice is made anew; the protein is the unit."""
        index_N = self.sites.index("val")
        return bagged(logit_N, self.sites.label_N[index_N], self.sites.protein_N[index_N], "auprc")

    def better(self, state: State, tried: Tried, *, epoch: int | None) -> StoredWeights:
        """The better variant of a state that was tried, with the spec and the data of the bench's weights."""
        best = self.recomputed(state) if tried.recomputed_is_better else state
        return stored(self.weights.spec, best, self.weights.data, epoch=epoch)

    def _variant(self, state: Mapping[str, Tensor]) -> Variant:
        load_state(self.network, state)
        predictions = self.score("val")
        evaluation = measured(predictions, self.sites, "val", samples=0)
        self.foremost.add(evaluation.auprc, predictions.logit_N)
        return Variant(evaluation, weights_digest(state))


def tried_facts(tried: Tried | None) -> dict[str, Any]:
    """AUPRC on val and digest of both variants, as plain values; None for one that was not tried."""
    variants = {"plain": tried and tried.plain, "recomputed": tried and tried.recomputed}
    return {
        name: variant and {"auprc": variant.evaluation.values["auprc"], "weights_digest": variant.weights_digest}
        for name, variant in variants.items()
    }
