from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kag import names
from kag.report.figure import Chart, Mark, Span, as_json
from kag.report.run_figures import run_figures, window_span
from kag.report.series import by_epoch
from tests.changelog.run_logs import run_record

SWA = {"swa.start": 2, "swa.window": 3}


def row(epoch: float, **values: float) -> dict[str, float]:
    return {names.EPOCH: epoch, **values}


def figures(rows: list[dict[str, float]], **fields: Any) -> dict[str, Chart]:
    return {figure.name: figure for figure in run_figures(run_record(**fields), rows)}


def test_raw_and_averaged_auprc_with_best_epoch_and_window() -> None:
    averaged = names.averaged(names.OBJECTIVE)
    rows = [row(0.0, **{names.OBJECTIVE: 0.1}), row(1.0, **{names.OBJECTIVE: 0.3, averaged: 0.4})]
    chart = figures(rows, config=SWA, best_epoch=1)["auprc"]
    raw, mean = chart.lines
    assert (raw.label, raw.x, raw.y) == ("raw", (0, 1), (0.1, 0.3))
    assert mean.label == "averaged"
    assert math.isnan(mean.y[0])
    assert mean.y[1] == 0.4
    assert chart.marks == (Mark(1, "best epoch 1"),)
    assert chart.spans == (Span(1.5, 4.5, "SWA 2 to 4"),)
    assert chart.axis == "epoch"


def test_a_gap_is_null_in_json() -> None:
    rows = [row(0, **{names.LR: 0.1}), row(1), row(2, **{names.LR: math.inf})]
    assert as_json(figures(rows)["lr"])["lines"][0]["y"] == [0.1, None, None]


def test_what_was_not_logged_is_left_out() -> None:
    assert figures([]) == {}
    assert list(figures([row(0, **{names.LR: 0.1, names.ALPHA_MEAN: math.nan})])) == ["lr"]


def test_alpha_has_its_band_its_centre_and_the_target() -> None:
    values = {names.ALPHA_P05: 0.2, names.ALPHA_P50: 0.5, names.ALPHA_P95: 0.9, names.ALPHA_MEAN: 0.55}
    chart = figures([row(0, **values), row(1, **values)], config={"model.gate.penalty.target": 0.6})["alpha"]
    (band,) = chart.bands
    assert (band.low, band.high) == ((0.2, 0.2), (0.9, 0.9))
    assert {line.label: line.y for line in chart.lines} == {
        "median": (0.5, 0.5),
        "mean": (0.55, 0.55),
        "penalty target": (0.6, 0.6),
    }


def test_entropy_has_a_line_for_each_layer_in_their_order() -> None:
    values = {names.entropy_layer(i): i / 20 for i in (10, 2, 0)} | {names.ENTROPY: 0.3, names.entropy_head(0): 0.4}
    lines = figures([row(0, **values)])["entropy"].lines
    assert [line.label for line in lines] == ["layer 0", "layer 2", "layer 10", "mean"]
    only = figures([row(0, **{names.entropy_layer(0): 0.5, names.ENTROPY: 0.5})])["entropy"].lines
    assert [line.label for line in only] == ["layer 0"]


def test_a_window_of_one_epoch_has_width() -> None:
    assert window_span({"swa.start": 4, "swa.window": 1}) == (Span(3.5, 4.5, "SWA 4"),)
    assert window_span({"swa": None}) == ()


def test_a_run_that_logged_everything_has_every_chart() -> None:
    split_keys = [names.evaluation("val", metric) for metric in names.METRICS]
    keys = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)]
    found = figures([dict.fromkeys([*keys, *split_keys], 0.5)])
    assert list(found) == ["auprc", "losses", "bce", "loss_parts", "alpha", "entropy", "schedules", "lr"]
    assert len(found["schedules"].lines) == 4
    assert len({figure.title for figure in found.values()}) == len(found)


EPOCHS = st.one_of(st.integers(0, 6).map(float), st.just(math.nan))


@given(st.lists(st.tuples(EPOCHS, st.dictionaries(st.sampled_from(["lr", "val/auprc"]), st.floats(0, 1)))))
def test_rows_become_one_an_epoch_with_the_last_value_of_each_key(
    written: list[tuple[float, dict[str, float]]],
) -> None:
    rows = [{names.EPOCH: epoch, **values} for epoch, values in written]
    found = by_epoch(rows)
    epochs = [one[names.EPOCH] for one in found]
    assert epochs == sorted({epoch for epoch, _ in written if not math.isnan(epoch)})
    for one in found:
        expected: dict[str, float] = {}
        for epoch, values in written:
            expected |= values if epoch == one[names.EPOCH] else {}
        assert one == {names.EPOCH: one[names.EPOCH], **expected}
