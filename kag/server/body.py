"""Request bodies, never larger than agreed: neither as sent nor after decompression."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from kag.server import bounded_json
from kag.server.faults import Fault

SHORT = 2**14
"""Bytes of a body that is received before its sender's key is looked up, so that one thread can do all of the work."""


async def chunks(request: Request, *, limit: int) -> AsyncIterator[bytes]:
    """The body as sent.

    Raises:
        Fault: it is larger than the limit; a body that says so is refused before any of it is read.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limit:
        raise Fault(f"a request may have {limit} bytes at most", status=413)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise Fault(f"a request may have {limit} bytes at most", status=413)
        yield chunk


def is_short(request: Request) -> bool:
    """Whether a body says that it is no larger than what anybody may send, known or not."""
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= SHORT


async def received(request: Request, *, limit: int) -> bytes:
    """The whole body as sent; see `chunks`."""
    return b"".join([chunk async for chunk in chunks(request, limit=limit)])


def encoding_of(request: Request) -> str:
    """How the body was encoded.

    Raises:
        Fault: in a way that is not served.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise Fault(f"content encoding {encoding!r} is not served", status=415)
    return encoding


def json_object(data: bytes, encoding: str, *, limit: int) -> dict[str, Any]:
    """The JSON object of a body. It takes a while: this belongs into a thread, so that other requests go on.

    Raises:
        Fault: too large, truncated, no JSON object, or beyond the bounds of `bounded_json`.
    """
    value = bounded_json.loads(unzipped(data, limit=limit) if encoding == "gzip" else data)
    if not isinstance(value, dict):
        raise Fault("the body is no JSON object")
    return value


def unzipped(data: bytes, *, limit: int) -> bytes:
    """The content of one gzip member.

    Raises:
        Fault: it is truncated, damaged, or larger than the limit.
    """
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise Fault("the body is not gzip") from error
    if len(content) > limit:
        raise Fault(f"a request may have {limit} bytes at most", status=413)
    if not inflater.eof:
        raise Fault("the gzip body is truncated")
    return content
