"""Filters and order of `wandb.Api().runs(...)`, as W&B and MongoDB mean them."""

from __future__ import annotations

import json
from typing import Any

import pytest

RUNS = """query($f: JSONString, $o: String){project(name:"p"){runCount(filters:$f)
  runs(filters:$f, order:$o){edges{node{name}}}}}"""


@pytest.fixture
def runs(site: Any) -> Any:
    """Three runs: of 10, 20 and 30 seconds, with 1, 2 and no tags."""
    tags = (["a"], ["a", "b"], [])
    for number, (name, some) in enumerate(zip(("r0", "r1", "r2"), tags, strict=True)):
        config = {"n": {"value": 3 * number - 3}, "opt.lr": {"value": number}, "layers": {"value": [1] * number}}
        summary = {"val/loss": number, "by.name": number, "by": {"name": -1}, "big": 10**15 + number, "text": "x"}
        summary["huge"] = 10**400 + number
        site.run(name, tags=some, config=json.dumps(config), summaryMetrics=json.dumps(summary))
        site.now += 10 * (number + 1)
        site.stream({"complete": True, "exitcode": 0}, name)
    return site


def names(site: Any, wanted: Any, order: str | None = None) -> list[str]:
    found = site.ask(RUNS, f=json.dumps(wanted), o=order)["project"]
    fitting = [edge["node"]["name"] for edge in found["runs"]["edges"]]
    assert found["runCount"] == len(fitting)
    return fitting


@pytest.mark.parametrize(
    ("wanted", "fitting"),
    [
        ({"duration": {"$gt": 10}}, ["r1", "r2"]),
        ({"duration": {"$gte": 10, "$lt": 20}}, ["r0"]),
        ({"duration": 30}, ["r2"]),
        ({"tags": {"$all": ["a"]}}, ["r0", "r1"]),
        ({"tags": {"$all": ["b", "a"]}}, ["r1"]),
        ({"tags": {"$all": []}}, []),
        ({"display_name": {"$all": ["r2"]}}, ["r2"]),
        ({"tags": {"$not": {"$all": ["a"]}}}, ["r2"]),
        ({"tags": {"$size": 0}}, ["r2"]),
        ({"tags": {"$size": 2.0}}, ["r1"]),
        ({"config.layers": {"$size": 1}}, ["r1"]),
        ({"display_name": {"$size": 2}}, []),
        ({"config.n": {"$mod": [2, 0]}}, ["r1"]),
        ({"config.n": {"$mod": [2, 1]}}, ["r2"]),
        ({"config.n": {"$mod": [2, -1]}}, ["r0"]),
        ({"config.n": {"$mod": [-2.0, 1]}}, ["r2"]),
        ({"summary_metrics.big": {"$mod": [10, 1]}}, ["r1"]),
        ({"summary_metrics.text": {"$mod": [1, 0]}}, []),
        ({"summary_metrics['val/loss']": {"$gte": 1}}, ["r1", "r2"]),
        ({'summaryMetrics["val/loss"]': 0}, ["r0"]),
        ({"summary_metrics['by.name']": 2}, ["r2"]),
        ({"config['opt.lr']": 1}, ["r1"]),
        ({"config['opt.lr'].value": {"$in": [0, 1]}}, ["r0", "r1"]),
        ({"summary_metrics['none']": {"$exists": False}}, ["r0", "r1", "r2"]),
    ],
)  # fmt: skip
def test_a_filter_leaves_the_runs_that_fit(runs: Any, wanted: Any, fitting: list[str]) -> None:
    assert names(runs, wanted) == fitting


def test_runs_are_ordered_by_duration_and_by_keys_in_brackets(runs: Any) -> None:
    assert names(runs, {}, "-duration") == ["r2", "r1", "r0"]
    assert names(runs, {}, "-summary_metrics['val/loss']") == ["r2", "r1", "r0"]
    assert names(runs, {}, "+config['opt.lr']") == ["r0", "r1", "r2"]
    assert names(runs, {}, "-summary_metrics.big") == ["r2", "r1", "r0"]
    assert names(runs, {}, "-summary_metrics.huge") == ["r0", "r1", "r2"], "400 digits are more than a float holds"


@pytest.mark.parametrize(
    "wanted",
    [
        {"tags": {"$all": "a"}}, {"tags": {"$size": "1"}}, {"tags": {"$size": 1.5}}, {"tags": {"$size": True}},
        {"config.n": {"$mod": 2}}, {"config.n": {"$mod": [0, 1]}}, {"config.n": {"$mod": [2]}},
        {"config.n": {"$mod": ["2", 1]}}, {"config.n": {"$mod": [1e999, 1]}}, {"config.n": {"$elemMatch": {}}},
        {"durations": 1}, {"$size": 1},
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(runs: Any, wanted: Any) -> None:
    answer = runs.post(RUNS, f=json.dumps(wanted))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
