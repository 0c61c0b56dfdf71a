"""Numbers of runs side by side: which is the best of a row, and how far each is from the base."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kag.server.page.compare_rows import Number, side_by_side_rows
from kag.track.record import RunRecord, Status
from kag.track.result import Result
from kag.view.colour import COLOURS, colour_of, colours_of


def record(name: str, data: str = "d" * 64, **numbers: float) -> RunRecord:
    common: dict[str, Any] = {"split": "val", "weights": "averaged", "delivered": True, "data_digest": data}
    results = tuple(Result.model_validate({**common, "metric": key, "value": one}) for key, one in numbers.items())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return RunRecord(
        id=name, name=name, status=Status.FINISHED, start=start, data_digest=data, results=results, found={}
    )


def numbers_of(*records: RunRecord) -> dict[str, tuple[Number, ...]]:
    return {row.key: row.numbers for row in side_by_side_rows(records, (), {})}


def test_the_best_is_marked_by_the_goal_of_its_row_and_others_differ_from_the_base() -> None:
    found = numbers_of(record("a", auprc=0.4, bce=0.5), record("b", auprc=0.45, bce=0.25), record("c", bce=0.75))
    assert found["val/auprc"] == (Number("0.400"), Number("0.450", "+0.050", best=True), Number("-"))
    assert found["val/bce"][1:] == (Number("0.25", "-0.25", best=True), Number("0.75", "+0.25"))


def test_equal_numbers_have_no_best_and_other_data_no_difference() -> None:
    assert not any(one.best for one in numbers_of(record("a", auprc=0.4), record("b", auprc=0.4))["val/auprc"])
    apart = numbers_of(record("a", auprc=0.4), record("b", "e" * 64, auprc=0.5))["val/auprc"]
    assert apart == (Number("0.400"), Number("0.500"))


def test_a_colour_is_a_runs_own_and_of_runs_that_share_it_all_but_the_first_are_told_apart() -> None:
    names = [f"run{number}" for number in range(60)]
    found = colours_of(names)
    assert [place % COLOURS for place in found] == [colour_of(name) for name in names]
    assert len(set(found)) == len(names)
    assert colours_of(names[30:])[0] == colour_of(names[30])
