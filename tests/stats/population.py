"""A population of proteins and models like those of real runs: data sets of whose differences the truth is known.

A point's logit is that of its class, moved by what is particular to its protein (in all models), to its protein in this
model, to the point (in all models) and to the point in this model. So points of a protein are not independent, models
agree more than chance, and proteins differ in size, prevalence and difficulty. `population.json` holds the parameters,
fitted once, from the delivered weights of two runs of the sites.yaml of that time on sites_v3.h5 (4 epochs; seed 1, and
seed 2 with `model.attention.width=128 model.hidden=[128,64]`). To fit again:

    kag eval RUN --split val --split test --out one.h5        # and two.h5 of the other run
    python -m tests.stats.population one.h5 two.h5

Shape letters: N points, P proteins, M models, E effects of a protein (`EFFECTS`), Q quantiles.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from kag.stats.metrics import Array, Floats, Ints

FILE = Path(__file__).with_name("population.json")
EFFECTS = ("mean of negatives", "mean of positives", "log of the spread of negatives")
NORMAL_Q = np.linspace(-3.5, 3.5, 29)
"""Where the shape of a class is stored, as quantiles of a normal distribution."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A data set, scored by models."""

    logit_MN: Floats
    label_N: Ints
    protein_N: Ints


@dataclass(frozen=True, eq=False)
class Population:
    """What data sets are drawn from; classes are negative, positive."""

    size_P2: Ints
    """Points and positives of real proteins."""
    effect_E: Floats
    """Mean effects."""
    shared_EE: Floats
    """Covariance over proteins of what all models have in common."""
    own_EE: Floats
    """The same of what is a model's own."""
    shape_2Q: Floats
    """Logits within a protein about their mean, at `NORMAL_Q`; of negatives in units of their spread."""
    agreement_2: Floats
    """Correlation of two models within a protein."""

    @classmethod
    def stored(cls) -> Population:
        """The one of `population.json`."""
        return cls(**{name: np.array(values) for name, values in json.loads(FILE.read_text()).items()})

    def draw(self, generator: np.random.Generator, proteins: int, shift_M: Sequence[float] | Floats) -> Sample:
        """New proteins, scored by models whose positives are moved by the given logits, and which else are alike."""
        size_P2 = self.size_P2[generator.integers(len(self.size_P2), size=proteins)]
        protein_N = np.repeat(np.arange(proteins), size_P2[:, 0])
        place_N = np.arange(len(protein_N)) - np.repeat(np.cumsum(size_P2[:, 0]) - size_P2[:, 0], size_P2[:, 0])
        label_N = (place_N < size_P2[protein_N, 1]).astype(np.int64)
        none_E = np.zeros(len(EFFECTS))
        common_PE = generator.multivariate_normal(self.effect_E, self.shared_EE, proteins)
        point_N = generator.standard_normal(len(label_N))
        agreement_N = self.agreement_2[label_N]
        logit_MN = np.empty((len(shift_M), len(label_N)))
        for model, shift in enumerate(shift_M):
            effect_PE = common_PE + generator.multivariate_normal(none_E, self.own_EE, proteins)
            own_N = generator.standard_normal(len(label_N))
            normal_N = np.sqrt(agreement_N) * point_N + np.sqrt(1.0 - agreement_N) * own_N
            for inside_N, mean_P, spread_P, shape_Q in zip(
                (label_N == 0, label_N == 1),
                (effect_PE[:, 0], effect_PE[:, 1] + shift),
                (np.exp(effect_PE[:, 2]), np.ones(proteins)),
                self.shape_2Q,
                strict=True,
            ):
                own_P = protein_N[inside_N]
                rest_N = np.interp(normal_N[inside_N], NORMAL_Q, shape_Q)
                logit_MN[model, inside_N] = mean_P[own_P] + spread_P[own_P] * rest_N
        return Sample(logit_MN, label_N, protein_N)


def fitted(logit_MN: Floats, label_N: Array, protein_N: Array) -> Population:
    """By moments, from two models; neither of them is told apart from the other."""
    rows_P = np.split(np.argsort(protein_N, kind="stable"), np.cumsum(np.unique(protein_N, return_counts=True)[1])[:-1])
    size_P2 = np.array([(len(rows), label_N[rows].sum()) for rows in rows_P])
    effects, noises = [], []
    rests: tuple[list[Floats], list[Floats]] = ([], [])
    for rows, (points, positives) in zip(rows_P, size_P2, strict=True):
        if 1 < positives < points - 1:
            negative_MX, positive_MX = (logit_MN[:, rows[label_N[rows] == label]] for label in (0, 1))
            spread_M = negative_MX.std(axis=1)
            means = negative_MX.mean(axis=1), positive_MX.mean(axis=1)
            effects.append(np.stack([*means, np.log(spread_M)], axis=1))
            rests[0].append((negative_MX - means[0][:, None]) / spread_M[:, None])
            rests[1].append(positive_MX - means[1][:, None])
            noises.append(np.cov(positive_MX) / positives)
    effect_MPE = np.stack(effects, axis=1)
    level_Q = [NormalDist().cdf(value) for value in NORMAL_Q]
    shared_EE, own_EE = _parts(effect_MPE, np.mean(noises, axis=0))
    rest_2MX = [np.concatenate(rest, axis=1) for rest in rests]
    return Population(
        size_P2=size_P2,
        effect_E=effect_MPE.mean(axis=(0, 1)),
        shared_EE=shared_EE,
        own_EE=own_EE,
        shape_2Q=np.array([np.quantile(rest_MX, level_Q) for rest_MX in rest_2MX]),
        agreement_2=np.array([np.corrcoef(*rest_MX).item(1) for rest_MX in rest_2MX]),
    )


def _parts(effect_MPE: Floats, noise_MM: Floats) -> tuple[Floats, Floats]:
    """Covariance that both models share, and that of each; less what few positives add to the spread of their mean."""
    one_PE, other_PE = effect_MPE - effect_MPE.mean(axis=1, keepdims=True)
    cross_EE = one_PE.T @ other_PE / (len(one_PE) - 1)
    total_EE = (one_PE.T @ one_PE + other_PE.T @ other_PE) / (2 * len(one_PE) - 2)
    shared_EE = (cross_EE + cross_EE.T) / 2
    own_EE = total_EE - shared_EE
    shared_EE[1, 1] -= noise_MM[0, 1]
    own_EE[1, 1] -= (noise_MM[0, 0] + noise_MM[1, 1]) / 2 - noise_MM[0, 1]
    return _positive(shared_EE), _positive(own_EE)


def _positive(matrix_EE: Floats) -> Floats:
    """The nearest matrix that is a covariance."""
    value_E, vector_EE = np.linalg.eigh(matrix_EE)
    nearest_EE: Floats = vector_EE @ np.diag(np.maximum(value_E, 0.0)) @ vector_EE.T
    return nearest_EE


def main(files: Sequence[str]) -> None:
    """Fit to the predictions of two runs and store the result."""
    import h5py

    columns: list[dict[str, Array]] = []
    for name in files:
        with h5py.File(name) as file:
            columns.append({key: file[key][:] for key in ("logit", "labels", "protein_keys", "row")})
    one, other = columns
    if not np.array_equal(one["row"], other["row"]):
        raise SystemExit("the files are not predictions of the same points")
    protein_N = np.unique(one["protein_keys"], return_inverse=True)[1]
    logit_MN = np.stack([one["logit"], other["logit"]]).astype(np.float64)
    found = fitted(logit_MN, one["labels"].astype(np.int64), protein_N)
    rounded = {name: np.round(values, 6).tolist() for name, values in vars(found).items()}
    FILE.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
