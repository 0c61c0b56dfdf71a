"""What the names that programs use tell of a metric: `val/accuracy`, `eval_loss`, `validation_0-auc`, `test/rmse`.

A name is read as words. One of them says on what it was measured (`PARTS`, the first that is found), one what was
measured (`HIGHER`, `LOWER`: which of two values is better), and the rest may only qualify it.
"""

from __future__ import annotations

import re
from string import digits
from typing import Literal

Goal = Literal["max", "min"]

TESTED = frozenset({"test", "holdout"})
PARTS: tuple[frozenset[str], ...] = (
    frozenset({"val", "valid", "validation", "eval", "evaluation", "dev"}),
    TESTED,
    frozenset(),
    frozenset({"train", "training"}),
)
"""On what: validation counts more than test, test more than a name that does not say, and training least."""

HIGHER = (
    *("accuracy", "acc", "auprc", "auroc", "auc", "aucpr", "map", "f1", "iou", "miou", "dice", "r2", "mcc", "kappa"),
    *("precision", "recall", "ndcg", "bleu", "rouge", "rougel", "psnr", "ssim", "score", "reward", "return"),
)
"""Measures of which the highest value is the best, those first that count more."""

LOWER = (
    *("loss", "logloss", "mlogloss", "nll", "bce", "perplexity", "ppl", "error", "merror", "err"),
    *("rmse", "mse", "mae", "mape", "rmsle", "wer", "cer", "fid"),
)
"""Measures of which the lowest value is the best."""

_QUALIFIERS = frozenset(
    {"macro", "micro", "weighted", "binary", "mean", "avg", "average", "epoch", "total", "rate", "pr", "roc", "top"}
    | {"at", "k", "per", "class", "sample"}
)
_COUNTERS = frozenset(
    {"epoch", "epochs", "step", "steps", "iteration", "iterations", "samples", "throughput", "flos", "norm"}
    | {"runtime", "time", "timestamp", "second", "seconds", "memory", "gpu", "lr", "learning", "rate"}
)
_WORD = re.compile(r"[a-z]+\d*|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def by_name(name: str) -> Goal | None:
    """Which of two values is better, as the name tells; None where it does not."""
    measure = _measure(_words(name))
    return None if measure is None else "max" if measure in HIGHER else "min"


def rank(name: str) -> tuple[int, int, int]:
    """How much a metric counts by its name, least first: on what it was measured, by which goal, and what."""
    words = _words(name)
    part = next((place for place, known in enumerate(PARTS) if known & set(words)), PARTS.index(frozenset()))
    measure = _measure(words)
    if measure is None:
        return part, 2, 0
    return (part, 0, HIGHER.index(measure)) if measure in HIGHER else (part, 1, LOWER.index(measure))


def counts_nothing(name: str) -> bool:
    """Whether a name is that of a counter, a clock or a schedule, which says nothing of how good a run is."""
    return bool(_COUNTERS & set(_words(name)))


def _words(name: str) -> list[str]:
    return _WORD.findall(_CAMEL.sub(" ", name).lower())


def _measure(words: list[str]) -> str | None:
    """The last word, or the one before qualifiers: `f1_macro`, `acc@5`, `loss_epoch`; `loss_scale` measures no loss."""
    for word in reversed(words):
        bare = word.rstrip(digits)
        found = next((known for known in (word, bare) if known in HIGHER or known in LOWER), None)
        if found is not None:
            return found
        if bare and bare not in _QUALIFIERS and not any(bare in part for part in PARTS):
            return None
    return None
