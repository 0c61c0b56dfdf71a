"""Small scores of a run of kag's own, and whether two are the same bit for bit."""

from __future__ import annotations

import numpy as np

from kag.names import Part
from kag.stats.bootstrap import metric_draws
from kag.stats.scores import Scores


def made_scores(
    split: Part,
    *,
    seed: int = 0,
    groups: tuple[str, ...] = ("p0", "p1", "p2"),
    other_logits: bool = False,
    weights_digest: str = "aa" * 32,
    data_digest: str = "bb" * 32,
) -> Scores:
    """Forty points of three proteins; the same seed gives the same examples."""
    generator = np.random.default_rng(seed)
    group_N = generator.permutation(np.arange(40) % len(groups))
    label_N = generator.random(40) < 0.3
    logit_N = (generator.normal(size=40) + label_N + other_logits).astype(np.float32)
    scores = Scores(split, logit_N, label_N, group_N, groups, 0.25, weights_digest, data_digest)
    return scores.keeping(metric_draws(logit_N, label_N, group_N, 0.25, samples=5))


def same_scores(one: Scores | None, other: Scores | None) -> bool:
    """Whether both hold the same, every float by its bits."""
    return one is not None and other is not None and _told(one) == _told(other)


def _told(scores: Scores) -> tuple[object, ...]:
    arrays = [scores.value_N, scores.group_N, *([] if scores.label_N is None else [scores.label_N])]
    kept = None
    if scores.kept is not None:
        kept = [
            (name, one.value.hex(), one.draw_S.tobytes(), one.left_out_U.tobytes()) for name, one in scores.kept.items()
        ]
    held = [(array.dtype.str, array.tobytes()) for array in arrays]
    digests = (scores.weights_digest, scores.data_digest)
    return scores.split, held, scores.groups, scores.threshold, digests, kept
