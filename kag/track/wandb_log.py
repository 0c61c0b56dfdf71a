"""The record log inside a `run-*.wandb` file: LevelDB's log format with W&B's header.

The file is cut into blocks of 32 KiB. A piece is a 7-byte header (CRC-32 of type and data, length, type) and its data;
a record is one piece, or a first, some middle and a last one. See https://github.com/google/leveldb, doc/log_format.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from kag.errors import RecordError

MAGIC = b":W&B\xe1\xbe\x00"
"""Four letters, a magic number and the version of the format."""

_BLOCK = 32 * 1024
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def pieces(data: bytes, *, where: str) -> Iterator[bytes]:
    """The records of a log, in order, up to its torn tail if it has one.

    What a killed writer began is no record. Behind it comes nothing, or zeros where a disk lost its power; anything
    else behind a piece that cannot be read is damage.

    Raises:
        RecordError: it is not such a log, or it is damaged.
    """
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            return
        raise RecordError("is not a W&B run file of version 0", where=where)
    view = memoryview(data)
    position = len(MAGIC)
    parts: list[bytes] = []
    while position + _HEADER.size <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:
            position += left
            continue
        checksum, length, kind = _HEADER.unpack_from(data, position)
        begin, end = position + _HEADER.size, position + _HEADER.size + length
        if end > len(data):
            return
        part = data[begin:end]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or zlib.crc32(view[begin - 1 : end]) != checksum:
            if not data[end:].strip(b"\0"):
                return
            raise RecordError(f"is damaged at byte {position}", where=where)
        position = end
        if kind == _FULL:  # nearly all of them are, and a project has millions
            parts = [part]
            yield part
            continue
        parts = [part] if kind == _FIRST else [*parts, part]
        if kind == _LAST:
            yield b"".join(parts)
