"""The web application: its routes, and the handlers of the client's protocol."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from graphql.language import ast
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from kag.server import graphql
from kag.server.access_log import Logged, Write, entry_of
from kag.server.artifacts import end_expired
from kag.server.body import encoding_of, is_short, json_object, received
from kag.server.boundary import COME_AGAIN, Boundary
from kag.server.context import Settings
from kag.server.daily import Rest, daily, tidy
from kag.server.faults import Fault, NotFound
from kag.server.filestream import ingest
from kag.server.foresight import Foresight, Unforeseen
from kag.server.health import Health
from kag.server.keys import key_of_header, signing_secret
from kag.server.metrics import Measured, Metrics
from kag.server.pace import Pace, Paced
from kag.server.page.routes import routes as page_routes
from kag.server.page.site import Site
from kag.server.page.templates import path_of as page_path
from kag.server.page.visit import check_origin
from kag.server.resolvers import registry, seen
from kag.server.rights import Act, Key, ask
from kag.server.runs import run_by_path
from kag.server.schema import Documents, served
from kag.server.storage import routes as storage_routes
from kag.server.store import Store
from kag.server.things import run_thing
from kag.sweep.studies import Studies
from kag.sweep.suggest import Suggest

log = logging.getLogger("kag.server")

Work = Callable[[Request, Key, dict[str, Any]], Response]
"""Answers a request by its key and its body."""


def sharing_writer(request: Request) -> str:
    """Which of the clients that share a run sends a request: `mode="shared"` says it in headers. Else ""."""
    headers = request.headers
    if headers.get("x-wandb-use-async-filestream") != "true":
        return ""
    return (headers.get("x-wandb-async-client-id") or headers.get("x-wandb-client-id") or "")[:64]


QUESTIONS = 4
"""GraphQL requests that are worked on at once: however many are sent, threads are left for everything else."""
WAY_TO_ARTIFACTS = "rtifact"
"""Every field that leads to a version of an artifact has this in its name."""
WITHOUT_ARTIFACTS = frozenset({"createAgent", "agentHeartbeat"})
"""Mutations that look for no version, whatever they are asked; agents send them all the time."""


class Server:
    """The handlers of the client's protocol, with what they share."""

    def __init__(self, site: Site, metrics: Metrics) -> None:
        self.site = site
        self.metrics = metrics
        self.health = Health(site.store, site.settings.files, within=site.settings.healthy_within)
        self.registry = registry()
        self.documents = Documents(served())
        self.reported: set[str] = set()
        self.questions = CapacityLimiter(QUESTIONS)
        self.studies = Studies()

    def routes(self) -> list[Route]:
        """Everything that is served."""
        return [
            Route("/graphql", self.query, methods=["POST"]),
            Route("/files/{entity}/{project}/{run}/file_stream", self.file_stream, methods=["POST"]),
            *storage_routes(self.site),
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/metrics", self.tell_metrics, methods=["GET"]),
            *page_routes(self.site),
        ]

    async def healthz(self, request: Request) -> Response:
        """Whether database and disk do their work; says so within a second."""
        trouble = await self.health.trouble()
        if trouble is None:
            return JSONResponse({"ok": True})
        log.error("request %s: /healthz: %s", entry_of(request.scope).id, trouble)
        return JSONResponse({"ok": False, "error": trouble}, status_code=503, headers=COME_AGAIN)

    async def tell_metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        await self._authenticated(request)
        return await run_in_threadpool(self.metrics.response)

    async def query(self, request: Request) -> Response:
        """One GraphQL operation in one transaction."""
        return await self._done(request, self._operate, self.questions)

    async def _done(self, request: Request, work: Work, limiter: CapacityLimiter | None = None) -> Response:
        """Answer a request whose body is JSON. From hand to hand costs more than most of them, so few hands have it."""
        check_origin(request, self.site.base(request))
        limit = self.site.settings.max_body
        if is_short(request):
            data = await received(request, limit=limit)
            return await to_thread.run_sync(self._work, request, data, work, limiter=limiter)
        key, encoding = await self._authenticated(request), encoding_of(request)
        body = await run_in_threadpool(json_object, await received(request, limit=limit), encoding, limit=limit)
        return await to_thread.run_sync(work, request, key, body, limiter=limiter)

    def _work(self, request: Request, data: bytes, work: Work) -> Response:
        key = self._key(request)
        return work(request, key, json_object(data, encoding_of(request), limit=self.site.settings.max_body))

    def _operate(self, request: Request, key: Key, body: dict[str, Any]) -> Response:
        query, variables = body.get("query"), body.get("variables") or {}
        if not isinstance(query, str) or not isinstance(variables, dict):
            raise Fault("a GraphQL request needs a query, and variables as an object")
        return self._execute(request, key, query, variables, body.get("operationName"))

    def _execute(self, request: Request, key: Key, query: str, variables: dict[str, Any], name: Any) -> Response:
        document = self.documents.checked(query)
        operation = graphql.operation_of(document, name)
        entry = entry_of(request.scope)
        entry.operation = operation.name.value if operation.name else None
        writes = graphql.writes(operation)
        if WAY_TO_ARTIFACTS in query or (writes and not graphql.asks_only(WITHOUT_ARTIFACTS, operation)):
            end_expired(self.site.store, self.site.clock())
        foresight, answer = Foresight(self.studies), None
        while answer is None:
            try:
                answer = self._answer(request, key, document, operation, variables, foresight)
            except Unforeseen as wanted:
                foresight.draw(wanted)
        data, unknown = answer
        for path in dict.fromkeys(unknown):
            if path not in self.reported:
                log.warning("request %s: unknown GraphQL field %s", entry.id, path)
        self.reported.update(unknown)
        if self.site.settings.strict and unknown:
            errors = [{"message": f"unknown field {path}", "path": path.split(".")} for path in unknown]
            return JSONResponse({"data": None, "errors": errors})
        return JSONResponse({"data": data})

    def _answer(
        self,
        request: Request,
        key: Key,
        document: ast.DocumentNode,
        operation: ast.OperationDefinitionNode,
        variables: dict[str, Any],
        foresight: Suggest,
    ) -> tuple[dict[str, Any], list[str]]:
        """Data and unknown fields of an operation, from one transaction."""
        writes = graphql.writes(operation)
        with self.site.store.write() if writes else self.site.store.read() as connection:
            now, writer = self.site.clock(), sharing_writer(request)
            context = self.site.asked(connection, request, key, now, writer, reads=not writes, foresight=foresight)
            schema = self.documents.schema
            answer = graphql.execute(self.registry, schema, document, operation, variables, context, seen)
        if context.alerts and self.site.settings.alert_hook is not None:
            for one in context.alerts:
                path = page_path(one["entity"], one["project"], "runs", one["run"], "alerts")
                self.site.settings.alert_hook.post({**one, "url": f"{self.site.base(request)}{path}"})
        return answer

    async def file_stream(self, request: Request) -> Response:
        """What a run logs."""
        return await self._done(request, self._ingest)

    def _ingest(self, request: Request, key: Key, body: dict[str, Any]) -> Response:
        path = request.path_params
        with self.site.store.write() as connection:
            run = run_by_path(connection, path["entity"], path["project"], path["run"], lock=True)
            ask(key, Act.CHANGE, run_thing(connection, run))
            told = ingest(connection, run, body, now=self.site.clock(), writer=sharing_writer(request))
        return JSONResponse(told)

    async def _authenticated(self, request: Request) -> Key:
        return await run_in_threadpool(self._key, request)

    def _key(self, request: Request) -> Key:
        key = self.site.key_of(key_of_header(request.headers.get("authorization")))
        if key is None:
            raise Fault("an API key is needed: `kag serve key new NAME` makes one", status=401)
        entry_of(request.scope).user = key.name
        return key


async def _missing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("there is no such page")


def make_app(
    store: Store,
    settings: Settings,
    clock: Callable[[], float] = time.time,
    *,
    since: float | None = None,
    access_log: Write | None = None,
    rest: Rest = anyio.sleep,
) -> ASGIApp:
    """The application.

    Args:
        store: the database.
        settings: how to behave.
        clock: seconds since the epoch.
        since: when clients could begin to report to a server of this database; None if that is now.
        access_log: takes a line about every request.
        rest: how the server waits for the next day.
    """
    with store.write() as connection:
        secret = signing_secret(connection)
    settings.files.prepare()
    tidy(store, settings.files, now=clock())
    site = Site(store, settings, secret, clock, since)
    metrics = Metrics(store, settings.files)
    lifespan = daily(store, settings.files, clock, rest)
    paced = Paced(Router(routes=Server(site, metrics).routes(), default=_missing, lifespan=lifespan), Pace())
    return Logged(Measured(Boundary(paced, site), metrics), access_log, clock)
