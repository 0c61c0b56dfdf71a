"""Blends: weighted means of the weights of several runs, tried on val.

Each blend is tried as it is and with its normalisation statistics recomputed on training data, because either can be
the better one. Ratio 1 of a parent is that parent, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product

from torch import Tensor

from kag.errors import CheckpointError, UserError
from kag.spec import differences, flat
from kag.weights.average import weighted_mean
from kag.weights.bench import Bench, Variant
from kag.weights.checkpoint import State, StoredWeights, state_differences, stored

Ratios = tuple[float, ...]
"""Share of each parent; the sum is 1."""
Progress = Callable[["Trial"], None]

LARGEST_GRID = 1001

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
    plain: Variant
    """Statistics averaged like everything else."""
    recomputed: Variant | None
    """Statistics recomputed on training data; None for a network without BatchNorm."""

    @property
    def recomputed_is_better(self) -> bool:
        """Whether the recomputed variant is the one to deliver."""
        return self.recomputed is not None and self.recomputed.evaluation.auprc > self.plain.evaluation.auprc

    @property
    def best(self) -> Variant:
        """The better variant."""
        return self.recomputed if self.recomputed is not None and self.recomputed_is_better else self.plain


def blend_states(states: Sequence[Mapping[str, Tensor]], ratios: Sequence[float]) -> State:
    """Weighted mean of states in float64, normalisation statistics and schedules included; see `weighted_mean`.

    Raises:
        CheckpointError: names, shapes or types differ, or the ratios are not shares with the sum 1.
    """
    return weighted_mean(states, ratios)


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
            digests = (first.data.data_digest[:12], other.data.data_digest[:12])
            found.append(f"  data: {digests[0]} in parent 1, {digests[1]} in parent {number}")
    if found:
        raise CheckpointError("these runs cannot be blended:\n" + "\n".join(found))


def grid(text: str, parents: int) -> tuple[Ratios, ...]:
    """Ratios of a grid `low:high:step`, such as `0:1:0.1`.

    The grid holds the shares of the second parent, and with more than two of every further one; the first gets the
    rest. Combinations whose shares exceed 1 are left out.

    Raises:
        UserError: not such a grid, one outside [0, 1], or more than 1,001 combinations.
    """
    words = text.split(":")
    if len(words) != 3:
        raise _no_ratios(text, "not a grid low:high:step")
    low, high, step = (_number(word, text) for word in words)
    if not (0 <= low <= high <= 1 and step > 0):
        raise _no_ratios(text, "needs 0 <= low <= high <= 1 and a step above 0")
    count = int((high - low) / step) + 1
    if count ** (parents - 1) > LARGEST_GRID:
        raise _no_ratios(text, f"gives more than {LARGEST_GRID} blends")
    share_S = [low + step * number for number in range(count)]
    combinations = product(share_S, repeat=parents - 1)
    return tuple(
        (float(1 - sum(others)), *(float(share) for share in others)) for others in combinations if sum(others) <= 1
    )


def shares(text: str, parents: int) -> Ratios:
    """Ratios written out, such as `0.5,0.5`.

    Raises:
        UserError: not one number for each parent, a negative one, or a sum that is not 1.
    """
    numbers = [_number(word, text) for word in text.split(",")]
    if len(numbers) != parents:
        raise _no_ratios(text, f"{len(numbers)} shares for {parents} parents")
    total = sum(numbers, Decimal(0))
    if min(numbers) < 0 or abs(total - 1) > Decimal("1e-6"):
        raise _no_ratios(text, f"shares must not be negative and must sum to 1, not {total}")
    return tuple(float(number) for number in numbers)


def try_ratios(
    parents: Sequence[StoredWeights],
    ratios: Sequence[Ratios],
    bench: Bench,
    *,
    progress: Progress | None = None,
) -> tuple[Trial, ...]:
    """Try each blend on val, in the given order.

    Raises:
        CheckpointError: the parents cannot be blended.
        RunFailed: a blend scores NaN.
    """
    require_compatible(parents)
    return tuple(_try(parents, each, bench, progress) for each in ratios)


def greedy_soup(
    parents: Sequence[StoredWeights], bench: Bench, *, progress: Progress | None = None
) -> tuple[Trial, ...]:
    """Greedy soup (arXiv 2203.05482): from the best parent on, each next one joins if the mean does not get worse.

    Returns:
        All trials in the order in which they were made: the parents, then the soups. `best_trial` is the soup.

    Raises:
        CheckpointError: the parents cannot be blended.
        RunFailed: a blend scores NaN.
    """
    require_compatible(parents)
    alone = [_try(parents, _uniform({number}, len(parents)), bench, progress) for number in range(len(parents))]
    order = sorted(range(len(parents)), key=lambda number: -alone[number].best.evaluation.auprc)
    members, score = {order[0]}, alone[order[0]].best.evaluation.auprc
    trials = list(alone)
    for number in order[1:]:
        trial = _try(parents, _uniform(members | {number}, len(parents)), bench, progress)
        trials.append(trial)
        if trial.best.evaluation.auprc >= score:
            members, score = members | {number}, trial.best.evaluation.auprc
    return tuple(trials)


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The blend with the highest val AUPRC, the last one if several tie (the larger soup)."""
    return max(reversed(trials), key=lambda trial: trial.best.evaluation.auprc)


def blended(parents: Sequence[StoredWeights], trial: Trial, bench: Bench) -> StoredWeights:
    """The weights of a trial's better variant, with the spec of the first parent."""
    state = blend_states([parent.network for parent in parents], trial.ratios)
    if trial.recomputed_is_better:
        state = bench.recomputed(state)
    return stored(parents[0].spec, state, parents[0].data, epoch=None)


def _try(parents: Sequence[StoredWeights], ratios: Ratios, bench: Bench, progress: Progress | None) -> Trial:
    state = blend_states([parent.network for parent in parents], ratios)
    plain = bench.variant(state)
    trial = Trial(ratios, plain, bench.variant(bench.recomputed(state)) if bench.recomputes else None)
    if progress is not None:
        progress(trial)
    return trial


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


def _number(word: str, text: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        raise _no_ratios(text, f"{word.strip()!r} is not a number") from None
    if not number.is_finite():
        raise _no_ratios(text, f"{word.strip()!r} is not a number")
    return number


def _no_ratios(text: str, problem: str) -> UserError:
    return UserError(
        f"{text!r}: {problem}",
        where="ratios of the blend",
        remedy="write a grid as --ratios 0:1:0.1, or one share for each parent as --weights 0.75,0.25",
    )
