"""What the change log says of other programs' runs that kept what they scored: tested, as of kag's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from kag.changelog.collect import collect
from kag.changelog.diagnose import diagnose
from kag.changelog.siblings import Siblings
from kag.names import Part
from kag.stats.scores import Scores
from tests.changelog.foreign_logs import ForeignSource, Rows, run, steps


@dataclass
class ScoredSource(ForeignSource):
    """Runs that kept what they scored on val."""

    kept: dict[str, Scores] = field(default_factory=dict)

    def scores(self, run_id: str, split: Part) -> Scores | None:  # type: ignore[override]
        return self.kept.get(run_id) if split == "val" else None


GENERATOR = np.random.default_rng(5)
GROUP = np.repeat(np.arange(40), 10)
LABEL = GENERATOR.random(400) < 0.4
NOISE = GENERATOR.normal(size=(4, 400))


def scored(signal: float, noise: int = 0) -> Scores:
    """Probabilities; the stronger the signal, the better they are."""
    score = 1 / (1 + np.exp(-(signal * (2.0 * LABEL - 1.0) + NOISE[noise])))
    return Scores("val", score, LABEL, GROUP, tuple(f"g{group:02}" for group in range(40)), 0.5)


def accuracy(scores: Scores) -> float:
    return scores.draws["accuracy"].value


def log_of(*runs: tuple[tuple[Any, Rows], Scores | None], asked: tuple[str, ...] = ()) -> Siblings:
    """The runs of a program, each with its scores."""
    kept = {record.id: scores for (record, _), scores in runs if scores is not None}
    return collect(ScoredSource([one for one, _ in runs], kept=kept), asked=asked)


def found(log: Siblings, name: str) -> dict[str, str]:
    entry = next(one for one in log.entries if one.record.name == name)
    return {finding.code: finding.sentence for finding in diagnose(entry, log)}


def told(number: int, name: str, scores: Scores, **config: Any) -> tuple[tuple[Any, Rows], Scores]:
    rows = steps(val__accuracy=[0.5, accuracy(scores)])
    return run(number, name, rows, config={"lr": 0.1, "seed": 1, **config}), scores


BASE, BETTER, LIKE = scored(0.5), scored(1.5), scored(0.52, noise=1)


def test_what_a_test_tells_apart_is_best_to_date_and_what_it_does_not_is_said() -> None:
    log = log_of(told(0, "base", BASE), told(1, "wide", BETTER, width=8), told(2, "slow", BASE, lr=0.01))
    wide = found(log, "wide")
    assert wide["told_apart"].startswith("val/accuracy +0.")
    assert wide["told_apart"].endswith("] against the run before")
    assert wide["best_to_date"].startswith("best val/accuracy to date: +0.")
    assert not {"not_distinguishable", "highest_so_far"} & wide.keys()
    assert log.best_to_date(log.entries[1])
    assert "told_apart" in found(log, "slow")
    assert "-0." in found(log, "slow")["told_apart"]
    same = log_of(told(0, "base", BASE), told(1, "like", LIKE, lr=0.01))
    like = found(same, "like")
    assert like["not_distinguishable"].endswith("against the run before: not distinguishable")
    assert not {"told_apart", "best_to_date"} & like.keys()
    assert not same.best_to_date(same.entries[1])


def test_without_scores_nothing_is_tested_and_nothing_said_of_a_test() -> None:
    log = log_of(told(0, "base", BASE), (told(1, "wide", BETTER, width=8)[0], None))
    assert not {"told_apart", "not_distinguishable", "best_to_date"} & found(log, "wide").keys()
    assert found(log, "wide")["highest_so_far"].endswith("not tested")


def test_a_metric_that_scores_do_not_tell_leaves_auprc_to_be_tested() -> None:
    """A program counts its reward, and brings the scores of its classifier."""
    runs = [
        (run(number, name, steps(reward=[0.0, 1.0 + number]), config={"lr": number}), scores)
        for number, (name, scores) in enumerate([("base", BASE), ("wide", BETTER)])
    ]
    log = log_of(*runs)
    wide = found(log, "wide")
    assert wide["told_apart"].startswith("val AUPRC +0.")
    assert wide["highest_so_far"].endswith("not tested"), "of the reward nothing is known example by example"


def test_losses_are_tested_by_their_mean() -> None:
    def lost(number: int, name: str, mean: float) -> tuple[tuple[Any, Rows], Scores]:
        loss = mean + 0.1 * NOISE[0]
        found = Scores("val", loss, None, GROUP, tuple(f"g{group:02}" for group in range(40)), None)
        return run(number, name, steps(val__loss=[2.0, float(loss.mean())]), config={"lr": number}), found

    low = found(log_of(lost(0, "base", 1.0), lost(1, "low", 0.7)), "low")
    assert low["told_apart"].startswith("val/loss -0.3")
    assert low["best_to_date"].startswith("best val/loss to date: -0.3")


def test_scores_of_another_moment_than_the_number_make_no_best() -> None:
    """The program logs the best epoch, and keeps the scores of the last one, in which it had collapsed."""
    high = run(1, "high", steps(val__accuracy=[0.99, 0.5]), config={"lr": 1.0, "seed": 1})
    log = log_of(told(0, "base", BETTER), (high, BASE))
    wrong = found(log, "high")
    assert "best_to_date" not in wrong
    assert wrong["highest_so_far"].endswith("], by the scores that both kept")
    assert wrong["told_apart"].startswith("val/accuracy -0.")


def test_many_runs_against_one_are_a_family() -> None:
    first = told(0, "base", BASE)
    others = [told(n, f"r{n}", scored(0.55, noise=n % 4), lr=n / 10) for n in range(2, 6)]
    parent = {"parent": first[0][0].id}
    log = log_of(first, *(((record.model_copy(update=parent), rows), kept) for (record, rows), kept in others))
    said = found(log, "r5")["not_distinguishable"]
    assert said.endswith("against the parent, Holm over 4 runs of this parent: not distinguishable")


def test_other_groups_make_no_pair() -> None:
    other = Scores("val", BETTER.value_N, LABEL, GROUP[::-1], BASE.groups, 0.5)
    assert "told_apart" not in found(log_of(told(0, "base", BASE), told(1, "wide", other, width=8)), "wide")


@pytest.mark.parametrize("name", ["seed", "random_state"])
def test_a_seed_alone_is_no_best_to_date(name: str) -> None:
    one, two = (told(n, f"s{n}", scores, **{name: n + 5}) for n, scores in enumerate((BASE, BETTER)))
    second = found(log_of(one, two), "s1")
    assert not {"best_to_date", "seed_differs"} & second.keys(), "they are one row"
