"""The row of several seeds: which of them have no number is said by name."""

from __future__ import annotations

import pytest

from kag.compare.replicates import replicates
from kag.compare.spreads import chosen_of, grouped_among, spreads_table, without_text
from kag.view.tables import Cell
from tests.compare.test_groups import BASE, WIDE, seeds

RECORDS = [*seeds(BASE), *seeds((WIDE[0], None, WIDE[2]), {"epochs": 9}, day=5)]


def test_a_row_has_mean_deviation_range_and_the_seed_that_is_missing() -> None:
    spreads = grouped_among(RECORDS, RECORDS, {})
    table = spreads_table(spreads)
    assert table.columns == ("run", "seeds", "n", "metric", "mean", "sd", "min", "max")
    assert [cell.text for cell in table.rows[0][1:]] == [
        "0, 1, 2",
        "3",
        "val AUPRC",
        "0.310",
        "0.010",
        "0.300",
        "0.320",
    ]
    assert table.rows[1][2] == Cell("2 of 3", under="without seed 1")
    assert [cell.text for cell in table.rows[1][4:]] == ["0.405", "0.007", "0.400", "0.410"]
    assert spreads.several == list(spreads.found)


def test_a_group_has_the_runs_that_were_asked_for_in_the_place_of_the_first_or_the_newest() -> None:
    shown = [RECORDS[2], RECORDS[5], RECORDS[0]]
    first, newest = (chosen_of(replicates(RECORDS), shown, newest=newest) for newest in (False, True))
    assert [[run.id for run in group.runs] for group in first] == [[RECORDS[0].id, RECORDS[2].id], [RECORDS[5].id]]
    assert [group.runs[0].id for group in newest] == [RECORDS[5].id, RECORDS[0].id]


@pytest.mark.parametrize(
    ("missing", "told"),
    [((), ""), (("2",), "without seed 2"), (tuple("01234567"), "without seeds 0, 1, 2, 3, 4, 5 and 2 more")],
)
def test_missing_seeds_are_named(missing: tuple[str, ...], told: str) -> None:
    assert without_text(missing) == told
