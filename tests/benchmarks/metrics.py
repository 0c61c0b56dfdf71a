"""AUPRC, AUROC, threshold and IoU of ten million points, beside torchmetrics and a plain sort in numpy.

    python -m tests.benchmarks.metrics [--points 10000000]

Processor seconds of one thread. The values are compared: exact ones agree to the last digits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kag.stats import metrics

PREVALENCE = 0.03
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def ours(score_N: Floats, label_N: Bools) -> tuple[float | None, float | None]:
    """AUPRC and AUROC as kag has them, and on the way the threshold of the best F1."""
    points = metrics.curve(score_N, label_N)
    threshold = metrics.best_threshold(points)
    if threshold is not None:
        metrics.at_threshold(points, threshold)
    return metrics.auprc(points), metrics.auroc(points)


def plain(score_N: Floats, label_N: Bools) -> tuple[float, float]:
    """The textbook: sort, count, sum over groups of equal scores."""
    order_N = np.argsort(-score_N, kind="stable")
    score_N, hit_N = score_N[order_N], label_N[order_N]
    last_N = np.r_[np.flatnonzero(np.diff(score_N)), len(score_N) - 1]
    true_N = np.cumsum(hit_N)[last_N]
    false_N = last_N + 1 - true_N
    recall_N, rate_N = true_N / true_N[-1], false_N / false_N[-1]
    precision_N = true_N / (last_N + 1)
    area = float(np.sum(np.diff(np.r_[0.0, recall_N]) * precision_N))
    return area, float(np.trapezoid(np.r_[0.0, recall_N], np.r_[0.0, rate_N]))


def usual(score_N: Floats, label_N: Bools) -> tuple[float, float]:
    """The field's usual way."""
    import torch
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    score, label = torch.from_numpy(score_N), torch.from_numpy(label_N.astype(np.int64))
    return float(binary_average_precision(score, label)), float(binary_auroc(score, label))


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    points = parser.parse_args().points
    generator = np.random.default_rng(0)
    label_N = generator.random(points) < PREVALENCE
    logit_N = (generator.normal(size=points) + 2.0 * label_N).astype(np.float32)
    score_N = (1 / (1 + np.exp(-logit_N))).astype(np.float32)
    ways: dict[str, Callable[[Floats, Bools], tuple[float | None, float | None]]] = {
        "kag": ours,
        "sort in numpy": plain,
        "torchmetrics": usual,
    }
    spent = {}
    for name, way in ways.items():
        way(score_N[:1000], label_N[:1000])  # what is loaded at the first call is no part of it
        began = time.process_time()
        auprc, auroc = way(score_N, label_N)
        spent[name] = time.process_time() - began
        ratio = spent[name] / spent["kag"]
        print(f"{name:15}{spent[name]:7.2f} s{ratio:7.1f} times kag; AUPRC {auprc:.6f}, AUROC {auroc:.6f}", flush=True)


if __name__ == "__main__":
    main()
