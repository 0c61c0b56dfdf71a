"""The web application: routes, keys, hosts, and what becomes of an error.

A fault of the request is a 4xx; what GraphQL clients ask for and is not served, 200 with an error, since of a 4xx some
show the number alone. A fault of this server is never a 5xx, since the client repeats those for hours:
GraphQL gives it as an error with status 200, a stream or a file with 429 (come again) if the database is busy, else
with 400.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import DBAPIError, OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from kag.server import graphql
from kag.server.artifacts import drop_expired
from kag.server.body import chunks, read_json
from kag.server.context import Settings
from kag.server.faults import Fault, NotFound
from kag.server.files import attach, blob_path, drop_unnamed, media_type, receive
from kag.server.filestream import ingest
from kag.server.foresight import Foresight
from kag.server.keys import key_of_header, signing_secret
from kag.server.links import claim_of
from kag.server.pace import Pace, Paced
from kag.server.page.routes import fault_page, wants_page
from kag.server.page.routes import routes as page_routes
from kag.server.page.site import Site
from kag.server.page.visit import check_origin
from kag.server.resolvers import registry
from kag.server.resolvers.sweeps import FORESEEN
from kag.server.runs import run_by_path
from kag.server.schema import Documents, served
from kag.server.store import Store

log = logging.getLogger("kag.server")

DOWNLOAD = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A file is what somebody uploaded: a browser keeps it, and never runs it as a page of this server."""


def sharing_writer(request: Request) -> str:
    """Which of the clients that share a run sends a request: `mode="shared"` says it in headers. Else ""."""
    headers = request.headers
    if headers.get("x-wandb-use-async-filestream") != "true":
        return ""
    return (headers.get("x-wandb-async-client-id") or headers.get("x-wandb-client-id") or "")[:64]


QUESTIONS = 4
"""GraphQL requests that are worked on at once: however many are sent, threads are left for everything else."""
NO_WEBSOCKETS = "this server has no websockets"


class Server:
    """The handlers of the client's protocol, with what they share."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.registry = registry()
        self.documents = Documents(served())
        self.reported: set[str] = set()
        self.questions = CapacityLimiter(QUESTIONS)

    def routes(self) -> list[Route]:
        """Everything that is served."""
        return [
            Route("/graphql", self.query, methods=["POST"]),
            Route("/files/{entity}/{project}/{run}/file_stream", self.file_stream, methods=["POST"]),
            Route("/storage/{token}/{name:path}", self.upload, methods=["PUT"]),
            Route("/storage/{token}/{name:path}", self.download, methods=["GET"]),
            Route("/healthz", self.healthz, methods=["GET"]),
            *page_routes(self.site),
        ]

    def healthz(self, request: Request) -> Response:
        """Whether the database answers."""
        self.site.user_of(None)
        return JSONResponse({"ok": True})

    async def query(self, request: Request) -> Response:
        """One GraphQL operation in one transaction."""
        check_origin(request)
        user = await self._authenticated(request)
        body = await read_json(request, limit=self.site.settings.max_body)
        query, variables = body.get("query"), body.get("variables") or {}
        if not isinstance(query, str) or not isinstance(variables, dict):
            raise Fault("a GraphQL request needs a query, and variables as an object")
        name = body.get("operationName")
        execute = partial(self._execute, request, user, query, variables, name)
        return await to_thread.run_sync(execute, limiter=self.questions)

    def _execute(self, request: Request, user: str, query: str, variables: dict[str, Any], name: Any) -> Response:
        document = self.documents.checked(query)
        operation = graphql.operation_of(document, name)
        writes = graphql.writes(operation)
        foresight = Foresight()
        if writes and graphql.asks_any(FORESEEN, operation):
            with self.site.store.read() as connection:
                context = self.site.asked(connection, request, user, self.site.clock(), foresight=foresight)
                graphql.execute(FORESEEN, self.documents.schema, document, operation, variables, context)
        with self.site.store.write() if writes else self.site.store.read() as connection:
            now, writer = self.site.clock(), sharing_writer(request)
            context = self.site.asked(connection, request, user, now, writer, reads=not writes, foresight=foresight)
            schema = self.documents.schema
            data, unknown = graphql.execute(self.registry, schema, document, operation, variables, context)
        for path in dict.fromkeys(unknown):
            if path not in self.reported:
                log.warning("unknown GraphQL field %s", path)
        self.reported.update(unknown)
        if self.site.settings.strict and unknown:
            errors = [{"message": f"unknown field {path}", "path": path.split(".")} for path in unknown]
            return JSONResponse({"data": None, "errors": errors})
        return JSONResponse({"data": data})

    async def file_stream(self, request: Request) -> Response:
        """What a run logs."""
        check_origin(request)
        await self._authenticated(request)
        body = await read_json(request, limit=self.site.settings.max_body)
        return JSONResponse(await run_in_threadpool(self._ingest, request, body))

    def _ingest(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        path = request.path_params
        with self.site.store.write() as connection:
            run = run_by_path(connection, path["entity"], path["project"], path["run"], lock=True)
            return ingest(connection, run, body, now=self.site.clock(), writer=sharing_writer(request))

    async def upload(self, request: Request) -> Response:
        """A file, by a signed link."""
        claim = self._claim(request, "put")
        limit = self.site.settings.max_upload
        blob = await receive(self.site.settings.files, chunks(request, limit=limit), limit=limit)
        await run_in_threadpool(self._attach, claim, blob)
        return Response(status_code=200)

    def _attach(self, claim: dict[str, Any], blob: dict[str, Any]) -> None:
        with ExitStack() as undo:
            undo.callback(blob_path(self.site.settings.files, blob["path"]).unlink, missing_ok=True)
            with self.site.store.write() as connection:
                replaced = attach(connection, claim, blob, now=self.site.clock())
            undo.pop_all()
        if replaced is not None:
            blob_path(self.site.settings.files, replaced).unlink(missing_ok=True)

    def download(self, request: Request) -> Response:
        """A file, by a signed link."""
        claim = self._claim(request, "get")
        path = blob_path(self.site.settings.files, str(claim["blob"]))
        if not path.is_file():
            raise NotFound("this file is gone")
        return FileResponse(path, media_type=media_type(str(claim["name"])), headers=DOWNLOAD)

    def _claim(self, request: Request, what: str) -> dict[str, Any]:
        claim = claim_of(self.site.secret, request.path_params["token"], now=self.site.clock())
        if claim["do"] != what:
            raise Fault("this link is for something else", status=403)
        return claim

    async def _authenticated(self, request: Request) -> str:
        user = await run_in_threadpool(self.site.user_of, key_of_header(request.headers.get("authorization")))
        if user is None:
            raise Fault("an API key is needed: `kag serve key new NAME` makes one", status=401)
        return user


class Boundary:
    """The outermost layer: foreign hosts are turned away, and every error becomes an answer."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app = app
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": NO_WEBSOCKETS})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = False

        async def noting(message: Any) -> None:
            nonlocal began
            began = True
            await send(message)

        response: Response
        try:
            self._check_host(Request(scope))
            _check_upgrade(Request(scope))
            await self.app(scope, receive, noting)
            return
        except ClientDisconnect:
            return
        except Fault as fault:
            response = self._refusal(scope, fault.what, fault.status)
        except Exception as error:
            log.exception("a request failed: %s %s", scope["method"], scope["path"])
            response = self._own_failure(scope, error)
        if not began:
            await response(scope, receive, send)

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if name.lower() not in self.site.settings.hosts:
            raise Fault("this server does not answer to that host name", status=421)

    def _refusal(self, scope: Scope, what: str, status: int) -> Response:
        request = Request(scope)
        if wants_page(request):
            return fault_page(self.site, request, what, status)
        # A browser would ask its user for a password that does not exist, even when only a script is answered.
        challenged = status == 401 and "sec-fetch-mode" not in request.headers
        headers = {"WWW-Authenticate": 'Basic realm="kag"'} if challenged else {}
        content = {"errors": [{"message": what}], "error": what}
        return JSONResponse(content, status_code=status, headers=headers)

    def _own_failure(self, scope: Scope, error: Exception) -> Response:
        what = f"the server failed on this request ({type(error).__name__}); its log has the details"
        if scope["path"] == "/graphql":
            return self._refusal(scope, what, 200)
        busy = isinstance(error, OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
        return self._refusal(scope, what, 429 if busy or isinstance(error, OSError) else 400)


def _check_upgrade(request: Request) -> None:
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise Fault(NO_WEBSOCKETS)


async def _missing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("there is no such page")


def make_app(store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> ASGIApp:
    """The application.

    Args:
        store: the database.
        settings: how to behave.
        clock: seconds since the epoch.
    """
    with store.write() as connection:
        secret = signing_secret(connection)
        drop_expired(connection, clock())
    settings.files.mkdir(parents=True, exist_ok=True)
    drop_unnamed(store, settings.files)
    site = Site(store, settings, secret, clock)
    return Boundary(Paced(Router(routes=Server(site).routes(), default=_missing), Pace()), site)
