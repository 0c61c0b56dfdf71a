"""Blobs in a bucket of S3, by `obstore`: for servers on several machines, and for more than one disk holds.

An object appears when all of it has arrived: small ones in one request, larger ones in parts, which are given up where
the sender goes away. Credentials come from the environment, and what S3 says of an error is not repeated: it may name
them. Several servers may work on one bucket; nothing is locked in it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from kag.errors import UserError
from kag.server.blobs import Counted, Lying, is_path, key_of, new_path
from kag.server.byte_ranges import range_of
from kag.server.faults import NotFound
from kag.server.trouble import BUCKET_CLOSED, BUCKET_GONE, BUCKET_UNREACHED, BucketFailed, Trouble

T = TypeVar("T")
PART = 8 * 2**20
"""Bytes of a part. S3 takes 10,000 of one object: 80 GB."""
AT_ONCE = 2
"""Parts of one upload that are under way: with the one that fills, what it may take of the memory."""
PIECE = 2**20
"""Bytes of a download that are handed on at once."""
QUESTIONS = 16
"""Objects that are asked for at once."""
CONNECT = timedelta(seconds=5)
SILENCE = timedelta(seconds=30)
"""In which the next bytes of an answer come."""
LONGEST = timedelta(days=1)
TRIES = 2


class Bucket:
    """Blobs under a prefix of a bucket; see `Blobs`.

    Args:
        place: `s3://BUCKET/PREFIX`.
        store: of obstore, below the prefix.
    """

    folder: Path | None = None

    def __init__(self, place: str, store: Any) -> None:
        self.place = place
        self.store = store

    @classmethod
    def at(cls, place: str) -> Bucket:
        """The bucket that an address names; credentials, region and endpoint are those of the environment.

        Raises:
            UserError: this is no such address, it holds credentials, or obstore is not installed.
        """
        try:
            parts = urlsplit(place)
            has_more = bool(parts.username or parts.password or parts.query or parts.fragment)
        except ValueError:
            parts, has_more = urlsplit(""), True
        if has_more or not parts.hostname or "@" in place:
            remedy = "credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise UserError("this is no address of a bucket", nearest="s3://BUCKET/PREFIX", remedy=remedy)
        try:
            from obstore.store import S3Store
        except ModuleNotFoundError as error:
            raise UserError("files in a bucket need obstore", where=place, remedy="pip install 'kag[s3]'") from error
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"  # options given here take the place of it
        client = {"connect_timeout": CONNECT, "read_timeout": SILENCE, "timeout": LONGEST, "allow_http": plain}
        retry = {"max_retries": TRIES, "retry_timeout": SILENCE}
        with _in_words():
            store = S3Store.from_url(place.rstrip("/"), client_options=client, retry_config=retry)
        return cls(place.rstrip("/"), store)

    def __str__(self) -> str:
        return self.place

    def prepare(self) -> None:
        """Ask the bucket for one object, so that a wrong name or key is heard of now; see `Blobs.prepare`."""
        try:
            self.probe()
        except BucketFailed as error:
            remedy = "look at the name, and at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL"
            raise UserError(error.trouble.what, where=self.place, remedy=remedy) from None

    async def receive(self, body: AsyncIterator[bytes], *, limit: int) -> dict[str, Any]:
        """Keep an upload; see `Blobs.receive`."""
        import obstore

        path, counted = new_path(), Counted(limit)
        arriving = _Arriving(body, counted)
        head = await arriving.part()
        if not arriving.more:
            await run_in_threadpool(self._put, path, head)
            return counted.row(path)
        try:
            with _in_words():
                words = {"chunk_size": PART, "max_concurrency": AT_ONCE}
                await obstore.put_async(self.store, key_of(path), arriving.parts(head), **words)
        except BucketFailed:
            if arriving.failed is not None:
                raise arriving.failed from None
            raise
        return counted.row(path)

    def _put(self, path: str, content: bytes | Path) -> None:
        import obstore

        with _in_words():
            obstore.put(self.store, key_of(path), content, chunk_size=PART, max_concurrency=AT_ONCE)

    def keep(self, content: bytes) -> dict[str, Any]:
        """Keep what this server makes itself; see `Blobs.keep`."""
        path, counted = new_path(), Counted()
        self._put(path, counted.add(content))
        return counted.row(path)

    def take(self, path: str, file: Path) -> None:
        """Send a file; see `Blobs.take`."""
        self._put(path, file)

    def size(self, path: str) -> int | None:
        """Bytes of a blob, or None; see `Blobs.size`."""
        import obstore

        try:
            return int(self._asked(partial(obstore.head, self.store, key_of(path)))["size"])
        except FileNotFoundError:
            return None

    def there(self, paths: Sequence[str]) -> set[str]:
        """Which of some blobs are there; see `Blobs.there`."""
        with ThreadPoolExecutor(QUESTIONS) as threads:
            sizes = threads.map(self.size, paths)
            return {path for path, size in zip(paths, sizes, strict=True) if size is not None}

    def read(self, path: str) -> bytes:
        """All of a blob; see `Blobs.read`."""
        import obstore

        return self._asked(lambda: bytes(obstore.get(self.store, key_of(path)).bytes()))

    def _asked(self, ask: Callable[[], T]) -> T:
        with _in_words():
            return ask()

    def answer(self, path: str, asked: Headers, *, media_type: str, headers: Mapping[str, str]) -> Response:
        """A download; see `Blobs.answer`. Of several ranges all is sent, as HTTP allows."""
        import obstore

        size = self.size(path)
        if size is None:
            raise NotFound("this file is gone")
        tag = f'"{path}"'
        words = {**headers, "Accept-Ranges": "bytes", "ETag": tag}
        start, end = 0, size
        wanted = asked.get("range") if asked.get("if-range", tag) == tag else None
        found = None if wanted is None else range_of(wanted, size)
        if found is not None:
            start, end = found
            if start >= end:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
            words["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        words["Content-Length"] = str(end - start)
        status = 200 if found is None else 206
        if size == 0:
            return Response(b"", status, words, media_type)
        get = partial(obstore.get, self.store, key_of(path), options={"range": (start, end)})
        return StreamingResponse(_pieces(self._asked(get)), status, words, media_type)

    def remove(self, paths: Iterable[str]) -> None:
        """Take blobs away; see `Blobs.remove`."""
        import obstore

        keys = [f"{path[:2]}/{path}" for path in paths]
        if keys:
            self._asked(partial(obstore.delete, self.store, keys))

    def lying(self, *, before: float) -> Sequence[Lying]:
        """Every object that is called like a blob; see `Blobs.lying`."""
        import obstore

        with _in_words():
            listed = [(one["path"], one) for chunk in obstore.list(self.store) for one in chunk]
        found = [(key.rpartition("/")[2], one) for key, one in listed]
        old = ((name, one) for name, one in found if one["last_modified"].timestamp() < before)
        return [Lying(name, one["size"]) for name, one in old if is_path(name)]

    def backing_up(self) -> nullcontext[None]:
        """A backup leaves objects where they are; see `Blobs.backing_up`."""
        return nullcontext()

    def probe(self) -> None:
        """Ask the bucket for one object; see `Blobs.probe`."""
        import obstore

        with _in_words():
            next(iter(obstore.list(self.store, chunk_size=1)), None)

    def free(self) -> int | None:
        """Nobody knows."""
        return None


class _Arriving:
    """A body in parts that are large enough for S3.

    Args:
        body: as sent.
        counted: is told of each piece.
    """

    def __init__(self, body: AsyncIterator[bytes], counted: Counted) -> None:
        self.body = body
        self.counted = counted
        self.more = True
        self.failed: Exception | None = None
        """Why the body broke off, if it did."""

    async def part(self) -> bytes:
        """The next part, shorter than the others at the end."""
        held = bytearray()
        async for chunk in self.body:
            held += self.counted.add(chunk)
            if len(held) >= PART:
                return bytes(held)
        self.more = False
        return bytes(held)

    async def parts(self, head: bytes) -> AsyncIterator[bytes]:
        """All of them."""
        yield head
        try:
            while self.more:
                yield await self.part()
        except Exception as error:
            self.failed = error
            raise


async def _pieces(found: Any) -> AsyncIterator[bytes]:
    """A download as it comes."""
    with _in_words():
        async for piece in found.stream(min_chunk_size=PIECE):
            yield bytes(piece)


@contextmanager
def _in_words() -> Iterator[None]:
    """What S3 says of an error is not repeated.

    Raises:
        BucketFailed: in a sentence of kag's own.
        FileNotFoundError: there is no such object.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError("no such object") from None
    except (BaseError, OSError) as error:
        raise BucketFailed(_trouble(error)) from None


def _trouble(error: Exception) -> Trouble:
    kind, said = type(error).__name__, str(error)
    if "NoSuchBucket" in said:
        return BUCKET_GONE
    closed = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "169.254.169.254", "status code: 403")
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or any(word in said for word in closed):
        return BUCKET_CLOSED
    return BUCKET_UNREACHED
