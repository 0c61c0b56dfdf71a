"""Programs of other people, five runs each, two of them replicates: their change log row by row, the same wherever it
is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import httpx
import pytest

from kag.changelog.collect import collect
from kag.changelog.parts import parts_of
from kag.changelog.siblings import Siblings
from kag.changelog.table import Row, table
from kag.view.changes import phrase
from tests.e2e.five_runs import ENTITY, FiveRuns
from tests.page.log_table import cells_of

BEFORE, IN_GROUP = " against the run before", " against the run before in its group"
BOOSTER = "learner.gradient_booster.tree_train_param"


class Log(NamedTuple):
    """What the change log of a program must say."""

    metrics: list[str]
    """Name, goal and reason of each column."""
    changes: list[str]
    """Key changes of each run, and against what."""
    ahead: list[bool]
    """Whether each row is set bold as the highest (or lowest) so far."""
    codes: dict[int, set[str]]
    """Row -> rules that must fire there, and nowhere else among these."""


LOGS = {
    "plain_script": Log(
        ["val/accuracy max declared by the program", "loss min by its name"],
        [
            "",
            "model.width 8 -> 16; model.widths [8, 4] -> [16, 4]" + IN_GROUP,
            "lr 0.1 -> 0.5",
            "lr 0.5 -> 50" + IN_GROUP,
        ],
        [True, True, False, True],
        {1: {"highest_so_far"}, 3: {"highest_so_far", "aborted", "not_finite"}},
    ),
    "lightning_module": Log(
        ["val_loss min by its name", "train/loss min by its name"],
        [
            "",
            "lr 0.01 -> 0.1" + IN_GROUP,
            "momentum 0 -> 0.9" + IN_GROUP,
            "lr 0.1 -> 100; momentum 0.9 -> 0" + IN_GROUP,
        ],
        [True, True, False, False],
        {1: {"highest_so_far"}, 3: {"not_finite"}},
    ),
    "transformers_trainer": Log(
        ["eval/loss min by its name", "train/loss min by its name"],
        [
            "",
            "learning_rate 5e-05 -> 0.01" + BEFORE,
            "weight_decay 0 -> 0.1" + BEFORE,
            "max_grad_norm 1 -> 0.5; weight_decay 0.1 -> 0" + BEFORE,
        ],
        [True, True, False, False],
        {1: {"highest_so_far"}, 3: {"aborted"}},
    ),
    "xgboost_callback": Log(
        ["train-auc max declared by the program", "train-logloss min declared by the program"],
        [
            "",
            f"{BOOSTER}.max_depth 1 -> 4" + IN_GROUP,
            f"{BOOSTER}.eta 0.300000012 -> 0.0500000007;"
            f" {BOOSTER}.learning_rate 0.300000012 -> 0.0500000007" + IN_GROUP,
            f"{BOOSTER}.eta 0.0500000007 -> 0.300000012; {BOOSTER}.gamma 0 -> 100;"
            f" {BOOSTER}.learning_rate 0.0500000007 -> 0.300000012; {BOOSTER}.min_split_loss 0 -> 100" + IN_GROUP,
        ],
        [True, False, False, False],
        {},
    ),
    "neptune_exporter": Log(
        ["metrics_val_accuracy max by its name", "metrics_train_loss min by its name"],
        [
            "",
            "parameters_model_width 8 -> 16" + IN_GROUP,
            "parameters_lr 0.1 -> 0.5",
            "parameters_lr 0.5 -> 50" + IN_GROUP,
        ],
        [True, True, False, False],
        {1: {"highest_so_far"}},
    ),
}
LOOKED_FOR = {"highest_so_far", "seed_differs", "aborted", "not_finite", "same_settings"}


def log_of(siblings: Siblings) -> Log:
    """What a change log says."""
    rows = table(siblings)
    return Log(
        [f"{one.name} {one.goal} {one.why}" for one in siblings.metrics],
        [phrase(row.changes, 99, whole=True) + (f" against {row.against}" if row.against else "") for row in rows],
        [row.highest_so_far for row in rows],
        {place: found for place, row in enumerate(rows) if (found := {one.code for one in row.findings} & LOOKED_FOR)},
    )


def shown_on_page(runs: FiveRuns) -> list[list[str]]:
    """Heads of the metrics, then the numbers of each run, as the page's tab has them, oldest first."""
    with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True, timeout=60) as browser:
        browser.get(runs.server.login_link(now=time.time())).raise_for_status()
        page = browser.get(f"{runs.server.url}/{ENTITY}/{runs.project}/changelog").text
    heads, *rows = cells_of(page)
    return [heads, *reversed(rows)]


def told(row: Row) -> list[str]:
    return [value.text for value in parts_of(row).values]


@pytest.mark.slow(10, "a log of other programs' runs is the same from any source")
def test_the_log_of_each_program_row_by_row_wherever_it_is_read(
    five_runs: Mapping[str, FiveRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert five_runs.keys() == LOGS.keys()
    for name, runs in five_runs.items():
        with runs.reading(monkeypatch) as sources:
            api, offline = (collect(sources[kind]) for kind in ("api", "offline"))
            assert log_of(api) == LOGS[name], name
            assert log_of(offline) == LOGS[name], name
            numbers = [[metric.name for metric in api.metrics], *map(told, table(api))]
            assert numbers[1:] == list(map(told, table(offline))), name
        assert shown_on_page(runs) == numbers, name
