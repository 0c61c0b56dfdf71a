"""`plan`: what a sweep would run, and what preflight says of its points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.errors import SweepError
from kag.finding import Severity
from kag.spec import RunSpec, build_spec, load_spec
from kag.sweep import parse_sweep, read_sweep
from kag.sweep.command import TrainCommand, train_command
from kag.sweep.plan import MOST_POINTS, Plan, forked_epochs, plan, sample

ROOT = Path(__file__).parents[2]
BASE = build_spec({"name": "base", "data": {"file": "data.h5"}, "epochs": 20})
ALONE = TrainCommand("spec.yaml")


def planned(parameters: dict[str, Any], base: RunSpec = BASE, command: TrainCommand = ALONE, **words: Any) -> Plan:
    words = {"method": "grid", "metric": {"name": "val/auprc", "goal": "maximize"}, **words}
    return plan(parse_sweep({**words, "parameters": parameters}), base, command)


def test_trials_and_epochs_of_a_grid_are_counted() -> None:
    parameters = {"swa.start": {"values": [10, 14]}, "swa.window": {"values": [2, 6]}, "seed": {"values": [1, 2, 3]}}
    found = planned(parameters)
    assert (found.trials, found.points, found.complete) == (12, 12, True)
    assert found.epochs == 3 * (12 + 16 + 16 + 20)
    capped = planned(parameters, run_cap=5)
    # Keys come in order of their names, so the seed varies slowest.
    assert (capped.trials, capped.epochs) == (5, (12 + 16 + 16 + 20) + 12)


def test_epochs_of_a_search_are_an_upper_bound_or_without_end() -> None:
    endless = planned({"seed": {"min": 1, "max": 9}}, method="random")
    assert (endless.trials, endless.epochs, endless.epochs_forked, endless.complete) == (None, None, None, False)
    capped = planned({"epochs": {"min": 1, "max": 9}}, method="random", run_cap=5)
    assert (capped.trials, capped.epochs) == (5, 45)


def test_forks_of_the_shipped_windows_by_hand() -> None:
    """One trunk of 7 epochs; at 5 and at 7 two learning rates part from it, each for the 5 epochs of its windows."""
    sweep = read_sweep(ROOT / "sweeps" / "swa_window.yaml")
    command = train_command(sweep)
    found = plan(sweep, load_spec(ROOT / command.spec, command.overrides), command)
    assert found.shares
    assert found.epochs == 2 * (6 + 7 + 8 + 9 + 10) + 2 * (8 + 9 + 10 + 11 + 12)
    assert found.epochs_forked == 7 + 2 * 5 + 2 * 5


def test_averaging_judged_by_what_is_delivered_is_warned_of() -> None:
    windows = {"swa.start": {"values": [10, 14]}, "swa.window": {"values": [2, 6]}, "seed": {"value": 3}}
    (tied,) = [one for one in planned(windows).findings if one.code == "metric_ties"]
    assert (tied.severity, tied.points) == (Severity.WARNING, 4)
    assert tied.example.endswith("judge averaging by val_averaged/auprc")
    telling = planned(windows, metric={"name": "val_averaged/auprc", "goal": "maximize"})
    mixed = planned({**windows, "seed": {"values": [1, 2]}})
    fixed = planned({"swa.start": {"value": 10}, "swa.window": {"value": 2}})
    assert "metric_ties" not in {one.code for found in (telling, mixed, fixed) for one in found.findings}


def test_epochs_are_shared_only_where_a_state_is_stored() -> None:
    swa = {"swa.start": {"value": 10}, "swa.window": {"values": [2, 6]}}
    # The window's ends are part points by themselves: the longer window goes on from the shorter one's end.
    assert planned(swa).epochs_forked == 16
    late = {"model.gate.penalty.weight": {"values": [{"start": 0.1, "end": end, "epochs": 8} for end in (0.1, 0.2)]}}
    assert planned(late).epochs_forked == 40
    assert planned(late, command=TrainCommand("s", share="d", part_at=(1,))).epochs_forked == 39


def test_runs_on_other_data_share_nothing() -> None:
    swa = {"swa.start": {"value": 3}, "swa.window": {"values": [1, 6]}}
    assert planned(swa).epochs_forked == 9
    assert planned({**swa, "data.file": {"values": ["a.h5", "b.h5"]}}).epochs_forked == 2 * 9


def test_the_order_of_points_does_not_change_how_much_is_shared() -> None:
    points = [{"swa.start": start, "swa.window": window} for start in (8, 10) for window in (1, 3, 5)]
    specs = [build_spec(BASE.model_dump(mode="json"), point) for point in points]
    cuts = tuple(range(8, 16))
    assert forked_epochs(specs, cuts) == forked_epochs(specs[::-1], cuts) == 10 + 5 + 5


def test_findings_are_summed_up_with_the_number_of_points() -> None:
    found = planned({"swa.start": {"values": [10, 16]}, "swa.window": {"values": [4, 6]}})
    past = next(finding for finding in found.findings if finding.code == "swa_past_end")
    assert (past.severity, past.points) == (Severity.ERROR, 1)
    assert "average epochs 16 to 21" in past.example
    assert len(found.errors) == 1
    assert found.findings[0] == past, "errors come first"


def test_both_ends_of_every_range_are_looked_at() -> None:
    narrow = {"optimizer.schedule.max_lr": {"distribution": "log_uniform_values", "min": 4.0e-5, "max": 1.0e-2}}
    found = planned({**narrow, "model.dropout": {"min": 0.0, "max": 0.5}}, method="random", run_cap=3)
    falling = next(finding for finding in found.findings if finding.code == "one_cycle_falls")
    assert 0 < falling.points < found.points
    points = sample(parse_sweep({"method": "random", "parameters": {**narrow, "seed": {"min": 1, "max": 4}}}))
    rates = [point["optimizer.schedule.max_lr"] for point in points]
    assert (min(rates), max(rates)) == (pytest.approx(4.0e-5), pytest.approx(1.0e-2))
    assert {point["seed"] for point in points} == {1, 2, 3, 4}


def test_points_that_build_no_spec_are_counted_as_an_error() -> None:
    found = planned({"data.batch_size": {"values": [2, 1]}, "seed": {"values": [1, 2]}})
    refused = found.findings[0]
    assert (refused.code, refused.severity, refused.points) == ("no_valid_spec", Severity.ERROR, 2)
    assert "data.batch_size = 1" in refused.example
    assert found.epochs == 40, "of the points that would run"


def test_a_grid_too_large_for_every_point_is_sampled() -> None:
    found = planned({"seed": {"min": 1, "max": MOST_POINTS + 1}})
    assert (found.trials, found.complete, found.epochs_forked) == (MOST_POINTS + 1, False, None)
    assert found.epochs == 20 * (MOST_POINTS + 1)
    assert found.points < 100


def command_of(*words: str) -> TrainCommand:
    return train_command(
        parse_sweep({"method": "grid", "parameters": {"seed": {"value": 1}}, "command": ["kag", "train", *words]})
    )


def test_the_command_is_read_as_kag_train_reads_it() -> None:
    found = command_of("a.yaml", "epochs=5", "--share", "d", "--part-at=2, 4", "--seed=3", "--runs", "r", "${args}")
    assert found == TrainCommand("a.yaml", ("epochs=5", "--seed=3"), "d", (2, 4))


@pytest.mark.parametrize(
    "words", [("epochs=5",), ("a.yaml", "b.yaml"), ("a.yaml", "--share", "d", "--part-at", "2,late")]
)
def test_a_command_that_kag_train_would_not_take_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SweepError):
        command_of(*words)
