"""A sweep of many trials: what they are called wherever they are shown, what agents did, and when the points end."""

from __future__ import annotations

from typing import Any

import pytest

from kag.server.tables import agents, runs, sweeps
from kag.sweep import Trial, TrialState
from kag.sweep.progress import points_left
from tests.page.synthetic import BEGIN
from tests.page.synthetic_sweep import PAUSE, TOOK, add_sweep

PATH = "/kag/demo/sweeps/demosweep"


@pytest.fixture
def sweep(reader: Any) -> Any:
    """Twenty trials of two agents."""
    add_sweep(reader.store, 20, workers=2)
    return reader


def names(reader: Any) -> list[str]:
    """Runs of the table, the oldest first, as they are called."""
    rows = reader.fetch("/kag/demo/runs.json").json()["runs"]
    return [row[2] for row in sorted(rows, key=lambda row: row[0])]


def test_a_trial_has_one_name_on_every_page(sweep: Any) -> None:
    answer = sweep.fetch(f"{PATH}/trials.json").json()
    assert [trial["name"] for trial in answer["trials"]][:5] == [f"demo-{i}" for i in range(5)]
    titled = [(trial["name"], trial["title"]) for trial in answer["trials"] if trial["title"] is not None]
    assert titled == [("demo-3", "my favourite")]
    assert "demo-4" in answer["figures"][0]["labels"]
    assert {stint["label"] for stint in answer["timeline"][0]["stints"]} == {f"demo-{i}" for i in range(20)}
    assert names(sweep)[2:5] == ["demo-2", "demo-3 (my favourite)", "demo-4"]
    curves = sweep.fetch("/kag/demo/curves.json?keys=val/auprc").json()["charts"][0]["lines"]
    assert "demo-4" in {line["label"] for line in curves}


def test_runs_that_differ_in_much_are_compared_by_the_names_of_their_trials(sweep: Any) -> None:
    with sweep.store.write() as connection:
        for i in (4, 5):
            config = "{" + ", ".join(f'"a{key}": {{"value": {i}}}' for key in range(5)) + "}"
            connection.execute(runs.update().filter_by(name=f"demosweep-{i:04}").values(config=config))
    page = sweep.browse("/kag/demo/compare?runs=demosweep-0004,demosweep-0005").text
    assert page.count(">demo-4</a>") == page.count(">demo-5</a>") > 1


def test_trials_are_called_after_a_sweep_that_gets_another_name(sweep: Any) -> None:
    assert names(sweep)[0] == "demo-0"
    with sweep.store.write() as connection:
        connection.execute(sweeps.update().filter_by(name="demosweep").values(display_name="better", changed=0))
    assert names(sweep)[0] == "better-0"
    assert sweep.fetch(f"{PATH}/trials.json").json()["trials"][0]["name"] == "better-0"


def test_the_timeline_says_who_ran_what_and_how_long_agents_idled(sweep: Any) -> None:
    (shown,) = sweep.fetch(f"{PATH}/trials.json").json()["timeline"]
    assert shown["agents"] == ["node0", "node1"]
    first = next(stint for stint in shown["stints"] if stint["label"] == "demo-2")
    assert (first["row"], first["start"], first["end"]) == (0, BEGIN + TOOK + PAUSE, BEGIN + 2 * TOOK + PAUSE)
    page = sweep.browse(PATH).text
    assert page.count("1 h 40 min</td>") == 2, "ten trials of ten minutes each"
    assert "10 min 00 s</td>" in page, "and a minute between two of them"


def test_the_page_says_when_the_points_end_while_agents_are_at_work(sweep: Any) -> None:
    page = sweep.browse(PATH).text
    assert "Until the points end" in page
    assert "about 19 h 20 min" in page, "232 points of ten minutes each for two agents"
    with sweep.store.write() as connection:
        connection.execute(agents.update().values(heartbeat_at=1.0))
    assert "Until the points end" not in sweep.browse(PATH).text


@pytest.mark.parametrize(
    ("expected", "seconds", "at_work", "left"),
    [(10, [60.0, 120.0], 2, 360.0), (10, [60.0], 50, 60.0), (None, [60.0], 1, None), (10, [], 1, None)],
)
def test_the_points_that_are_left_are_shared_by_the_agents_at_work(
    expected: int | None, seconds: list[float], at_work: int, left: float | None
) -> None:
    tried = [Trial(id=i, params={}, state=TrialState.FINISHED) for i in range(2)]
    assert points_left(expected, tried, seconds, at_work) == left
    assert points_left(expected, tried, seconds, 0) is None
