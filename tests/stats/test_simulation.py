"""The statistics on data sets of which the truth is known, few of them and the same ones each time.

`python -m tests.benchmarks statistics` counts many. With so few a right method stays within these bounds for nearly
all seeds; one that errs as percentile intervals or a family without correction do is found by the large count alone.
"""

from __future__ import annotations

import numpy as np
import pytest

from kag.stats.bootstrap import metric_draws
from tests.stats import simulation
from tests.stats.population import EFFECTS, Population, fitted

SHIFT = 0.25
CHANGE = {"auprc": 0.0294, "auprc_per_protein": 0.0278, "auroc": 0.0053}
"""What that shift of a model's positives adds, on 40,000 proteins."""


@pytest.fixture(scope="module")
def population() -> Population:
    return Population.stored()


@pytest.mark.parametrize(("proteins", "sets"), [(36, 40), (93, 20)])
def test_equal_models_are_told_apart_seldom(population: Population, proteins: int, sets: int) -> None:
    known = simulation.truth(population, 0.0, proteins=800, parts=1, seed=7)
    found = simulation.judged(population, known, 0.0, proteins=proteins, sets=sets, samples=1, seed=1)
    for name, each in found.items():
        assert each.covered >= 0.8, name
    for name in simulation.RANKED:
        assert found[name].above <= 0.1, name


def test_paired_intervals_hold_a_difference_and_find_it_more_often_than_single_ones(population: Population) -> None:
    shares = {name: np.zeros((2, len(simulation.THRESHOLD_T))) for name in simulation.THRESHOLDED}
    known = simulation.Truth({**CHANGE, "bce": 0.0}, shares)
    found = simulation.judged(population, known, SHIFT, proteins=36, sets=40, samples=100, seed=1)
    for name in CHANGE:
        assert found[name].covered >= 0.8, name
        assert found[name].above > found[name].unpaired + 0.1, name


def test_holm_keeps_a_family_honest(population: Population) -> None:
    found = simulation.families(population, children=20, proteins=36, sets=10, seed=2)
    assert found.holm <= 0.2
    assert found.best <= 0.2
    assert found.uncorrected >= 0.25


def test_luck_of_seeds_is_no_progress(population: Population) -> None:
    found = simulation.seeds(population, 0.3, replicates=3, proteins=36, sets=12, samples=50, seed=3)
    assert found.replicates <= 0.2
    assert found.one_seed > found.replicates


def test_the_corrected_best_is_what_any_of_them_scores(population: Population) -> None:
    found = simulation.selection(population, trials=12, proteins=36, sets=8, samples=40, seed=4)
    assert found.naive > 0.02
    assert abs(found.corrected) < 0.01


def test_the_expected_best_is_exact_where_drawing_again_is_not() -> None:
    values = np.random.default_rng(5).normal(0.4, 0.03, size=10).tolist()
    own, replaced = simulation.best_of_subsets(values)
    assert own < 1e-12
    assert replaced > 1e-3


def test_models_of_a_draw_are_alike_and_agree_more_than_chance(population: Population) -> None:
    sample = population.draw(np.random.default_rng(0), 93, (0.0, 0.0))
    one, other = (
        metric_draws(logit_N, sample.label_N, sample.protein_N, None, samples=0)["auprc"] for logit_N in sample.logit_MN
    )
    assert np.corrcoef(one.left_out_U, other.left_out_U)[0, 1] > 0.5
    assert 0.2 < one.value < 0.7
    assert 0.02 < sample.label_N.mean() < 0.08


def test_a_fit_finds_the_population_that_it_was_drawn_from(population: Population) -> None:
    sample = population.draw(np.random.default_rng(1), 250, (0.0, 0.0))
    again = fitted(sample.logit_MN, sample.label_N, sample.protein_N)
    assert again.effect_E == pytest.approx(population.effect_E, abs=0.15)
    spread = np.sqrt(np.diag(population.shared_EE + population.own_EE))
    assert np.sqrt(np.diag(again.shared_EE + again.own_EE)) == pytest.approx(spread, rel=0.2)
    assert again.agreement_2 == pytest.approx(population.agreement_2, abs=0.05)
    assert len(again.effect_E) == len(EFFECTS)
