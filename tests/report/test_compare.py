from __future__ import annotations

from kag import names
from kag.report.compare import compare_figures
from kag.view.changes import Setting, differing_settings
from kag.view.words import labels
from tests.changelog.run_logs import run_record

AVERAGED = names.averaged(names.OBJECTIVE)


def test_each_run_has_one_colour_in_all_charts() -> None:
    histories = {
        "a": [{names.EPOCH: 0.0, names.OBJECTIVE: 0.1}],
        "b": [{names.EPOCH: 0.0, names.OBJECTIVE: 0.2, AVERAGED: 0.3, names.LR: 1.0}],
    }
    auprc, lr = compare_figures(histories)
    assert [(line.label, line.colour, line.dashed, line.y) for line in auprc.lines] == [
        ("a", 0, False, (0.1,)),
        ("b", 1, False, (0.2,)),
        ("b, averaged", 1, True, (0.3,)),
    ]
    assert [(line.label, line.colour) for line in lr.lines] == [("b", 1)]
    assert compare_figures({"a": [], "b": []}) == ()


def test_settings_on_which_runs_differ() -> None:
    first = run_record(config={"seed": 1, "epochs": 8, "swa": None, "track.mode": "offline", "loss.kind": "bce"})
    second = run_record(
        1, config={"seed": 1.0, "epochs": 8, "swa.start": 3, "track.mode": "online", "loss.kind": "bce"}
    )
    assert differing_settings([first, second]) == (
        Setting("seed", ("1", "1.0")),
        Setting("swa.start", ("-", "3")),
    )
    assert differing_settings([first]) == ()


def test_runs_are_called_by_what_tells_them_apart() -> None:
    first, second = run_record(0, "a", config={"seed": 1}), run_record(1, "b", config={"seed": 2})
    assert labels([first, second]) == ("a", "b")
    trials = [run_record(n, "t", config={"swa.start": 4, "swa.window": n, "swa.lr": 0.1 * n}) for n in (1, 2)]
    assert labels(trials) == ("window 1, lr 0.1", "window 2, lr 0.2")
    twins = [run_record(n, "t", config={"seed": 1}) for n in (1, 2)]
    assert labels(twins) == tuple(one.id for one in twins)
    apart = [run_record(n, "t", config={f"key{i}": n for i in range(4)}) for n in (1, 2)]
    assert labels(apart) == tuple(one.id for one in apart)


def test_small_differences_keep_their_digits() -> None:
    runs = [run_record(n, config={"optimizer.lr": value}) for n, value in enumerate([0.123456789, 0.5, 0.123456780])]
    assert differing_settings(runs[:2])[0].values == ("0.123457", "0.5")
    assert differing_settings(runs)[0].values == ("0.123456789", "0.5", "0.12345678")


def test_what_a_hand_kept_log_does_not_know_is_no_difference() -> None:
    imported = run_record(kind="imported", config={"epochs": 8})
    first, second = (run_record(day, config={"epochs": epochs, "seed": 1}) for day, epochs in ((1, 8), (2, 9)))
    assert differing_settings([imported, first]) == ()
    assert differing_settings([imported, first, second]) == (Setting("epochs", ("8", "8", "9")),)
