"""Blends of two fine-tunes of one parent on synthetic data: statistics averaged like the weights, against recomputed.

Fine-tunes that stay near their parent, and fine-tunes that go far: the farther, the staler averaged statistics are.
PAIRS sets how many pairs of each kind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kag.cli.blend import grid
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.spec import load_spec
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.weights.bench import Bench
from kag.weights.blend import Trial, try_ratios, worth
from kag.weights.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[2]
KINDS = {
    "near": ("epochs=5",),
    "far": ("epochs=8", "optimizer.schedule.max_lr=1.0e-2"),
}


def main() -> None:
    """Print val AUPRC of every ratio, averaged / recomputed, and how often recomputing was no worse."""
    pairs = int(os.environ.get("PAIRS", "4"))
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data.h5"
        synthesise(data, proteins=60, points_per_protein=250)
        sites = read_sites(data)
        for kind, overrides in KINDS.items():
            found = [_pair(Path(name), sites, kind, overrides, seed) for seed in range(pairs)]
            _summary(kind, found)


def _pair(folder: Path, sites: Sites, kind: str, overrides: Sequence[str], seed: int) -> tuple[Trial, ...]:
    parent = _train(folder, f"{kind}-parent-{seed}", "epochs=5", f"seed={seed}")
    start = (f"start_from.run={parent.id}", "start_from.checkpoint=best", "start_from.keep=weights")
    children = [
        _train(folder, f"{kind}-child-{seed}-{which}", *start, *overrides, f"seed={100 + 10 * seed + which}")
        for which in range(2)
    ]
    weights = [read_checkpoint(folder / "runs" / child.id / "checkpoints" / "best.ckpt") for child in children]
    bench, began = Bench.of(weights[0], sites), time.process_time()
    trials = tuple(try_ratios(weights, grid("0:1:0.1", 2), bench))
    tried = time.process_time()
    worth(trials, bench, lambda done, total: None)
    added = (time.process_time() - tried) / (tried - began)
    print(f"choosing anew in every bag took {added:.3f} of what trying the blends took", flush=True)
    figures = " ".join(f"{trial.tried.plain.evaluation.auprc:.3f}/{_recomputed(trial):.3f}" for trial in trials)
    print(f"{kind} {seed}: {figures}", flush=True)
    return trials


def _train(folder: Path, name: str, *overrides: str) -> RunRecord:
    fixed = (f"name={name}", f"data.file={folder / 'data.h5'}", "early_stopping=null", "track.mode=disabled")
    spec = load_spec(ROOT / "runs" / "specs" / "demo.yaml", [*fixed, *overrides])
    return fit(spec, runs=folder / "runs", console=RunConsole(quiet=True))


def _recomputed(trial: Trial) -> float:
    assert trial.tried.recomputed is not None
    return trial.tried.recomputed.evaluation.auprc or 0.0


def _summary(kind: str, found: Sequence[tuple[Trial, ...]]) -> None:
    inner = [trial for trials in found for trial in trials[1:-1]]
    halves = [trials[len(trials) // 2] for trials in found]
    for what, some in (("inner ratios", inner), ("50/50", halves)):
        gains = [_recomputed(trial) - (trial.tried.plain.evaluation.auprc or 0.0) for trial in some]
        no_worse = sum(gain >= 0 for gain in gains)
        mean = sum(gains) / len(gains)
        print(f"{kind}, {what}: recomputed no worse in {no_worse} of {len(gains)}, mean gain {mean:+.4f}")
    best = [
        max(map(_recomputed, trials)) >= max(trial.tried.plain.evaluation.auprc or 0.0 for trial in trials)
        for trials in found
    ]
    print(f"{kind}, best of the grid: recomputed no worse in {sum(best)} of {len(best)}")


if __name__ == "__main__":
    main()
