"""Blobs in a folder: each arrives beside its place, is forced to the disk, and is renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response

from kag.server.blobs import Counted, Lying, key_of, new_path
from kag.server.faults import NotFound
from kag.server.locks import alone, at_once
from kag.server.private import opener, private_folder

LOCK = "backup.lock"
"""File in the folder that a backup holds while it copies."""
_PROBE = bytes(64 * 1024)


class BlobFolder:
    """Blobs in a folder; see `Blobs`.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def prepare(self) -> None:
        """Make the folder, or close it to others; see `Blobs.prepare`."""
        private_folder(self.folder)

    async def receive(self, body: AsyncIterator[bytes], *, limit: int) -> dict[str, Any]:
        """Keep an upload; see `Blobs.receive`."""
        path, counted = new_path(), Counted(limit)
        with self._arriving(path) as file:
            async for chunk in body:
                file.write(counted.add(chunk))
        return counted.row(path)

    def keep(self, content: bytes) -> dict[str, Any]:
        """Keep what this server makes itself; see `Blobs.keep`."""
        path, counted = new_path(), Counted()
        with self._arriving(path) as file:
            file.write(counted.add(content))
        return counted.row(path)

    def take(self, path: str, file: Path) -> None:
        """Copy a file, one of many that are forced to the disk together; see `Blobs.take`."""
        with file.open("rb") as reading, self._arriving(path, forced=False) as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)

    @contextmanager
    def _arriving(self, path: str, *, forced: bool = True) -> Iterator[BinaryIO]:
        """A new blob that is there in full or not at all."""
        target = self.place(path)
        private_folder(target.parent)
        part = target.with_suffix(".part")
        try:
            with open(part, "wb", opener=opener) as file:
                yield file
                if forced:
                    file.flush()
                    os.fsync(file.fileno())
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)

    def place(self, path: str) -> Path:
        """Where a blob lies; a Fault if none is called so."""
        return self.folder / key_of(path)

    def size(self, path: str) -> int | None:
        """Bytes of a blob, or None; see `Blobs.size`."""
        place = self.place(path)
        return place.stat().st_size if place.is_file() else None

    def there(self, paths: Sequence[str]) -> set[str]:
        """Which of some blobs are there; see `Blobs.there`."""
        return {path for path in paths if self.place(path).is_file()}

    def read(self, path: str) -> bytes:
        """All of a blob; see `Blobs.read`."""
        return self.place(path).read_bytes()

    def answer(self, path: str, asked: Headers, *, media_type: str, headers: Mapping[str, str]) -> Response:
        """A download; the response itself reads what is asked for. See `Blobs.answer`."""
        place = self.place(path)
        if not place.is_file():
            raise NotFound("this file is gone")
        return FileResponse(place, media_type=media_type, headers=headers)

    def remove(self, paths: Iterable[str]) -> None:
        """Take blobs away; while a backup copies the folder they stay, for a sweep to find later.

        A backup that begins after the look at its lock does not know these rows any more, and needs none of them.
        """
        if (self.folder / LOCK).exists():
            free = at_once(self.folder / LOCK, shared=True)
            if free is None:
                return
            os.close(free)
        for path in paths:
            (self.folder / path[:2] / path).unlink(missing_ok=True)

    def lying(self, *, before: float) -> Sequence[Lying]:
        """Every file, halves of uploads that were killed among them; see `Blobs.lying`."""
        found = ((path, path.stat()) for path in self.folder.glob("*/*") if path.is_file())
        return [Lying(path.name, stat.st_size) for path, stat in found if stat.st_mtime < before]

    @contextmanager
    def backing_up(self) -> Iterator[None]:
        """Hold the lock of a backup; see `Blobs.backing_up`."""
        self.prepare()
        with alone(self.folder / LOCK):
            yield

    def probe(self) -> None:
        """Write to the disk; see `Blobs.probe`."""
        with tempfile.TemporaryFile(dir=self.folder) as file:
            file.write(_PROBE)

    def free(self) -> int | None:
        """Room on the disk."""
        return shutil.disk_usage(self.folder).free
