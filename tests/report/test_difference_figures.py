"""Pictures of a difference: the numbers of the test, and the proteins behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kag.compare.comparison import Comparison, compare
from kag.compare.groups import compare_groups
from kag.compare.paired import ProfileOf, Unpaired, of_scores, profiles_of, read_once
from kag.compare.replicates import Replicates, replicates
from kag.names import Part
from kag.report.compare import compare_figures
from kag.report.difference_figures import REASONS, headline_pictures, pair_pictures
from kag.report.differences import Scored, differences_of, seeds_overlaid
from kag.report.figure import Dots, Forest
from kag.stats.metrics import auprc, curve
from kag.stats.scores import Scores
from tests.changelog.run_logs import run_record
from tests.scored_runs import ScoredRun, proteins_of, scored_runs
from tests.stats.test_profile import average_precision

BASE, WIDE = scored_runs()[:3], scored_runs()[3:]
Kept = Mapping[tuple[str, Part], Scores]


def kept(*runs: ScoredRun) -> dict[tuple[str, Part], Scores]:
    return {(run.record.id, one.split): one for run in runs for one in run.scores}


def scored(found: Kept) -> Scored:
    scores_of = lambda run, split: found.get((run, split))  # noqa: E731
    return Scored(read_once(of_scores(scores_of)), read_once(profiles_of(scores_of)))


ALL = kept(*scored_runs())
BOTH = scored(ALL)


def pair(found: Kept = ALL) -> tuple[Comparison, ProfileOf]:
    scores = scored(found)
    return compare(BASE[0].record, WIDE[0].record, scores.drawn), scores.profiled


def test_a_forest_has_a_line_for_every_difference_that_was_tested() -> None:
    compared, profiled = pair()
    forest = pair_pictures(compared, profiled, ("base", "wide")).figures[0]
    assert isinstance(forest, Forest)
    assert forest.title == "Paired difference of wide from base"
    labels = [row.label for row in forest.rows]
    assert labels[:3] == ["val AUPRC", "val/auprc_per_protein", "val/auroc"]
    assert labels.index("test AUPRC") == len(labels) / 2
    for split in ("val", "test"):
        tests = compared.tested(split)  # type: ignore[arg-type]
        assert not isinstance(tests, Unpaired)
        for metric, tested in tests.items():
            row = forest.rows[labels.index(f"{split} AUPRC" if metric == "auprc" else f"{split}/{metric}")]
            assert tested.interval is not None
            assert (row.value, row.low, row.high) == pytest.approx(
                (tested.value, tested.interval.low, tested.interval.high), abs=1e-6
            )
            assert row.apart is tested.told_apart
    assert forest.notes == ("of bce less is better",)


def test_a_dot_is_the_auprc_of_a_protein_by_both_runs() -> None:
    compared, profiled = pair()
    dots = pair_pictures(compared, profiled).figures[1]
    assert isinstance(dots, Dots)
    (part,) = dots.parts
    names = [told.partition(":")[0] for told in part.told]
    assert names == list(proteins_of("val")[:-1])
    for values, run in ((part.x, BASE[0]), (part.y, WIDE[0])):
        scores = run.scores[0]
        assert scores.label_N is not None
        for place, value in enumerate(values):
            own_N = scores.group_N == place
            assert value == pytest.approx(average_precision(scores.value_N[own_N], scores.label_N[own_N]), abs=1e-6)
    losses = sorted((y - x, name) for x, y, name in zip(part.x, part.y, names, strict=True) if y < x)
    assert [name for _, name in part.named] == [name for _, name in losses][:5]
    assert "v00" in [name for _, name in part.named]
    assert dots.notes[-1] == "1 of 12 proteins has no positive, so no AUPRC"
    assert dots.notes[1].startswith(f"lost most: {losses[0][1]} -")
    assert (dots.x_label, dots.y_label) == (BASE[0].record.id, WIDE[0].record.id)


def test_what_is_unpaired_is_said_and_the_other_split_is_drawn() -> None:
    compared, profiled = pair({key: one for key, one in ALL.items() if key != (WIDE[0].record.id, "val")})
    found = pair_pictures(compared, profiled)
    assert [figure.name for figure in found.figures] == ["scores-difference", "scores-proteins-test"]
    forest = found.figures[0]
    assert isinstance(forest, Forest)
    assert {row.label.split("/")[0].split()[0] for row in forest.rows} == {"test"}
    assert forest.notes[0] == f"unpaired, val: {WIDE[0].record.id} kept no scores of val"
    neither = pair_pictures(*pair({}))
    assert neither.figures == ()
    assert len(neither.said) == 2


def without(changed: dict[str, Any], *, both: bool = True) -> Kept:
    """Scores with something else in them."""
    ids = {run.record.id for run in ((*BASE, *WIDE) if both else WIDE)}
    return {key: replace(one, **changed) if key[0] in ids else one for key, one in ALL.items()}


def test_proteins_without_names_or_positives_are_said() -> None:
    nameless = pair_pictures(*pair(without({"groups": None})))
    assert "the scores of val name no proteins: none can be drawn by itself" in nameless.said
    empty = pair_pictures(*pair(without({"label_N": np.zeros(720, dtype=bool)})))
    assert "no protein of val has a positive: none has an AUPRC" in empty.said
    assert [figure.name for figure in nameless.figures] == ["scores-difference"]


def test_scores_that_change_between_two_looks_are_not_mixed() -> None:
    compared, _ = pair()
    later = scored(without({"group_N": np.zeros(720, dtype=np.int64), "groups": ("one",)}, both=False))
    found = pair_pictures(compared, later.profiled)
    assert f"the scores of {BASE[0].record.id} or {WIDE[0].record.id} on val have changed meanwhile" in found.said


def test_the_same_weights_cannot_differ() -> None:
    found = pair_pictures(compare(BASE[0].record, BASE[0].record, BOTH.drawn), BOTH.profiled, ("a", "b"))
    assert found == ((), ("a and b hand on the same weights: nothing can differ",))


def groups_of(*runs: ScoredRun) -> tuple[Replicates, ...]:
    return replicates([run.record for run in runs])


def test_a_group_counts_by_the_mean_of_its_seeds() -> None:
    base, wide = groups_of(*scored_runs())
    found = differences_of((base, wide), BOTH)
    forest, dots, _ = found.figures
    assert isinstance(forest, Forest)
    assert isinstance(dots, Dots)
    assert forest.title == "Paired difference of wide-0 (2 of 3 seeds) from base-0 (3 seeds)"
    tested = compare_groups(base, wide, BOTH.drawn).test("val")
    assert not isinstance(tested, Unpaired)
    assert tested.over_seeds
    assert forest.rows[0].value == pytest.approx(tested.value, abs=1e-6)
    own = [_auprc(run.scores[0], 0) for run in BASE]
    assert dots.parts[0].x[0] == pytest.approx(float(np.mean(own)), abs=1e-6)
    assert dots.parts[0].y[0] == pytest.approx(float(np.mean([_auprc(run.scores[0], 0) for run in WIDE[:2]])), abs=1e-6)


def _auprc(scores: Scores, group: int) -> float:
    assert scores.label_N is not None
    own_N = scores.group_N == group
    found = auprc(curve(scores.value_N[own_N], scores.label_N[own_N]))
    assert found is not None
    return found


def test_more_than_two_are_each_tested_against_the_first() -> None:
    alone = [Replicates((run.record,)) for run in (BASE[0], BASE[1], WIDE[0], WIDE[2])]
    found = differences_of(alone, BOTH)
    (forest,) = found.figures
    assert isinstance(forest, Forest)
    assert [row.label for row in forest.rows] == [
        f"{name}, {split} AUPRC" for split in ("val", "test") for name in ("base-1", "wide-0")
    ]
    assert forest.notes[0] == f"unpaired, wide-2 on val: {WIDE[2].record.id} has no number on val"


def test_of_many_reasons_the_first_are_told() -> None:
    records = [run_record(day, f"r{day}", val=0.3, data_digest="d" * 64, config={"epochs": day}) for day in range(8)]
    against = [(one.name, compare(records[0], one, scored({}).drawn)) for one in records[1:]]
    found = headline_pictures(against, "r0")
    assert found.figures == ()
    assert len(found.said) <= REASONS + 1
    assert "and 4 more: " in found.said[0]


def test_curves_of_groups_are_bands_of_the_seeds_that_ended_well() -> None:
    rows: dict[str, Sequence[Mapping[str, float]]] = {run.record.id: run.rows for run in scored_runs()}
    chart = seeds_overlaid(groups_of(*scored_runs()), rows, compare_figures)[0]
    assert [line.label for line in chart.lines] == ["base-0, mean of 3", "wide-0, mean of 2"]
    key = "val/auprc"
    values = [run.rows[4][key] for run in BASE]
    assert chart.lines[0].y[4] == pytest.approx(float(np.mean(values)))
    assert chart.bands[0].high[4] - chart.lines[0].y[4] == pytest.approx(float(np.std(values, ddof=1)))
    alone = seeds_overlaid([Replicates((run.record,)) for run in BASE], rows, compare_figures)[0]
    assert alone.bands == ()
    assert [line.label for line in alone.lines] == ["base-0", "base-1", "base-2"]
