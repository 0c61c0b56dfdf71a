from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.report.figure import Axis, Bars, Chart, Figure, Heatmap, Parallel
from kag.report.reading import values_of_trials
from kag.report.sections import report_of_sweep
from kag.report.sweep_figures import sweep_figures
from kag.report.sweep_records import search_of, trials_table
from kag.sweep import Sweep, Trial, TrialState
from kag.track.record import RunRecord
from tests.changelog.foreign_logs import ForeignSource, foreign, steps
from tests.changelog.run_logs import run_record, run_result


def sweep(parameters: dict[str, Any], goal: str = "maximize") -> Sweep:
    metric = {"name": "val/auprc", "goal": goal}
    return Sweep.model_validate({"method": "random", "metric": metric, "parameters": parameters})


def trial(number: int, value: float | None, state: TrialState = TrialState.FINISHED, **params: Any) -> Trial:
    given = {key.replace("__", "."): word for key, word in params.items()}
    return Trial(id=number, params=given, state=state, value=value)


def named(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


WINDOWS = sweep({"swa.start": {"values": [4, 6]}, "swa.window": {"values": [1, 2]}, "swa.lr": {"values": [0.1, 0.2]}})


def window_trial(number: int, start: int, window: int, lr: float, value: float | None) -> Trial:
    return trial(number, value, swa__start=start, swa__window=window, swa__lr=lr)


def test_the_map_of_start_and_window_shows_the_best_of_each_cell() -> None:
    trials = [window_trial(0, 6, 2, 0.1, 0.3), window_trial(1, 6, 2, 0.2, 0.5), window_trial(2, 4, 1, 0.1, 0.4)]
    found = named(sweep_figures(WINDOWS, [*trials, window_trial(3, 4, 2, 0.1, None)]))["windows"]
    assert isinstance(found, Heatmap)
    assert (found.x, found.y) == (("4", "6"), ("1", "2"))
    assert found.marked == (1, 1)
    assert found.values[1][1] == 0.5
    assert found.values[0][0] == 0.4
    assert math.isnan(found.values[0][1])
    assert found.value_label == "best val/auprc"


def test_a_search_over_seeds_chooses_among_settings() -> None:
    """Two settings with two seeds each, and one with a seed: the curve is of three means."""
    space = sweep({"seed": {"values": [0, 1]}, "swa.lr": {"values": [0.1, 0.2, 0.3]}})
    values = {(0, 0.1): 0.1, (1, 0.1): 0.5, (0, 0.2): 0.4, (1, 0.2): 0.4, (0, 0.3): 0.2}
    trials = [trial(n, value, seed=seed, swa__lr=lr) for n, ((seed, lr), value) in enumerate(values.items())]
    found = named(sweep_figures(space, trials))["expected"]
    assert isinstance(found, Chart)
    assert (found.title, list(found.lines[0].x)) == ("Expected best of n settings", [1, 2, 3])
    assert found.lines[0].y == pytest.approx([0.9 / 3, (0.4 + 0.4 + 0.3) / 3, 0.4])
    seeds_alone = sweep({"seed": {"values": [0, 1]}})
    assert "expected" not in named(sweep_figures(seeds_alone, [trial(n, 0.1 * n, seed=n) for n in range(2)]))


def test_the_best_is_the_lowest_where_the_goal_says_so() -> None:
    space = {"swa.start": {"values": [4, 6]}, "swa.window": {"values": [1, 2]}}
    trials = [trial(0, 0.3, swa__start=4, swa__window=1), trial(1, 0.2, swa__start=6, swa__window=1)]
    found = named(sweep_figures(sweep(space, "minimize"), trials))
    assert isinstance(found["windows"], Heatmap)
    assert found["windows"].marked == (0, 1)
    assert isinstance(found["trials"], Chart)
    assert found["trials"].lines[0].y == [0.3, 0.2]
    assert found["trials"].marks[0].x == 1


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_running_best_never_falls(values: list[float | None]) -> None:
    trials = [trial(number, value, seed=number) for number, value in enumerate(values)]
    space = sweep({"seed": {"values": list(range(12))}})
    known = [value for value in values if value is not None]
    found = named(sweep_figures(space, trials[::-1]))
    if not known:
        assert found == {}
        return
    chart = found["trials"]
    assert isinstance(chart, Chart)
    best, dots = chart.lines[0], chart.lines[1]
    assert list(dots.y) == known
    assert dots.points
    assert list(best.y) == [max(known[: count + 1]) for count in range(len(known))]
    assert chart.marks[0].x == values.index(max(known))


def test_parallel_axes_are_numbers_logarithms_or_words() -> None:
    space = sweep(
        {
            "optimizer.lr": {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1},
            "model.dropout": {"min": 0.0, "max": 0.5},
            "loss.pos_weight": {"values": ["auto", 10.0, {"start": 50.0, "end": 20.0, "epochs": 15}]},
            "seed": {"value": 1},
        }
    )
    ramp = {"start": 50.0, "end": 20.0, "epochs": 15}
    trials = [
        trial(0, 0.5, optimizer__lr=0.01, model__dropout=0.1, loss__pos_weight=ramp, seed=1),
        trial(1, 0.4, optimizer__lr=0.001, model__dropout=0.2, loss__pos_weight="auto", seed=1),
    ]
    found = named(sweep_figures(space, trials))["parallel"]
    assert isinstance(found, Parallel)
    words = ("auto", "10.0", "50.0 to 20.0 in 15")
    assert found.axes == (
        Axis("loss.pos_weight", words=words),
        Axis("model.dropout"),
        Axis("optimizer.lr", logarithmic=True),
        Axis("val/auprc"),
    )
    assert found.rows == ((0, 0.2, 0.001, 0.4), (2, 0.1, 0.01, 0.5))
    assert found.labels == ("trial 1", "trial 0")


def test_importance_names_the_parameter_that_matters() -> None:
    space = sweep({"model.dropout": {"min": 0.0, "max": 1.0}, "seed": {"min": 0.0, "max": 1.0}})
    points = [(i / 31, (i * 7 % 32) / 31) for i in range(32)]
    trials = [trial(n, dropout, model__dropout=dropout, seed=other) for n, (dropout, other) in enumerate(points)]
    found = named(sweep_figures(space, trials))["importance"]
    assert isinstance(found, Bars)
    assert found.labels == ("model.dropout", "seed")
    assert found.values[0] > 2 * found.values[1]


def test_a_trial_stopped_early_stands_apart_and_is_never_the_best() -> None:
    space = sweep({"seed": {"values": [1, 2]}})
    trials = [trial(0, 0.5, seed=1), trial(1, 0.9, TrialState.STOPPED, seed=2)]
    chart = named(sweep_figures(space, trials))["trials"]
    assert isinstance(chart, Chart)
    assert {line.label: list(line.x) for line in chart.lines} == {
        "best so far": [0],
        "finished": [0],
        "running, stopped or failed": [1],
    }
    assert [mark.x for mark in chart.marks] == [0]


def record(number: int, value: float | None, **spec: Any) -> RunRecord:
    given = {key.replace("__", "."): word for key, word in spec.items()}
    results = () if value is None else (run_result("val", value),)
    return run_record(number, f"t{number}", config={"name": f"t{number}", "epochs": 3, **given}, results=results)


def test_a_sweep_is_read_off_its_records() -> None:
    starts = [record(n, n / 10, swa__start=n % 2, swa__window=n // 2, optimizer__lr=10.0**-n) for n in range(4)]
    found = search_of(starts)
    space, trials = found.sweep, found.trials
    assert space is not None
    assert list(found.results) == [starts[n].id for n in (3, 2, 1, 0)]
    assert sorted(space.leaves()) == ["optimizer.lr", "swa.start", "swa.window"]
    assert [one.result for one in trials] == [0.0, 0.1, 0.2, 0.3]
    figures = named(sweep_figures(space, trials))
    parallel = figures["parallel"]
    assert isinstance(parallel, Parallel)
    assert [axis.logarithmic for axis in parallel.axes] == [True, False, False, False]
    assert isinstance(figures["windows"], Heatmap)
    assert figures["windows"].marked == (1, 1)


def test_a_search_for_the_window_alone_is_judged_by_the_averages() -> None:
    def averaging(number: int, window: int, value: float | None) -> RunRecord:
        found = record(number, 0.5, swa__start=2, swa__window=window)
        averages = () if value is None else (run_result("val", value, weights="averaged", delivered=False),)
        recomputed = run_result("val", 0.9, weights="averaged_recomputed", delivered=False)
        return found.model_copy(update={"results": (*found.results, *averages, recomputed)})

    found = search_of([averaging(0, 1, 0.3), averaging(1, 2, 0.4), averaging(2, 3, None)])
    assert found.judged_by == "averaged"
    assert found.sweep is not None
    assert found.sweep.metric is not None
    assert found.sweep.metric.name == "val_averaged/auprc"
    assert [one.result for one in found.trials] == [0.3, 0.4, None]
    assert [result.value for result in found.results.values()] == [0.4, 0.3]
    without = search_of([averaging(0, 1, None), averaging(1, 2, None)])
    assert (without.judged_by, [one.result for one in without.trials]) == ("delivered", [0.5, 0.5])


def test_many_numbers_make_a_range_and_a_missing_section_a_word() -> None:
    drawn = [record(n, 0.1 * n, optimizer__lr=10.0 ** (-n / 3), swa=None) for n in range(12)]
    found = search_of([*drawn, record(12, 0.5, optimizer__lr=0.5, swa__start=2, swa__window=3)])
    space, trials = found.sweep, found.trials
    assert space is not None
    assert getattr(space.leaves()["optimizer.lr"], "distribution", "") == "log_uniform_values"
    assert space.leaves()["swa.start"].levels() == (2, None)
    figures = named(sweep_figures(space, trials))
    parallel = figures["parallel"]
    assert isinstance(parallel, Parallel)
    assert parallel.axes[1] == Axis("swa.start", words=("2", "none"))
    assert isinstance(figures["windows"], Heatmap)
    assert figures["windows"].values == ((0.5,),)


def test_runs_that_do_not_differ_are_no_search() -> None:
    assert search_of([record(0, 0.1), record(1, 0.2)]).sweep is None


def trials(*values: float, **fields: Any) -> tuple[list[RunRecord], dict[str, Any]]:
    """Trials of another program, and what stands for them, by the metrics that count among them."""
    rows = [steps(val__accuracy=[value], loss=[1 - value]) for value in values]
    made = [
        foreign(n, f"t{n}", rows[n], config={"lr": 10.0**-n}, sweep="s1", wandb_id=f"w{n}", **fields)
        for n in range(len(values))
    ]
    source = ForeignSource(list(zip(made, rows, strict=True)))
    return made, values_of_trials(source, made)


@pytest.mark.parametrize(("goal", "order"), [("min", ["t0", "t1"]), ("max", ["t1", "t0"])])
def test_another_programs_sweep_is_judged_by_its_own_metric_and_goal(goal: str, order: list[str]) -> None:
    declared = [{"metric": "loss", "goal": goal, "summary": None, "by": "sweep"}]
    records, values = trials(0.75, 0.5, declared=declared)
    found = search_of(records, values)
    assert found.sweep is not None
    assert found.sweep.metric is not None
    wanted = {"min": "minimize", "max": "maximize"}[goal]
    assert (found.sweep.metric.name, found.sweep.metric.goal) == ("loss", wanted)
    assert [run.rpartition("_")[2] for run in found.values] == order
    assert [one.result for one in found.trials] == [0.25, 0.5]
    table = trials_table(records, found)
    assert table.columns[-1] == f"loss ({'lowest' if goal == 'min' else 'highest'})"
    assert [row[-1].text for row in table.rows] == (["0.25", "0.5"] if goal == "min" else ["0.5", "0.25"])
    overview = report_of_sweep("s1", records, [], records, values).comparisons[0]
    assert overview.summary.endswith("(the metric of its sweep).")
    assert "AUPRC" not in overview.summary


def test_of_a_sweep_without_a_goal_nothing_is_called_best() -> None:
    records = [foreign(n, f"t{n}", config={"lr": float(n)}, sweep="s1") for n in range(2)]
    found = search_of(records, {record.id: {} for record in records})
    assert (found.metric, found.values, found.results) == (None, {}, {})
    assert found.sweep is not None, "they differ in a setting"
    assert trials_table(records, found).columns == ("run", "status", "lr")
    overview = report_of_sweep("s1", records, [], records, {}).comparisons[0]
    assert overview.summary.endswith("judged by nothing: of no metric is it known which value is better.")
