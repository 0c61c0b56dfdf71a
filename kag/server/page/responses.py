"""Answers of the page, all with the same policy: nothing from elsewhere, nothing inside a frame, nothing guessed."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

FAST = 3
"""Level of gzip: a screen full of curves in some milliseconds."""


def html(text: str, *, status: int = 200, policy: str = POLICY) -> Response:
    """A page."""
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return Response(text, status_code=status, media_type="text/html", headers=headers)


def data(value: Any) -> Response:
    """Values for a script of the page."""
    return Response(script_data(value), media_type="application/json", headers=HEADERS)


def packed(request: Request, value: Any) -> Response:
    """The same, much of it: as gzip where the browser takes that."""
    body = script_data(value).encode()
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(body, media_type="application/json", headers=HEADERS)
    headers = {**HEADERS, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(body, FAST, mtime=0), media_type="application/json", headers=headers)


def events(stream: AsyncIterator[str]) -> Response:
    """What a script of the page is told as it comes; no proxy is to hold it back."""
    return StreamingResponse(stream, media_type="text/event-stream", headers={**HEADERS, "X-Accel-Buffering": "no"})


def nothing_new() -> Response:
    """A script knows everything already."""
    return Response(status_code=204, headers=HEADERS)


def moved(where: str) -> Response:
    """Look there instead, by GET."""
    return RedirectResponse(where, status_code=303, headers=HEADERS)


def script_data(value: Any) -> str:
    """JSON that may also stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
