"""Where uploaded files lie: in a folder, or in a bucket of S3.

What a file is called is a column; it lies under a random name, so that no name of a client's leads anywhere, and an
upload that breaks off leaves nothing that anything names.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response

from kag.errors import UserError
from kag.server.faults import Fault

SCHEME = "s3://"
_BLOB = re.compile("[0-9a-f]{32}")


class Lying(NamedTuple):
    """A blob as it lies there."""

    path: str
    size: int


class Blobs(Protocol):
    """A place of blobs, each called by its path, a random name (`key_of`). As a text it is what its user calls it."""

    @property
    def folder(self) -> Path | None:
        """The folder of them, on a disk that servers of one machine share; None for a bucket."""

    def prepare(self) -> None:
        """Make the place, or see that it is there.

        Raises:
            UserError: it cannot be used.
        """

    async def receive(self, body: AsyncIterator[bytes], *, limit: int) -> dict[str, Any]:
        """Keep an upload; a row of `blobs` comes back.

        Raises:
            Fault: it is larger than the limit. Nothing stays then, nor where the sender goes away.
        """

    def keep(self, content: bytes) -> dict[str, Any]:
        """Keep what this server makes itself; a row of `blobs` comes back."""

    def take(self, path: str, file: Path) -> None:
        """Keep a file of a backup under the path that it had."""

    def size(self, path: str) -> int | None:
        """Bytes of a blob; None if it is not there."""

    def there(self, paths: Sequence[str]) -> set[str]:
        """Which of some blobs are there."""

    def read(self, path: str) -> bytes:
        """All of a blob.

        Raises:
            FileNotFoundError: it is not there.
        """

    def answer(self, path: str, asked: Headers, *, media_type: str, headers: Mapping[str, str]) -> Response:
        """A download, or the range of it that a request asks for, piece by piece.

        Raises:
            NotFound: it is not there.
        """

    def remove(self, paths: Iterable[str]) -> None:
        """Take away blobs whose rows are gone."""

    def lying(self, *, before: float) -> Sequence[Lying]:
        """Every blob to which nobody has written since a moment, in seconds since the epoch."""

    def backing_up(self) -> AbstractContextManager[None]:
        """While the block runs, none is removed, if this place can be copied."""

    def probe(self) -> None:
        """See whether the place takes what is written.

        Raises:
            OSError: it does not.
        """

    def free(self) -> int | None:
        """Bytes for which there is room; None where nobody knows an end."""


def blobs_at(place: str) -> Blobs:
    """The blobs of a folder, or of `s3://BUCKET/PREFIX`.

    Raises:
        UserError: the place is neither, or what S3 needs is not installed.
    """
    if place.startswith(SCHEME):
        from kag.server.bucket import Bucket  # S3 is for who asks for it

        return Bucket.at(place)
    if "://" in place:
        scheme = place.partition("://")[0]
        raise UserError(f"files cannot lie at {scheme}://", where="--files", nearest="a folder, or s3://BUCKET/PREFIX")
    from kag.server.blob_folder import BlobFolder

    if Path(place).exists() and not Path(place).is_dir():
        raise UserError("this is a file, where a folder is needed", where=place, remedy="name a folder by --files")
    return BlobFolder(Path(place))


def new_path() -> str:
    """A path that no blob has."""
    return secrets.token_hex(16)


def key_of(path: str) -> str:
    """Where a blob lies within its place.

    Raises:
        Fault: no blob is called so. Whoever has come by the signing secret can make any link; none leads out.
    """
    if not _BLOB.fullmatch(path):
        raise Fault("no file of this server is called so", status=403)
    return f"{path[:2]}/{path}"


def is_path(name: str) -> bool:
    """Whether a blob may be called so."""
    return _BLOB.fullmatch(name) is not None


class Counted:
    """Content on its way: its size and its digest.

    Args:
        limit: bytes that it may have.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.size = 0
        self._digest = hashlib.md5(usedforsecurity=False)

    def add(self, chunk: bytes) -> bytes:
        """One more piece, as it is.

        Raises:
            Fault: it is one too many.
        """
        self.size += len(chunk)
        if self.limit is not None and self.size > self.limit:
            raise Fault(f"a file may have {self.limit} bytes at most", status=413)
        self._digest.update(chunk)
        return chunk

    def row(self, path: str) -> dict[str, Any]:
        """The row of `blobs`."""
        return {"path": path, "size": self.size, "md5": base64.b64encode(self._digest.digest()).decode()}
