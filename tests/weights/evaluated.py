"""What a state scores on a bench, without being a candidate of a choice."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kag.names import Split
from kag.stats.measure import Evaluation
from kag.weights.bench import Bench
from kag.weights.checkpoint import load_state
from kag.weights.evaluate import evaluate


def evaluated(bench: Bench, state: Mapping[str, Tensor], split: Split = "val") -> Evaluation:
    """Metrics of the state, without intervals."""
    load_state(bench.network, state)
    return evaluate(bench.network, bench.sites, bench.tables, split, samples=0)
