"""The boundary of the application: hosts that it answers to, and what becomes of an error.

A fault of the request is a 4xx; what GraphQL clients ask for and is not served, 200 with an error, since of a 4xx some
show the number alone. What passes by itself, such as a busy database, is a 429 that says when to come again. What does
not, such as a full disk or a fault of this server, is no 5xx for a client, which would repeat it for hours: GraphQL
gives it as an error with status 200, a stream or a file with 400. Of a broken database pages tell with 500, /healthz
with 503.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kag.server.access_log import entry_of, shown
from kag.server.faults import Fault, Forbidden, Refused
from kag.server.page.routes import fault_page, wants_page
from kag.server.page.site import Site
from kag.server.trouble import Trouble, trouble_of

log = logging.getLogger("kag.server")

COME_AGAIN = {"Retry-After": "10"}
"""Seconds after which a client repeats what could not be served."""
NO_WEBSOCKETS = "this server has no websockets"


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
        scope = self._inside(scope)
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
            told = isinstance(fault, (Refused, Forbidden)) and scope["path"] == "/graphql"
            response = self._refusal(scope, fault.what, 200 if told else fault.status)
        except Exception as error:
            trouble, which = trouble_of(error), _named(scope)
            if trouble is None:
                log.exception("%s failed", which)
                what = f"the server failed on this request ({type(error).__name__}); its log has the details"
                response = self._failure(scope, Trouble(what), 400)
            else:
                log.error("%s: %s (%s)", which, trouble.what, self.site.store.said(error))
                response = self._failure(scope, trouble, 500 if wants_page(Request(scope)) else 400)
        if not began:
            await response(scope, receive, send)

    def _inside(self, scope: Scope) -> Scope:
        base = self.site.settings.base
        return scope if base is None else {**scope, "path": base.inside(scope["path"])}

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        base = self.site.settings.base
        if name.lower() not in self.site.settings.hosts and (base is None or name.lower() != base.name):
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

    def _failure(self, scope: Scope, trouble: Trouble, status: int) -> Response:
        what = f"{trouble.what} (request {entry_of(scope).id})"
        if not trouble.passes:
            return self._refusal(scope, what, 200 if scope["path"] == "/graphql" else status)
        response = self._refusal(scope, what, 429)
        response.headers.update(COME_AGAIN)
        return response


def _named(scope: Scope) -> str:
    """A request as the log of the server names it."""
    return f"request {entry_of(scope).id}: {scope['method']} {shown(scope['path'])}"


def _check_upgrade(request: Request) -> None:
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise Fault(NO_WEBSOCKETS)
