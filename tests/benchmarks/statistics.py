"""Coverage, false alarms, power and selection of `kag.stats`, counted on simulated data sets.

    python -m tests.benchmarks.statistics [--sets 1000]

With 1,000 sets it takes about twenty minutes; the standard error of a share of 95 % is then 0.7 %.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from tests.stats import simulation
from tests.stats.population import Population

SHIFT = 0.17
"""Of the second model's positives, in logits: about 0.02 in AUPRC."""
SIZES = (36, 93)


def differences(population: Population, sets: int) -> None:
    """(a), (b) and (c): coverage, false alarms and power, for equal models and for different ones."""
    for shift in (0.0, SHIFT):
        known = simulation.truth(population, shift, proteins=10_000, parts=12, seed=7)
        for proteins in SIZES:
            found = simulation.judged(population, known, shift, proteins=proteins, sets=sets, samples=400, seed=1)
            print(f"\n{proteins} proteins, shift {shift}: share of {sets} data sets")
            print(f"{'':18}{'true':>9}{'covered':>9}{'better':>9}{'worse':>9}{'unpaired rule':>15}")
            for name, each in found.items():
                true = f"{known.ranked[name]:.4f}" if name in known.ranked else "own"
                shares = f"{each.covered:>9.3f}{each.above:>9.3f}{each.below:>9.3f}{each.unpaired:>15.3f}"
                print(f"{name:18}{true:>9}{shares}", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000, help="Simulated data sets.")
    sets, began = parser.parse_args().sets, time.perf_counter()
    population = Population.stored()
    differences(population, sets)

    family = simulation.families(population, children=20, proteins=36, sets=sets, seed=2)
    print(f"\n20 equal children, 36 proteins, {sets} families: one is told from the parent in {family.holm:.3f}")
    print(f"({family.uncorrected:.3f} without Holm), one from the best in {family.best:.3f}", flush=True)

    print("\nequal groups of seeds, 36 proteins, told apart in a share of data sets")
    print(f"{'seeds':>6}{'spread':>8}{'replicates':>12}{'two levels':>12}{'one seed':>10}")
    for replicates, spread in ((3, 0.0), (3, 0.2), (5, 0.0), (5, 0.2)):
        each = simulation.seeds(
            population, spread, replicates=replicates, proteins=36, sets=sets // 2, samples=400, seed=3
        )
        shares = f"{each.replicates:>12.3f}{each.two_level:>12.3f}{each.one_seed:>10.3f}"
        print(f"{replicates:>6}{spread:>8}{shares}", flush=True)

    best = simulation.selection(population, trials=40, proteins=36, sets=max(2, sets // 5), samples=200, seed=4)
    print(f"\nbest of 40 equal trials, 36 proteins: AUPRC {best.naive:+.4f} as chosen, {best.corrected:+.4f} corrected")
    print(f"(standard error {best.error:.4f})", flush=True)

    mixed = simulation.blends(population, ratios=21, proteins=36, sets=max(2, sets // 5), samples=200, seed=6)
    print(f"\nbest of 21 blends of two models: AUPRC {mixed.naive:+.4f} as chosen, {mixed.corrected:+.4f} corrected")
    print(f"above its AUPRC on 3,000 proteins (standard error of their distance {mixed.error:.4f})", flush=True)

    values = np.random.default_rng(5).normal(0.4, 0.03, size=14).tolist()
    own, replaced = simulation.best_of_subsets(values)
    print(f"\nexpected best of 14 trials against all subsets: off by {own:.1e}, with replacement by {replaced:.4f}")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
