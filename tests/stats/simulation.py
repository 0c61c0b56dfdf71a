"""How often the statistics of `kag.stats` are right, counted on data sets from a population whose truth is known.

Shape letters: N points, M models, T thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kag.stats import metrics
from kag.stats.bootstrap import Resampled, interval, metric_draws
from kag.stats.metrics import Floats, overlap
from kag.stats.paired import ALPHA, holm, paired_difference
from kag.stats.replicates import replicate_difference
from kag.stats.selection import bagged, bbc_cv, expected_best, tied_with_best
from tests.stats.population import Population

VAL = 36
"""Proteins that a threshold is chosen on."""
RANKED = ("auprc", "auprc_per_protein", "auroc", "bce")
"""Metrics of which the truth does not depend on a threshold."""
THRESHOLDED = ("iou", "f1", "precision", "recall")
THRESHOLD_T = np.linspace(-15.0, 20.0, 7001)
"""Logits at which the large population is counted."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Two models on a very large population, from several parts of it."""

    ranked: Mapping[str, float]
    """Second minus first."""
    share_MT: dict[str, Floats]
    """Metrics at `THRESHOLD_T`."""

    def difference(self, metric: str, threshold_M: Sequence[float]) -> float:
        """Second minus first, each at its own threshold."""
        if metric in self.ranked:
            return self.ranked[metric]
        share_MT = self.share_MT[metric]
        one, other = (np.interp(*pair) for pair in zip(threshold_M, [THRESHOLD_T] * 2, share_MT, strict=True))
        return float(other - one)


def truth(population: Population, shift: float, *, proteins: int, parts: int, seed: int) -> Truth:
    """By counting. Models that are alike differ by nothing, so only their thresholds are counted."""
    changes: list[list[float]] = []
    true_MT, predicted_MT, positive = np.zeros((2, len(THRESHOLD_T))), np.zeros((2, len(THRESHOLD_T))), 0.0
    for part in range(parts):
        sample = population.draw(np.random.default_rng([seed, part]), proteins, (0.0, shift))
        inside_N = sample.label_N == 1
        positive += inside_N.sum()
        for model, logit_N in enumerate(sample.logit_MN):
            for found_MT, chosen_N in ((true_MT, logit_N[inside_N]), (predicted_MT, logit_N)):
                found_MT[model] += len(chosen_N) - np.searchsorted(np.sort(chosen_N), THRESHOLD_T)
        if shift:
            draws = [metric_values(logit_N, sample.label_N, sample.protein_N) for logit_N in sample.logit_MN]
            changes.append([draws[1][name] - draws[0][name] for name in RANKED])
    mean = np.mean(changes, axis=0) if shift else np.zeros(len(RANKED))
    shares = {
        name: np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
        for name, (part, whole) in overlap(true_MT, np.full_like(true_MT, positive), predicted_MT).items()
    }
    return Truth(dict(zip(RANKED, mean.tolist(), strict=True)), shares)


def metric_values(logit_N: Floats, label_N: metrics.Ints, protein_N: metrics.Ints) -> dict[str, float]:
    """The metrics of `RANKED`, without draws."""
    curve = metrics.curve(logit_N, label_N)
    found = metrics.auprc(curve), metrics.auroc(curve), metrics.cross_entropy(logit_N, label_N)
    auprc, auroc, bce = (np.nan if value is None else value for value in found)
    mean = float(metrics.protein_auprc(logit_N, label_N, protein_N)[1].mean())
    return {"auprc": auprc, "auprc_per_protein": mean, "auroc": auroc, "bce": bce}


@dataclass
class Judged:
    """One metric, over many data sets; shares of these."""

    covered: float = 0.0
    """The paired interval holds the true difference."""
    above: float = 0.0
    """The second model is said to be better."""
    below: float = 0.0
    """It is said to be worse."""
    unpaired: float = 0.0
    """The rule before: neither interval of a single value holds the other one's value."""


def judged(
    population: Population, known: Truth, shift: float, *, proteins: int, sets: int, samples: int, seed: int
) -> dict[str, Judged]:
    """Two models on many data sets, with thresholds from val sets of their own."""
    found = {name: Judged() for name in (*RANKED, *THRESHOLDED)}
    for number in range(sets):
        generator = np.random.default_rng([seed, proteins, number])
        val, test = (population.draw(generator, size, (0.0, shift)) for size in (VAL, proteins))
        chosen = (metrics.best_threshold(metrics.curve(logit_N, val.label_N)) for logit_N in val.logit_MN)
        threshold_M = [0.0 if threshold is None else threshold for threshold in chosen]
        one, other = (
            metric_draws(logit_N, test.label_N, test.protein_N, threshold, samples=samples)
            for logit_N, threshold in zip(test.logit_MN, threshold_M, strict=True)
        )
        for name, shares in found.items():
            difference = paired_difference(one[name], other[name])
            assert difference.interval is not None
            covered = difference.interval.low <= known.difference(name, threshold_M) <= difference.interval.high
            shares.covered += covered / sets
            shares.above += (difference.interval.low > 0) / sets
            shares.below += (difference.interval.high < 0) / sets
            shares.unpaired += _apart_by_own_intervals(one[name], other[name]) / sets
    return found


@dataclass
class Families:
    """A parent and its children, all equal, over many data sets; shares of these in which one is told from another."""

    holm: float = 0.0
    """A child from the parent, with Holm's correction."""
    uncorrected: float = 0.0
    """The same without."""
    best: float = 0.0
    """One of them from the best of them."""


def families(population: Population, *, children: int, proteins: int, sets: int, seed: int) -> Families:
    """By AUPRC."""
    found = Families()
    for models in _scored(population, children + 1, proteins, sets, seed):
        p_values = [paired_difference(models[0], child).p_value for child in models[1:]]
        found.holm += (min(holm(p_values)) < ALPHA) / sets
        found.uncorrected += (min(p_values) < ALPHA) / sets
        found.best += (tied_with_best([[model] for model in models]) < len(models)) / sets
    return found


@dataclass
class Seeds:
    """Equal groups of seeds over many data sets; shares of these in which they are told apart."""

    replicates: float = 0.0
    two_level: float = 0.0
    """By percentiles of a bootstrap of seeds and units."""
    one_seed: float = 0.0
    """By the first run of each alone."""


def seeds(
    population: Population, spread: float, *, replicates: int, proteins: int, sets: int, samples: int, seed: int
) -> Seeds:
    """Groups whose runs differ by luck: positives of each run moved by a normal number of this spread."""
    found = Seeds()
    for number in range(sets):
        generator = np.random.default_rng([seed, number])
        sample = population.draw(generator, proteins, spread * generator.standard_normal(2 * replicates))
        runs = [
            metric_draws(logit_N, sample.label_N, sample.protein_N, None, samples=samples)["auprc"]
            for logit_N in sample.logit_MN
        ]
        a, b = runs[:replicates], runs[replicates:]
        found.replicates += replicate_difference(a, b).told_apart / sets
        found.two_level += _apart_in_two_levels(a, b, generator) / sets
        found.one_seed += paired_difference(a[0], b[0]).told_apart / sets
    return found


@dataclass(frozen=True)
class Selection:
    """The best of equal trials: by how much its value, and the corrected one, lie above what a trial scores."""

    naive: float
    corrected: float
    error: float
    """Standard error of the second."""


def selection(population: Population, *, trials: int, proteins: int, sets: int, samples: int, seed: int) -> Selection:
    """Each data set is its own control: the truth is the mean over its trials, which are equal."""
    naive, corrected = np.empty(sets), np.empty(sets)
    for number in range(sets):
        sample = population.draw(np.random.default_rng([seed, number]), proteins, (0.0,) * trials)
        found = bbc_cv(
            [bagged(logit_N, sample.label_N, sample.protein_N, "auprc", samples=samples) for logit_N in sample.logit_MN]
        )
        each = [metrics.auprc(metrics.curve(logit_N, sample.label_N)) or 0.0 for logit_N in sample.logit_MN]
        naive[number], corrected[number] = found.value - np.mean(each), found.corrected - np.mean(each)
    error = float(corrected.std(ddof=1)) / sets**0.5
    return Selection(float(naive.mean()), float(corrected.mean()), error)


def blends(population: Population, *, ratios: int, proteins: int, sets: int, samples: int, seed: int) -> Selection:
    """The best of blends of two equal models, which are much alike: the truth is what the chosen one scores on the
    population, counted on 3,000 proteins.
    """
    share_R = np.linspace(0.0, 1.0, ratios)[:, None]
    large = population.draw(np.random.default_rng([seed, sets]), 3000, (0.0, 0.0))
    true_R = [
        metrics.auprc(metrics.curve(logit_N, large.label_N)) or 0.0
        for logit_N in (1.0 - share_R) * large.logit_MN[0] + share_R * large.logit_MN[1]
    ]
    naive, corrected = np.empty(sets), np.empty(sets)
    for number in range(sets):
        sample = population.draw(np.random.default_rng([seed, number]), proteins, (0.0, 0.0))
        blend_RN = (1.0 - share_R) * sample.logit_MN[0] + share_R * sample.logit_MN[1]
        found = bbc_cv(
            [bagged(logit_N, sample.label_N, sample.protein_N, "auprc", samples=samples) for logit_N in blend_RN]
        )
        naive[number], corrected[number] = found.value - true_R[found.best], found.corrected - true_R[found.best]
    error = float((naive - corrected).std(ddof=1)) / sets**0.5
    return Selection(float(naive.mean()), float(corrected.mean()), error)


def best_of_subsets(values: Sequence[float]) -> tuple[float, float]:
    """Largest deviation from the mean over all subsets: of `expected_best`, and of drawing with replacement."""
    total, ascending_N = len(values), np.sort(values)
    exact_N = np.array([np.mean([max(each) for each in combinations(values, n)]) for n in range(1, total + 1)])
    reach_N = np.arange(total + 1) / total
    replaced_N = np.array([np.diff(reach_N**n) @ ascending_N for n in range(1, total + 1)])
    return float(np.abs(expected_best(values) - exact_N).max()), float(np.abs(replaced_N - exact_N).max())


def _scored(population: Population, models: int, proteins: int, sets: int, seed: int) -> Iterator[list[Resampled]]:
    """AUPRC of equal models, left-out values alone."""
    for number in range(sets):
        sample = population.draw(np.random.default_rng([seed, number]), proteins, (0.0,) * models)
        yield [
            metric_draws(logit_N, sample.label_N, sample.protein_N, None, samples=0)["auprc"]
            for logit_N in sample.logit_MN
        ]


def _apart_by_own_intervals(one: Resampled, other: Resampled) -> bool:
    pairs = ((one, other), (other, one))
    bounds = [(interval(own.draw_S), than.value) for own, than in pairs]
    return not any(own and own.low <= value <= own.high for own, value in bounds)


def _apart_in_two_levels(a: Sequence[Resampled], b: Sequence[Resampled], generator: np.random.Generator) -> bool:
    """By percentiles of a bootstrap of seeds and units."""
    side_S = []
    for group in (a, b):
        draw_SR = np.array([each.draw_S for each in group]).T
        pick_SR = generator.integers(len(group), size=draw_SR.shape)
        side_S.append(np.take_along_axis(draw_SR, pick_SR, axis=1).mean(axis=1))
    bounds = interval(side_S[1] - side_S[0])
    return bounds is not None and not bounds.low <= 0.0 <= bounds.high
