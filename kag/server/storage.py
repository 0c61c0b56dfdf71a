"""Files sent and fetched by signed links."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kag.server.access_log import entry_of
from kag.server.artifacts import end_expired
from kag.server.body import chunks
from kag.server.claims import Claim, path_of
from kag.server.faults import Fault, Forbidden
from kag.server.files import attach, media_type
from kag.server.keys import key_named
from kag.server.links import claim_of
from kag.server.page.site import Site
from kag.server.rights import Act, ask
from kag.server.things import target_thing

DOWNLOAD = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A file is what somebody uploaded: a browser keeps it, and never runs it as a page of this server."""


def routes(site: Site) -> list[Route]:
    """Where files are put and got."""
    storage = Storage(site)
    return [
        Route("/storage/{token}/{name:path}", storage.upload, methods=["PUT"]),
        Route("/storage/{token}/{name:path}", storage.download, methods=["GET"]),
    ]


class Storage:
    """The handlers of signed links."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def upload(self, request: Request) -> Response:
        """A file, by a signed link."""
        claim = self._claim(request, "put")
        await run_in_threadpool(self._ask_to_put, claim)
        limit = self.site.settings.max_upload
        blob = await self.site.settings.files.receive(chunks(request, limit=limit), limit=limit)
        await run_in_threadpool(self._attach, claim, blob)
        return Response(status_code=200)

    def _ask_to_put(self, claim: Claim) -> None:
        with self.site.store.read() as connection:
            self._ask(connection, Act.CHANGE, claim)

    def _ask(self, connection: Connection, act: Act, claim: Claim) -> None:
        """A link is as good as the key that it was made for, and ends with what it belongs to."""
        key = key_named(connection, str(claim.get("by")), now=self.site.clock())
        if key is None:
            raise Forbidden("the key that this link was made for opens nothing any more")
        ask(key, act, target_thing(connection, claim))

    def _attach(self, claim: Claim, blob: dict[str, Any]) -> None:
        with ExitStack() as undo:
            undo.callback(self.site.settings.files.remove, [blob["path"]])
            with self.site.store.write() as connection:
                replaced = attach(connection, claim, blob, now=self.site.clock())
            undo.pop_all()
        if replaced is not None:
            self.site.settings.files.remove([replaced])

    def download(self, request: Request) -> Response:
        """A file, by a signed link."""
        claim = self._claim(request, "get")
        end_expired(self.site.store, self.site.clock())
        with self.site.store.read() as connection:
            self._ask(connection, Act.READ, claim)
            path = path_of(connection, claim)
        kind = media_type(str(claim["name"]))
        return self.site.settings.files.answer(path, request.headers, media_type=kind, headers=DOWNLOAD)

    def _claim(self, request: Request, what: str) -> Claim:
        claim = claim_of(self.site.secret, request.path_params["token"], now=self.site.clock())
        if claim["do"] != what:
            raise Fault("this link is for something else", status=403)
        entry_of(request.scope).user = claim.get("by")
        return claim
