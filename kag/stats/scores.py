"""`Scores`: what weights, or any program's model, say of every example of a split; and what follows from that alone.

Shape letters: N examples, G groups of them, U units that are drawn as a whole, S resamples.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kag.names import Part
from kag.stats.bootstrap import Resampled, mean_draws, metric_draws
from kag.stats.metrics import Array, Ints, group_ends

LARGEST_UNITS = 1000
"""Groups up to which each is a unit of its own; more of them are dealt into so many units."""

OTHER_METRICS = ("auprc", "auroc", "f1")
"""What a score and a label tell, whatever the scale of the score is."""


class Drawn(NamedTuple):
    """What is left of scores where their examples are not needed any more."""

    weights_digest: str | None
    """None of another program."""
    examples_digest: str
    draws: Mapping[str, Resampled]
    clusters_digest: str | None = None
    """SHA-256 of which groups are drawn as one; None where each is on its own."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One number for each example of a split, in the order of the examples."""

    split: Part
    value_N: Array
    """float32 or float64, finite: a score, higher is more positive (of kag's own runs the logit); or a loss."""
    label_N: NDArray[np.bool_] | None
    """Whether an example is positive; None where the values are losses."""
    group_N: Ints
    """Index into `groups`; without groups, that of the example."""
    groups: tuple[str, ...] | None
    """What belongs together, such as proteins: sorted, each has examples. None if every example is its own."""
    threshold: float | None
    """At and above which a score is predicted positive."""
    weights_digest: str | None = None
    """SHA-256 of the weights; None of another program."""
    data_digest: str | None = None
    """SHA-256 of the data; None of another program."""
    kept: Mapping[str, Resampled] | None = None
    """Draws of each metric that were kept with the scores, one unit for each group, or cluster of them."""
    cluster_G: Ints | None = None
    """Which groups belong together and are drawn as one, as homologues are; see `clustered`."""

    @cached_property
    def examples_digest(self) -> str:
        """SHA-256 over groups and labels in order: two runs are paired if and only if it is equal."""
        digest = hashlib.sha256(f"kag examples 1 {len(self.value_N)}\n".encode())
        if self.groups is not None:
            digest.update(json.dumps(self.groups).encode() + b"\n")
            digest.update(self.group_N.astype("<i8").tobytes())
        digest.update(b"\n" if self.label_N is None else b"\n" + self.label_N.astype(np.uint8).tobytes())
        return digest.hexdigest()

    @cached_property
    def clusters_digest(self) -> str | None:
        """SHA-256 of which groups are drawn as one; None where each is on its own. Names of clusters do not count."""
        return None if self.cluster_G is None else clusters_digest(self.cluster_G)

    @cached_property
    def draws(self) -> Mapping[str, Resampled]:
        """Each metric by name, with its draws; the same units are drawn for the same examples.

        Of kag's own runs those that were kept. Else `auprc`, `auroc`, `accuracy` and `f1` of scores, `loss` of losses.
        """
        if self.kept is not None:
            return self.kept
        if self.label_N is None:
            return {"loss": mean_draws(self.value_N, self.unit_N)}
        found = _defined(metric_draws(self.value_N, self.label_N, self.unit_N, self.threshold))
        told = {name: found[name] for name in OTHER_METRICS if name in found}
        if self.threshold is None:
            return told
        right_N = (self.value_N >= self.threshold) == self.label_N
        return told | {"accuracy": mean_draws(right_N.astype(np.float64), self.unit_N)}

    @property
    def drawn(self) -> Drawn:
        """What a paired difference takes of them."""
        return Drawn(self.weights_digest, self.examples_digest, self.draws, self.clusters_digest)

    @property
    def unit_N(self) -> Ints:
        """The unit of each example: its group, or the cluster of that.

        Many units are dealt out in turn, which keeps the cost bounded: what is independent may be drawn in parts of
        equal size.
        """
        unit_N = self.group_N if self.cluster_G is None else self.cluster_G[self.group_N]
        return unit_N if int(unit_N.max(initial=0)) < LARGEST_UNITS else unit_N % LARGEST_UNITS

    def keeping(self, draws: Mapping[str, Resampled]) -> Scores:
        """The same with draws, in the precision in which they are kept; what is undefined (NaN) is left out."""
        return replace(self, kept={name: _rounded(one) for name, one in _defined(draws).items()})


def grouped(name_N: Array) -> tuple[Ints, tuple[str, ...]]:
    """Index of each example's group, and the groups, sorted, from a name for each example."""
    names, group_N = np.unique(name_N, return_inverse=True)
    return group_N.astype(np.int64), tuple(map(str, names))


def clustered(name_G: Array) -> Ints | None:
    """Which of some things belong together, by a name or a number of each: 0, 1, ... in the order of the first ones.

    None where no two do.
    """
    _, first_C, code_G = np.unique(name_G, return_index=True, return_inverse=True)
    if len(first_C) == len(name_G):
        return None
    return np.argsort(np.argsort(first_C))[code_G].astype(np.int64)


def clusters_digest(cluster_G: Ints) -> str:
    """SHA-256 over the numbers that `clustered` gives."""
    return hashlib.sha256(cluster_G.astype("<i8").tobytes()).hexdigest()


def run_lengths(group_N: Ints) -> tuple[Ints, Ints]:
    """Groups in the order in which they stand, and how often in a row; `np.repeat` of the two gives the argument."""
    last_R = group_ends(group_N)
    return group_N[last_R], np.diff(last_R, prepend=-1)


def usual_threshold(score_N: Array) -> float:
    """Where nobody says it: 0.5 of probabilities, 0 of what is on another scale."""
    return 0.5 if probable(score_N) else 0.0


def probable(score_N: Array) -> bool:
    """Whether scores can be probabilities: there are some, and none lies outside 0 to 1."""
    return len(score_N) > 0 and bool(score_N.min() >= 0.0 and score_N.max() <= 1.0)


def _defined(draws: Mapping[str, Resampled]) -> dict[str, Resampled]:
    return {name: one for name, one in draws.items() if not math.isnan(one.value)}


def _rounded(drawn: Resampled) -> Resampled:
    draw_S, left_out_U = (values.astype(np.float32).astype(np.float64) for values in (drawn.draw_S, drawn.left_out_U))
    return Resampled(drawn.value, draw_S, left_out_U)
