from __future__ import annotations

import os
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest
from files_from_others import FROM_OTHERS, MESSAGES_FROM_OTHERS, SECRET, VIRTUAL, virtual
from malformed_files import replace, write_small

from kag.data import room
from kag.data.read import read_sites
from kag.errors import DataError


def refusal(path: Path, *, allow_virtual: bool = False, copies: int = 1) -> str:
    with pytest.raises(DataError) as caught:
        read_sites(path, allow_virtual=allow_virtual, copies=copies)
    return str(caught.value)


@pytest.mark.parametrize("fault", FROM_OTHERS)
def test_what_the_file_does_not_hold_is_refused_by_name(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "faulty.h5"
    FROM_OTHERS[fault](path)
    text = refusal(path)
    assert text.startswith(str(path))
    for part in MESSAGES_FROM_OTHERS[fault]:
        assert part in text
    assert SECRET not in text
    assert "damaged" not in text


@pytest.mark.parametrize("fault", VIRTUAL)
def test_an_allowed_view_shows_what_was_written_or_is_refused(tmp_path: Path, fault: str) -> None:
    build, messages = VIRTUAL[fault]
    path = tmp_path / "faulty.h5"
    build(path)
    text = refusal(path, allow_virtual=True)
    for part in messages:
        assert part in text


def test_an_allowed_view_on_good_data_reads_as_the_data(tmp_path: Path) -> None:
    write_small(tmp_path / "plain.h5")
    virtual("tabular")(tmp_path / "view.h5")
    seen = read_sites(tmp_path / "view.h5", allow_virtual=True)
    assert seen.digest == read_sites(tmp_path / "plain.h5").digest


def test_zeros_that_were_allocated_early_were_written(tmp_path: Path) -> None:
    """A writer that asks for all room at once leaves no chunk out, whatever it writes."""
    path = tmp_path / "early.h5"
    write_small(path)
    with h5py.File(path, "r+") as file:
        array = file["labels"][:]
        del file["labels"]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((20,))
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space, kind = h5py.h5s.create_simple((100,)), h5py.h5t.py_create(array.dtype)
        made = h5py.Dataset(h5py.h5d.create(file.id, b"labels", kind, space, plan))
        for row in np.flatnonzero(array):
            made[row] = array[row]
    assert read_sites(path).label_N.tolist() == array.tolist()


def test_what_is_no_regular_file_is_not_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    os.mkfifo("pipe.h5")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.h5")
        for path in ("pipe.h5", "socket.h5", "/dev/zero"):
            assert "a pipe, a socket or a device" in refusal(Path(path))


def test_memory_is_asked_for_all_processes_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "good.h5"
    write_small(path)
    assert read_sites(path, copies=2).points == 100
    text = refusal(path, copies=2**30)
    assert f"in {2**30} processes" in text
    assert " TiB of memory" in text


def test_a_chunk_that_is_larger_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chunk.h5"
    write_small(path)
    with h5py.File(path, "r+") as file:
        replace(file, "tabular", file["tabular"][:], chunks=(2**20, 3), maxshape=(None, 3), compression="gzip")
    monkeypatch.setattr(room, "free_memory", lambda: (2**24, "a small machine"))
    text = refusal(path)
    for part in ("`tabular`", "24.0 MiB for a chunk", "a small machine has 16.0 MiB free"):
        assert part in text


def _large_esm(path: Path, *, renumbered: bool) -> Path:
    """A small file with an `esm` of one chunk of 64 MiB; the table may lack the centre of a point."""
    write_small(path)
    with h5py.File(path, "r+") as file:
        replace(file, "esm", file["esm"][:], chunks=(2**22, 4), maxshape=(None, 4), compression="gzip")
        if renumbered:
            del file["neighbor_resnums"]
            file["residue_numbers"][7] = 9999
    return path


def test_an_esm_that_is_not_read_needs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _large_esm(tmp_path / "esm.h5", renumbered=False)
    monkeypatch.setattr("kag.data.centres.CHEAP_BYTES", 2**20)
    monkeypatch.setattr(room, "free_memory", lambda: (2**24, "a small machine"))
    sites = read_sites(path)
    assert sites.points == 100
    assert "was not compared" in sites.unchecked[0]
    with pytest.raises(DataError, match=r"128\.0 MiB for a chunk") as caught:
        read_sites(path, thorough=True)
    assert "`/esm`" in str(caught.value)


def test_an_esm_that_must_be_read_needs_room_for_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _large_esm(tmp_path / "esm.h5", renumbered=True)
    monkeypatch.setattr("kag.data.centres.CHEAP_BYTES", 2**20)
    monkeypatch.setattr(room, "free_memory", lambda: (2**24, "a small machine"))
    for part in ("`/esm`", "in 2 processes needs 256.0 MiB for a chunk", "a small machine has 16.0 MiB free"):
        assert part in refusal(path, copies=2)
    monkeypatch.setattr(room, "free_memory", lambda: (2**28, "a machine"))
    assert read_sites(path, copies=2).residue_number_R[-1] == 9999


def test_a_good_file_is_read_where_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "good.h5"
    write_small(path)
    monkeypatch.setattr(room, "free_memory", lambda: (2**20, "a small machine"))
    assert read_sites(path).points == 100


def test_a_filter_that_is_there_is_no_fault(tmp_path: Path) -> None:
    """What HDF5 itself can undo is not refused."""
    path = tmp_path / "lzf.h5"
    write_small(path)
    digest = read_sites(path).digest
    with h5py.File(path, "r+") as file:
        replace(file, "tabular", file["tabular"][:], compression="lzf", shuffle=True)
    assert read_sites(path).digest == digest
