"""Blends: weighted means of the weights of several runs, tried on val.

Ratio 1 of a parent is that parent, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kag.compare.selection import Step, of_weights
from kag.errors import CheckpointError
from kag.spec import differences, flat
from kag.text import digest
from kag.track.result import Selection
from kag.weights.average import weighted_mean
from kag.weights.bench import Bench, Tried, tried_facts
from kag.weights.checkpoint import StoredWeights, state_differences

Ratios = tuple[float, ...]
"""Share of each parent; the sum is 1."""

TRAINING_ONLY = (
    "model.dropout",
    "model.modality_dropout",
    "model.periodic.sigma",
    "model.attention.dropout",
    "model.gate.penalty",
    "model.gate.dropout",
    "model.gate.context_scale",
    "model.gate.initial",
    "model.auxiliary",
)
"""Parts of `model` that shape training, but not what a network with given weights and buffers computes."""


@dataclass(frozen=True)
class Trial:
    """A blend and what it scores on val."""

    ratios: Ratios
    tried: Tried


def require_compatible(parents: Sequence[StoredWeights]) -> None:
    """Refuse parents whose mean would be no network of either.

    Raises:
        CheckpointError: lists every difference in what the networks compute, in their tensors and in their data.
    """
    first = parents[0]
    found: list[str] = []
    for number, other in enumerate(parents[1:], start=2):
        changed = differences(_computed(first), _computed(other))
        found += [
            f"  {key}: {before} in parent 1, {after} in parent {number}" for key, (before, after) in changed.items()
        ]
        found += [
            f"{sentence} (parents 1 and {number})" for sentence in state_differences(first.network, other.network)
        ]
        if first.data.data_digest != other.data.data_digest:
            digests = (digest(first.data.data_digest), digest(other.data.data_digest))
            found.append(f"  data: {digests[0]} in parent 1, {digests[1]} in parent {number}")
    if found:
        raise CheckpointError("these runs cannot be blended:\n" + "\n".join(found))


def try_ratios(parents: Sequence[StoredWeights], ratios: Iterable[Ratios], bench: Bench) -> Iterator[Trial]:
    """Try each blend on val, in the given order.

    Raises:
        CheckpointError: the parents cannot be blended.
        Diverged: a blend scores no finite number.
    """
    require_compatible(parents)
    states = [parent.network for parent in parents]
    for each in ratios:
        yield Trial(each, bench.tried(weighted_mean(states, each)))


def greedy_soup(parents: Sequence[StoredWeights], bench: Bench) -> Iterator[Trial]:
    """Greedy soup (arXiv 2203.05482): from the best parent on, each next one joins if the mean does not get worse.

    Yields:
        All trials in the order in which they are made: the parents, then the soups. `best_trial` is the soup.

    Raises:
        CheckpointError: the parents cannot be blended.
        Diverged: a blend scores no finite number.
    """
    numbers = range(len(parents))
    alone = []
    for trial in try_ratios(parents, [_uniform({number}, len(parents)) for number in numbers], bench):
        alone.append(trial.tried.auprc)
        yield trial
    best, *others = sorted(numbers, key=lambda number: -alone[number])
    members, score = {best}, alone[best]
    for number in others:
        (trial,) = try_ratios(parents, [_uniform(members | {number}, len(parents))], bench)
        yield trial
        if trial.tried.auprc >= score:
            members, score = members | {number}, trial.tried.auprc


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The blend with the highest val AUPRC, the last one if several tie (the larger soup)."""
    return max(reversed(trials), key=lambda trial: trial.tried.auprc)


def blended(parents: Sequence[StoredWeights], trial: Trial, bench: Bench) -> StoredWeights:
    """The weights of a trial's better variant, with the spec of the bench."""
    return bench.better(weighted_mean([parent.network for parent in parents], trial.ratios), trial.tried, epoch=None)


def worth(trials: Sequence[Trial], bench: Bench, step: Step) -> Selection | None:
    """What the best of blends is worth that were tried on a bench, and nothing else was; see `kag.compare.selection`.

    Args:
        step: told after each candidate that was drawn anew.
    """
    foremost = list(bench.foremost)
    drawn = (bench.bagged(each.logit_N) for each in foremost)
    value = best_trial(trials).tried.auprc
    return of_weights(bench.foremost.values, value, drawn, total=len(foremost), step=step)


def trial_facts(trial: Trial) -> dict[str, Any]:
    """The trial as plain values."""
    return {"ratios": list(trial.ratios), **tried_facts(trial.tried)}


def _uniform(members: set[int], parents: int) -> Ratios:
    return tuple(1.0 / len(members) if number in members else 0.0 for number in range(parents))


def _computed(weights: StoredWeights) -> dict[str, str | int | float | bool | None]:
    """The flat spec, as far as it says what a network with given weights computes."""
    leaves = flat(weights.spec)
    fixed = leaves["model.gate.kind"] == "fixed"
    return {
        key: value
        for key, value in leaves.items()
        if key == "data.max_distance"
        or (key == "model.gate.initial" and fixed)
        or (key.startswith("model.") and not any(key == part or key.startswith(f"{part}.") for part in TRAINING_ONLY))
    }
