"""Request bodies, never larger than agreed: neither as sent nor after decompression."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from kag.server.faults import Fault


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


async def read_json(request: Request, *, limit: int) -> dict[str, Any]:
    """A JSON object, decompressed if it came as gzip.

    Raises:
        Fault: too large, truncated, in another encoding, or no JSON object.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise Fault(f"content encoding {encoding!r} is not served", status=415)
    parts = [chunk async for chunk in chunks(request, limit=limit)]
    data = b"".join(parts)
    if encoding == "gzip":
        data = unzipped(data, limit=limit)
    try:
        value = json.loads(data)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Fault("the body is not JSON in UTF-8") from error
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
