"""PostgreSQL does what SQLite does: whatever a test of the server's operations asks, both answer alike and then hold.

The tests of single operations run on SQLite. Here they run once more on both at once, answer by answer and row by row;
so do requests that mean harm, and operations in an order that nobody thought of.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from kag.server.store import Store
from kag.server.tables import metadata
from tests.server import (
    test_alerts,
    test_artifact_collections,
    test_artifacts,
    test_begin,
    test_filestream,
    test_filters,
    test_heartbeats,
    test_sweep_runs,
    test_sweeps_again,
    test_sweeps_server,
)
from tests.server.artifact_log import Log
from tests.server.documents.record import recorded
from tests.server.hostile import hostile
from tests.server.test_queries import ORDERS, SAID, add, fill, walk
from tests.server.test_schema import operation_of, refusal, variables_of
from tests.server.twins import Twins, twins

OPERATIONS: tuple[ModuleType, ...] = (
    test_alerts,
    test_artifact_collections,
    test_artifacts,
    test_begin,
    test_filestream,
    test_filters,
    test_heartbeats,
    test_sweep_runs,
    test_sweeps_again,
    test_sweeps_server,
)
"""Where the tests of single operations are."""
LEFT_OUT = {
    "test_content_whose_file_is_lost_is_asked_for_again": "it takes a file out of the folder of one server",
    "test_pieces_repeated_in_any_manner_give_each_row_once": "the same operation many times over",
    "test_a_point_is_never_given_up_because_its_machines_are_taken_away": "the same operation many times over",
}
"""Tests of operations that run on SQLite alone, and why."""


def operations() -> Iterator[Any]:
    """The tests that need nothing but a server."""
    for module in OPERATIONS:
        for name, test in vars(module).items():
            is_test = name.startswith("test_") and inspect.isfunction(test) and name not in LEFT_OUT
            if is_test and inspect.signature(test).parameters.keys() <= {"site", "log"}:
                yield pytest.param(test, id=f"{module.__name__.rpartition('.')[2]}-{name}")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, new_postgres: Callable[[], str]) -> Iterator[list[Store]]:
    """A database of each kind."""
    made = [Store(f"sqlite:///{tmp_path_factory.mktemp('twins') / 'tracking.db'}"), Store(new_postgres())]
    yield made
    for store in made:
        store.close()


@pytest.fixture
def site(stores: list[Store], tmp_path: Path) -> Iterator[Twins]:
    """Servers of both, with nothing in them."""
    for store in stores:
        empty(store)
    with twins(tmp_path, stores) as made:
        yield made


def empty(store: Store) -> None:
    """Take away everything but the layout; numbers begin anew."""
    names = [table.name for table in metadata.sorted_tables]
    with store.engine.begin() as connection:
        if store.file is None:
            connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY"))
            return
        for name in [*reversed(names), "sqlite_sequence"]:
            connection.execute(text(f"DELETE FROM {name}"))


@pytest.mark.parametrize("operation", [*operations()])
def test_both_databases_answer_alike(site: Twins, operation: Callable[..., None]) -> None:
    wanted = inspect.signature(operation).parameters
    given: dict[str, Any] = {"site": site, "log": Log(site)} if "log" in wanted else {"site": site}
    operation(**{name: given[name] for name in wanted})


def test_both_refuse_and_answer_alike_what_means_harm(site: Twins) -> None:
    site.run()
    for request in itertools.islice(hostile(1), 150):
        site.http.request(request.method, request.path, content=request.body, headers=request.headers)


def test_both_answer_every_document_of_every_client_alike(site: Twins) -> None:
    """Queries of lists that hold something, and changes of it, one after another."""
    log = Log(site)
    for number in range(2):
        add(site, log, number)
    for document in recorded():
        if refusal(document) is None:
            site.http.post("/graphql", json={"query": document, "variables": variables_of(operation_of(document))})


def test_both_filter_order_and_cut_alike(site: Twins) -> None:
    fill(site)
    found = [walk(site, wanted, ORDERS[number % len(ORDERS)], 3) for number, wanted in enumerate(SAID)]
    found += [walk(site, {}, order, 3) for order in ORDERS]
    assert sum(map(bool, found)) > 25
