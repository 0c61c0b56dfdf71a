"""Which number a run is judged by."""

from __future__ import annotations

import math

from kag.view.results import headline
from tests.changelog.run_logs import run_record, run_result


def test_only_delivered_results_count() -> None:
    found = (run_result("val", 0.3), run_result("val", 0.9, delivered=False), run_result("test", 0.8, delivered=False))
    record = run_record(results=found)
    assert headline(record, "val") == found[0]
    assert headline(record, "test") is None
    assert headline(record, "val", "iou") is None


def test_any_result_counts_where_nobody_knows_which_weights_were_delivered() -> None:
    found = run_result("val", 0.9, delivered=False)
    assert headline(run_record(results=(found,)), "val") == found


def test_a_number_that_is_none_is_no_headline() -> None:
    assert headline(run_record(results=(run_result("val", math.nan),)), "val") is None
