"""`Bench`: one network and one data set on which states are tried one after another, plain and recomputed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kag.data.batches import IndexVector, training_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.names import Split
from kag.stats.measure import Evaluation
from kag.weights.average import normalised_by_batch, recompute_normalisation
from kag.weights.checkpoint import State, StoredWeights, build_network, load_state, snapshot
from kag.weights.digest import weights_digest
from kag.weights.evaluate import evaluate


@dataclass(frozen=True)
class Variant:
    """What one state scores, and its name."""

    evaluation: Evaluation
    weights_digest: str


@dataclass(frozen=True, eq=False)
class Bench:
    """Tries states of one architecture on one data set."""

    network: Network
    """Holds the state that was tried last."""
    sites: Sites
    tables: SiteTables
    """On the device of the network."""
    batches: Sequence[IndexVector]
    """Rows of the train split, from which normalisation statistics are recomputed."""
    share: bool
    """Whether training computed each distinct context once."""

    @classmethod
    def of(cls, weights: StoredWeights, sites: Sites, device: torch.device | str = "cpu") -> Bench:
        """A bench for states like these weights.

        Raises:
            CheckpointError: the weights were trained on other data, so val may hold what they have seen.
        """
        if weights.data.data_digest != sites.digest:
            raise CheckpointError(
                f"these weights were trained on data {weights.data.data_digest[:12]}, this file is {sites.digest[:12]}",
                where=str(sites.path),
                remedy="give the data file that the run was trained on",
            )
        spec = weights.spec
        return cls(
            network=build_network(weights, device),
            sites=sites,
            tables=SiteTables.from_sites(sites, spec.data.max_distance).to(device),
            batches=training_batches(sites, spec.data, seed=spec.seed, epoch=0),
            share=spec.data.grouping == "protein",
        )

    @property
    def recomputes(self) -> bool:
        """Whether there are statistics to recompute."""
        return normalised_by_batch(self.network)

    def recomputed(self, state: Mapping[str, Tensor]) -> State:
        """The state with normalisation statistics that fit its weights; equal to it without BatchNorm.

        Raises:
            CheckpointError: the state does not fit the network.
        """
        load_state(self.network, state)
        recompute_normalisation(self.network, self.tables, self.batches, share=self.share)
        return snapshot(self.network.state_dict())

    def evaluate(
        self, state: Mapping[str, Tensor], split: Split = "val", *, threshold: float | None = None, samples: int = 0
    ) -> Evaluation:
        """Metrics of a state; see `kag.weights.evaluate.evaluate`.

        Raises:
            CheckpointError: the state does not fit the network.
        """
        load_state(self.network, state)
        return evaluate(self.network, self.sites, self.tables, split, threshold=threshold, samples=samples)

    def variant(self, state: Mapping[str, Tensor]) -> Variant:
        """What a state scores on val, without intervals."""
        return Variant(self.evaluate(state), weights_digest(state))
