from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.errors import RecordError
from kag.track.wandb_log import MAGIC, pieces

BLOCK = 32 * 1024


def log_of(records: list[bytes]) -> bytes:
    """A log as LevelDB's format asks for it, block by block."""
    data = bytearray(MAGIC)
    for record in records:
        rest, first = record, True
        while first or rest:
            left = BLOCK - len(data) % BLOCK
            if left < 7:
                data += bytes(left)
                left = BLOCK
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not rest]
            data += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
    return bytes(data)


records = st.lists(
    st.integers(0, 70_000).map(lambda length: (b"%d " % length) * (length // 4)) | st.binary(max_size=40), max_size=6
)


@given(records)
def test_records_of_any_length_are_read(written: list[bytes]) -> None:
    assert list(pieces(log_of(written), where="f")) == written


@pytest.mark.parametrize("last", range(BLOCK - 40, BLOCK - 5))
def test_records_that_end_near_a_block_are_read(last: int) -> None:
    written = [b"x" * (last - 14), b"abc", b"", b"y" * 100]
    assert list(pieces(log_of(written), where="f")) == written


@given(records, st.data())
def test_a_log_cut_anywhere_gives_a_beginning(written: list[bytes], data: st.DataObject) -> None:
    whole = log_of(written)
    cut = data.draw(st.integers(0, len(whole)))
    read = list(pieces(whole[:cut], where="f"))
    assert read == written[: len(read)]
    assert len(log_of(written[: len(read)])) <= max(cut, len(MAGIC))
    zeros = list(pieces(whole[:cut] + bytes(100_000), where="f")) if cut >= len(MAGIC) else read
    assert zeros[: len(read)] == read


def test_damage_inside_is_told_with_its_place() -> None:
    whole = bytearray(log_of([b"first", b"x" * 20_000, b"y" * 70_000]))
    whole[30] ^= 1
    with pytest.raises(RecordError, match="f: is damaged at byte 19"):
        list(pieces(bytes(whole), where="f"))


def test_another_file_is_refused() -> None:
    with pytest.raises(RecordError, match="is not a W&B run file"):
        list(pieces(b"PK\x03\x04 something else", where="f"))
