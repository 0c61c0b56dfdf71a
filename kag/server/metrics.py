"""What `/metrics` tells Prometheus: requests, the process, what the database holds, and the room that is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Column, Connection, func, select
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kag.server.blobs import Blobs
from kag.server.connections import ENDLESS
from kag.server.layout import newest
from kag.server.store import Store, count, total
from kag.server.tables import agents, artifacts, blobs, projects, runs, sweeps, trials

KINDS = frozenset({"graphql", "files", "storage", "healthz", "metrics", "static"})
"""First word of a path that is a kind of its own; all others are the page's."""


def kind_of(path: str) -> str:
    """What is asked for; streams, which have no end, are told apart from pages."""
    first = path.strip("/").partition("/")[0]
    return first if first in KINDS else "news" if path.endswith(ENDLESS) else "page"


class Contents(Collector):
    """What is in the database and on the disk at the moment of the question."""

    def __init__(self, store: Store, files: Blobs) -> None:
        self.store = store
        self.files = files

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked before somebody wants to know."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every value once."""
        with self.store.read() as connection:
            for name, table in {"projects": projects, "agents": agents, "artifacts": artifacts, "blobs": blobs}.items():
                yield GaugeMetricFamily(f"kag_{name}", f"Rows of {name}.", value=count(connection, table))
            for name, column in {"runs": runs.c.state, "sweeps": sweeps.c.state, "trials": trials.c.state}.items():
                yield _by_state(connection, name, column)
            yield GaugeMetricFamily("kag_blob_bytes", "Bytes of all files.", value=total(connection, blobs.c.size))
        yield GaugeMetricFamily("kag_layout", "Layout of the database.", value=int(newest()))
        free = self.files.free()
        if free is not None:
            yield GaugeMetricFamily("kag_files_free_bytes", "Room on the disk of the files.", value=free)


def _by_state(connection: Connection, name: str, state: Column[str]) -> Metric:
    found = GaugeMetricFamily(f"kag_{name}", f"Rows of {name} by state.", labels=["state"])
    for value, number in connection.execute(select(state, func.count()).group_by(state).order_by(state)):
        found.add_metric([value], number)
    return found


class Metrics:
    """The numbers of one server."""

    def __init__(self, store: Store, files: Blobs) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(Contents(store, files))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        words: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("kag_requests", "Requests by kind and status.", ["kind", "status"], **words)
        self.seconds = Histogram("kag_request_seconds", "Seconds until a request is answered.", ["kind"], **words)

    def response(self) -> Response:
        """All of them as Prometheus reads them."""
        return Response(generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class Measured:
    """Counts the requests of an application, and how long each takes."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        kind = kind_of(scope["path"])

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(kind, message["status"]).inc()
            await send(message)

        await self.app(scope, receive, noting)
        self.metrics.seconds.labels(kind).observe(time.perf_counter() - began)
