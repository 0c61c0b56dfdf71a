"""What the database cuts out of the JSON of runs is what the runs say themselves, whatever their clients sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kag.server.context import Patience
from kag.server.page.columns import Column
from kag.server.page.filter import fitting
from kag.server.page.first_rows import first_in_order
from kag.server.page.held import Held, Project
from kag.server.page.values import CutOut, Read
from kag.server.runs import ensure_project
from kag.server.store import Store
from kag.server.tables import runs as table
from tests.page.synthetic import BEGIN, common
from tests.server.conftest import Kept

KEYS = (
    "lr",
    "a.b",
    "a",
    "b",
    "model.lr",
    "model",
    "LR",
    "val/auprc",
    "_x",
    "_wandb",
    "kag.record",
    "b\u00e9",
    'q"',
    "a&b",
)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2**70, "", "bce", "0.5", "NaN"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
    max_leaves=4,
)
SUMMARIES = st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4)
CONFIGS = st.dictionaries(st.sampled_from(KEYS), TREES | st.builds(lambda one: {"value": one}, TREES), max_size=4)
TEXTS = st.sampled_from(
    ["lr>0", "lr=bce", "lr!=1", "a.b<1", "b>=0", "b=0.5", "val/auprc>0", "auprc<2", "model.lr=1", "took>5"]
)
WORDS = st.sampled_from(["", "bce", "0.5", "nan", "took>5", "b\u00e9=1", "a&b=0", "missing>1"])
COLUMNS = [
    *(Column("config", key) for key in ("lr", "a.b", "b\u00e9")),
    *(Column("summary", key) for key in ("val/auprc", "a")),
]
ORDERS = ("-started", "took", *(sign + one.word for one in COLUMNS for sign in ("", "-")))


def fill(store: Store, sent: Sequence[tuple[str, str]]) -> int:
    """Runs with these texts of settings and last values, in a project of their own."""
    with store.write() as connection:
        connection.execute(table.delete())
        owner = int(ensure_project(connection, "kag", "sent", now=BEGIN)["id"])
        for i, (config, summary) in enumerate(sent):
            more = {"config": config, "summary": summary, "history_keys": "{}", "exit_code": 0 if i % 2 else None}
            connection.execute(table.insert().values({**common(owner, f"r{i}", f"r{i}", BEGIN + i), **more}))
    return owner


def agree(store: Store, owner: int, filters: Sequence[str], orders: Sequence[str] = ORDERS) -> None:
    """Whoever is asked, the same runs fit, and the same ones come first."""
    with store.read() as connection:
        held = Project(owner, Patience(BEGIN, 300.0)).known(connection, now=BEGIN).runs
        cut, read = CutOut(connection, owner, held), Read(known(held))
        for text in filters:
            by_cut = fitting(held, text, cut, shown=COLUMNS)
            assert names(by_cut) == names(fitting(known(held), text, read, shown=COLUMNS)), text
        for order in orders:
            by_cut, by_reading = (
                first_in_order(runs, order, COLUMNS, 2, values) for runs, values in ((held, cut), (known(held), read))
            )
            assert names(by_cut) == names(by_reading), order


def known(runs: Sequence[Held]) -> list[Held]:
    """The same runs, of which nobody has read anything."""
    return [Held(run.row, run.state, run.beside, run.objective) for run in runs]


def names(runs: Sequence[Held] | None) -> list[str] | None:
    """Their ids."""
    return None if runs is None else [run.name for run in runs]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CONFIGS, SUMMARIES), min_size=1, max_size=4), st.lists(TEXTS | WORDS, min_size=1, max_size=3))
@example([({"lr": {"value": {}}}, {"val/auprc": {"min": 1}})], ["lr>0", "val/auprc>0"])
@example([({"a": {"value": {"b": 1}}}, {}), ({"a.b": {"value": 2}}, {"a": {"b": 3}})], ["a.b<5", "b>=0"])
def test_any_runs_give_what_they_say_themselves(
    kept: Kept, sent: list[tuple[Mapping[str, Any], Mapping[str, Any]]], filters: list[str]
) -> None:
    """Nested and flat, absent and null, words, numbers and lists at the same key."""
    store = kept.store
    owner = fill(store, [(json.dumps(config), json.dumps(summary)) for config, summary in sent])
    agree(store, owner, [*filters, " ".join(filters)])


STRANGE = [
    ('{"lr": {"value": NaN}}', '{"val/auprc": -Infinity}'),
    ('{"lr": {"value": 1e999}}', '{"val\\/auprc": 0.5, "\\u0061": 1}'),
    (
        '{ "lr" : {"desc": 0, "value" : { "x" : 1 } } }',
        '{"val/auprc": 0.75, "_wandb": {"runtime": 7}}',
    ),
    ('{"lr": 3, "a": {"value": {"b": "\\ud83d\\ude00"}}}', '{"val/auprc": "\\ud800"}'),
]
"""What servers of before have kept as it came."""


@pytest.mark.parametrize("these", [slice(0, 4), slice(1, 4), slice(1, 3)])
def test_what_a_server_of_before_has_kept_is_read_as_ever(kept: Kept, these: slice) -> None:
    owner = fill(kept.store, STRANGE[these])
    agree(kept.store, owner, ["lr>0", "lr=nan", "x=1", "val/auprc>0.6", "auprc>0", "a=1", "took<10"])
