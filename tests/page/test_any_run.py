"""Whatever a client can log, every page and every answer holds: for that run, and for the others of its project."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kag.server.history import MAX_KEYS
from tests.page.conftest import Visitor
from tests.test_number import HUGE, leaves, strict, trees

NUMBERS = itertools.count()

KNOWN = ("epoch", "epochs", "val/auprc", "train/loss", "kag/record", "kag.record", "_step", "_wandb", "", ".", "a..b")
KEYS = st.sampled_from(KNOWN) | st.text(st.characters(codec=None), max_size=8)
MEDIA = st.fixed_dictionaries({"_type": st.sampled_from(["table-file", "image-file", "histogram", 3]), "path": leaves})
VALUES = trees | MEDIA | st.sampled_from([HUGE, -HUGE, 1e308, "3", 2**53, -1])
LOGGED = st.dictionaries(KEYS, VALUES, max_size=5)
CONFIG = st.dictionaries(KEYS, VALUES | VALUES.map(lambda value: {"value": value}), max_size=5)

PAGES = (
    "",
    "/runs.json",
    "/runs.json?catalogue=1",
    "/changelog",
    "/sweeps",
    "/runs/{}",
    "/runs/{}/course.json",
    "/runs/{}/findings.json",
    "/runs/{}/media",
    "/runs/{}/system",
    "/runs/{}/files",
    "/compare?runs=good,{}",
)
FIELDS = """name displayName state config summaryMetrics historyKeys tags notes systemMetrics wandbConfig(keys: ["t"])
historyLineCount history(samples: 10) full: history(minStep: 0, maxStep: 100, samples: 100) events(samples: 10)
sampledHistory(specs: $specs) historyTail user{name} project{name} files{edges{node{name}}}"""
ASKED = """query($p: String, $specs: [JSONString!]!, $order: String){
project(name: $p){runs(order: $order){edges{node{%s}}}}}"""


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody who is logged in, for many projects."""
    made = Visitor(tmp_path_factory.mktemp("any"), max_body=2**24)
    assert made.log_in().status_code == 303
    yield made
    made.http.close()
    made.store.close()


def write(site: Visitor, config: Any, rows: list[Any], summary: Any) -> str:
    """A run of this kind beside a good one, in a project of their own; the project."""
    site.as_client()
    project = f"any{next(NUMBERS)}"
    site.run("good", project, config='{"lr": {"value": 0.1}}')
    good = {"wandb-history.jsonl": {"offset": 0, "content": ['{"epoch": 0, "val/auprc": 0.5}']}}
    site.stream({"files": good}, "good", project)
    site.run("any", project, config=json.dumps(config))
    files = {
        "wandb-history.jsonl": {"offset": 0, "content": [json.dumps(row) for row in rows]},
        "wandb-summary.json": {"offset": 0, "content": [json.dumps(summary)]},
    }
    answer = site.stream({"files": files, "complete": True, "exitcode": 0}, "any", project)
    assert answer.status_code == 200, answer.text
    return project


def assert_everything_opens(site: Visitor, project: str) -> None:
    for order in ("", "+summary_metrics.epoch", "-config.epoch"):
        specs = [json.dumps({"keys": ["epoch"], "samples": 5}), json.dumps({"samples": 5})]
        answer = site.post(ASKED % FIELDS, p=project, specs=specs, order=order)
        found = strict(answer.text)
        assert "errors" not in found, found
        for one in found["data"]["project"]["runs"]["edges"]:
            for text in (one["node"]["config"], one["node"]["summaryMetrics"], *one["node"]["full"]):
                strict(text)
    for path in dict.fromkeys(page.format(run) for page in PAGES for run in ("good", "any")):
        answer = site.browse(f"/kag/{project}{path}")
        assert answer.status_code == 200, (path, answer.text[-400:])
        if ".json" in path:
            strict(answer.text)
    assert_media_open(site, f"/kag/{project}/runs/any/media")


def assert_media_open(site: Visitor, media: str) -> None:
    """Every key of the tab, at every step."""
    for key in re.findall(r'data-key="([^"]*)"', site.browse(media).text):
        answer = site.fetch(f"{media}/steps.json?key={key}")
        assert answer.status_code == 200, (key, answer.text)
        for step in strict(answer.text)["steps"]:
            answer = site.fetch(f"{media}/items.json?key={key}&step={step}")
            assert answer.status_code == 200, (key, answer.text)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@example(config={}, rows=[{"epoch": 0, "loss": 1}, {"epoch": 1, "loss": float("nan")}], summary={"loss": float("nan")})
@example(
    config={"epochs": "many"},
    rows=[{"epoch": HUGE, "train/loss": HUGE, "val/auprc": 0.5}],
    summary={"epoch": HUGE, "x": HUGE},
)
@example(config={"a.b": None, "a": {"b": "x"}}, rows=[], summary={})
@example(config={"kag.record": [1]}, rows=[{"epoch": -1, "train/loss": "NaN"}], summary={"kag/record": None})
@example(config={"x": {"value": [{"y": float("inf")}]}}, rows=[{"epoch": 1e308}], summary={"epoch": 1e308})
@given(config=CONFIG, rows=st.lists(LOGGED, max_size=4), summary=LOGGED)
def test_every_page_opens_for_any_run(stranger: Visitor, config: Any, rows: list[Any], summary: Any) -> None:
    assert_everything_opens(stranger, write(stranger, config, rows, summary))


RECORD = {"schema_version": 1, "id": "2025-10-21_12-48-11_x", "name": "x", "status": "finished"}
MOMENTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", 1e300, "yesterday", None]


@pytest.mark.parametrize(
    "words",
    [
        *({"start": moment} for moment in MOMENTS),
        {"start": "2025-10-21T12:48:11Z", "schema_version": 99},
        {"start": "2025-10-21T12:48:11Z", "epochs_trained": HUGE},
        {"start": "2025-10-21T12:48:11Z", "spec": {"epochs": HUGE, "swa.start": "x", "optimizer.lr": [1]}},
        {"start": "2025-10-21T12:48:11Z", "spec": {"epochs": 10**7, "swa.start": 0, "swa.window": 10**7}},
        {"start": "2025-10-21T12:48:11Z", "parent": RECORD["id"], "sources": [{"run": RECORD["id"]}]},
    ],
)
@pytest.mark.parametrize("place", ["config", "summary"])
def test_a_forged_record_is_named_and_hides_no_other(stranger: Visitor, words: dict[str, Any], place: str) -> None:
    text = json.dumps({**RECORD, **words})
    config = {"kag.record": {"value": text}} if place == "config" else {}
    project = write(stranger, config, [], {"kag/record": text} if place == "summary" else {})
    assert_everything_opens(stranger, project)


def test_a_run_of_more_keys_than_are_given_at_once(stranger: Visitor) -> None:
    many = {f"layer{key}/weight.norm": key for key in range(MAX_KEYS + 1)}
    assert_everything_opens(stranger, write(stranger, {"many": {"value": many}}, [{"epoch": 0, **many}], many))
