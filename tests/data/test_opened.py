"""What comes out of the cache is what a reading of the file gives, whatever has happened to either."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from malformed_files import edited, replace, value, without, write_small

from kag.data import opened, room
from kag.data.array_file import is_mapped
from kag.data.cache import Cache, FileKey
from kag.data.facts import EmbeddingFacts
from kag.data.opened import ARRAYS, open_sites
from kag.data.read import read_sites
from kag.data.sites import Purpose, Sites
from kag.data.soundness import soundness
from kag.data.tables import SiteTables, train_statistics
from kag.errors import DataError

Open = Callable[..., Sites]
PLAIN = ("proteins", "features", "path", "digest", "labelled", "embedding_stated", "unchecked", "purpose", "parts")


def later() -> float:
    """A moment at which what a test writes was written long ago."""
    return time.time() + 60.0


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit=2**30)


@pytest.fixture
def open_(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(opened, "SMALLEST", 0)
    return partial(open_sites, cache=cache, now=later)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.h5"
    write_small(path)
    return path


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were opened as HDF5, one entry for each time."""
    times: list[Path] = []

    class Counted(h5py.File):
        def __init__(self, path: Path, *args: object, **options: object) -> None:
            times.append(Path(path))
            super().__init__(path, *args, **options)

    monkeypatch.setattr(h5py, "File", Counted)
    return times


def require_equal(one: Sites, other: Sites) -> None:
    for name in ARRAYS:
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype, name
        assert np.array_equal(first, second), name
    for name in PLAIN:
        assert getattr(one, name) == getattr(other, name), name


def outcome(read: Open, path: Path, purpose: Purpose) -> str | dict[str, object]:
    """What comes of reading a file: all that is in it, or the refusal."""
    try:
        sites = read(path, purpose)
    except DataError as error:
        return str(error)
    return {name: getattr(sites, name) for name in PLAIN} | {name: getattr(sites, name).tolist() for name in ARRAYS}


def stored(cache: Cache) -> list[Path]:
    return [entry.path for entry in cache.entries()]


def test_every_array_and_fact_is_that_of_a_reading(open_: Open, file: Path, readings: list[Path]) -> None:
    plain = read_sites(file)
    readings.clear()
    for times in (1, 1, 1):
        sites = open_(file)
        assert len(readings) == times, "only the first one reads the file"
        require_equal(sites, plain)
        assert soundness(sites) == soundness(plain)
        assert EmbeddingFacts.of(sites, "train") == EmbeddingFacts.of(plain, "train")
        assert EmbeddingFacts.of(sites, "all") == EmbeddingFacts.of(plain, "all")
        for one, two in zip(train_statistics(sites), train_statistics(plain), strict=True):
            assert one.dtype == two.dtype
            assert one.tolist() == two.tolist()


def test_what_was_worked_out_beforehand_is_used(open_: Open, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_(file)
    sites = open_(file)
    broken = [np.full_like(getattr(sites, name), 0) for name in ("residue_RD", "tabular_NF")]
    known = sites.prepared
    assert known is not None
    object.__setattr__(sites, "residue_RD", broken[0])
    object.__setattr__(sites, "tabular_NF", broken[1])
    assert EmbeddingFacts.of(sites, "train") == known.embedded
    assert train_statistics(sites)[1].tolist() == list(known.std_F or ())


def test_arrays_of_the_cache_cannot_be_written_to(open_: Open, file: Path) -> None:
    sites = open_(file)
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(sites, name)[0] = 0
    SiteTables.from_sites(sites, 30.0)  # torch has no word about it


def test_a_file_that_was_changed_in_place_is_read_again(open_: Open, file: Path) -> None:
    """Same name, inode, size and time of its content: what nobody can set back is the time of the change."""
    before, times = open_(file), file.stat()
    with h5py.File(file, "r+") as edit:
        edit["tabular"][0, 0] += 1.0
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = open_(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    assert after.digest != before.digest
    require_equal(after, read_sites(file))


def test_a_file_that_was_just_written_is_not_trusted(open_: Open, cache: Cache, file: Path) -> None:
    said: list[str] = []
    require_equal(open_(file, now=time.time, say=said.append), read_sites(file))
    assert said == [f"{file} was written a moment ago: it is read without the cache"]
    assert not stored(cache)


def test_a_file_that_changes_while_it_is_read_is_refused(
    open_: Open, cache: Cache, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads(*args: object, **options: object) -> Sites:
        sites = read_sites(*args, **options)  # type: ignore[arg-type]
        with h5py.File(file, "r+") as edit:
            edit["labels"][0] = 1 - edit["labels"][0]
        return sites

    monkeypatch.setattr(opened, "read_sites", reads)
    with pytest.raises(DataError, match="changed while it was read"):
        open_(file)
    assert not list((cache.folder / "arrays").iterdir()), "nothing of it stays"


def test_files_of_one_shape_are_never_taken_for_one_another(open_: Open, cache: Cache, tmp_path: Path) -> None:
    """Nor is one of the same content with other residue numbers, on which the digest does not depend."""
    paths = [tmp_path / f"{name}.h5" for name in ("one", "two", "three")]
    write_small(paths[0])
    value("tabular", (3, 1), 7.5)(paths[1])
    write_small(paths[2])
    with h5py.File(paths[2], "r+") as edit:
        for name in ("residue_numbers", "residue_numbers_table", "neighbor_resnums"):
            edit[name][:] += 1000
    for path in (*paths, *paths):
        require_equal(open_(path), read_sites(path))
    assert open_(paths[0]).digest == open_(paths[2]).digest
    assert len(stored(cache)) == 3


def test_copies_of_a_file_share_one_copy_of_the_arrays(open_: Open, cache: Cache, file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "copy.h5")
    require_equal(open_(tmp_path / "copy.h5"), read_sites(tmp_path / "copy.h5"))
    require_equal(open_(file), read_sites(file))
    assert len(stored(cache)) == 1


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "fault", [value("labels", 3, 2), without("labels"), without("split"), edited(lambda file: None)]
)
def test_what_was_kept_for_one_purpose_serves_another_only_as_reading_would(
    open_: Open, tmp_path: Path, fault: Callable[[Path], None], purpose: Purpose
) -> None:
    path = tmp_path / "file.h5"
    fault(path)
    for before in (Purpose.PREDICTION, Purpose.EVALUATION):
        try:
            open_(path, before)
        except DataError:
            continue
    assert outcome(open_, path, purpose) == outcome(read_sites, path, purpose)


@pytest.mark.parametrize("damage", ["cut", "grown", "bit", "empty"])
def test_damaged_arrays_are_prepared_anew(open_: Open, cache: Cache, file: Path, damage: str) -> None:
    open_(file)
    (path,) = stored(cache)
    whole = path.read_bytes()
    spoilt = {"cut": whole[:-5000], "grown": whole + b"\0", "empty": b""}
    at = whole.index(b'"digest"') + 12
    path.write_bytes(spoilt.get(damage, whole[:at] + b"?" + whole[at + 1 :]))
    require_equal(open_(file), read_sites(file))
    assert path.read_bytes() == whole


def test_a_full_disk_is_told_and_the_data_are_read(
    open_: Open, cache: Cache, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    said: list[str] = []
    require_equal(open_(file, say=said.append), read_sites(file))
    assert len(said) == 1
    assert "read without the cache" in said[0]
    assert "no space left on device" in said[0]
    assert not list((cache.folder / "arrays").iterdir())


def test_a_folder_that_takes_nothing_is_told_and_the_data_are_read(open_: Open, file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder")
    said: list[str] = []
    sites = open_(file, cache=Cache(tmp_path / "taken", 2**30), say=said.append)
    require_equal(sites, read_sites(file))
    assert len(said) == 1
    assert "read without the cache" in said[0]


def test_data_larger_than_the_cache_may_be_are_read_without_it(open_: Open, cache: Cache, file: Path) -> None:
    said: list[str] = []
    small = Cache(cache.folder, limit=1000)
    require_equal(open_(file, cache=small, say=said.append), read_sites(file))
    assert "the cache may take 1000 B" in said[0]
    assert "KAG_CACHE_LIMIT" in said[0]


def test_what_was_not_used_for_the_longest_time_goes_first(open_: Open, cache: Cache, tmp_path: Path) -> None:
    """What a process maps stays, however old; what was opened again is young."""
    paths = [tmp_path / f"{place}.h5" for place in range(4)]
    for place, path in enumerate(paths):
        value("tabular", (0, 0), float(place))(path)
    held = open_(paths[0])
    for path in paths[1:3]:
        open_(path)
    for age, entry in enumerate(reversed(cache.entries())):
        os.utime(entry.path, (1000.0 + age, 1000.0 + age))
    open_(paths[1])
    size = cache.entries()[0].bytes
    tight = Cache(cache.folder, limit=3 * size + 100)
    open_(paths[3], cache=tight)
    digests = {entry.facts()["digest"] for entry in cache.entries()}  # type: ignore[index]
    assert digests == {read_sites(paths[place]).digest for place in (0, 1, 3)}
    require_equal(held, read_sites(paths[0]))
    links = [path for path in (cache.folder / "by-file").iterdir() if path.is_symlink()]
    assert len(links) == 3, "no link leads nowhere"


def test_arrays_in_use_survive_that_all_is_cleared(open_: Open, cache: Cache, file: Path) -> None:
    sites = open_(file)
    assert [entry.in_use for entry in cache.entries()] == [True]
    assert len(cache.clear()) == 1
    assert not [path for folder in cache.folder.iterdir() for path in folder.iterdir()]
    require_equal(sites, read_sites(file))
    del sites
    open_(file)
    assert [entry.in_use for entry in cache.entries()] == [False]


def test_two_that_open_a_file_at_once_prepare_it_once(
    open_: Open, cache: Cache, file: Path, readings: list[Path]
) -> None:
    waits, found = threading.Event(), []
    other = threading.Thread(target=lambda: found.append(open_(file, say=lambda _: waits.set())))
    with cache.preparing(FileKey.of(file), lambda: None):
        other.start()
        assert waits.wait(30.0), "it says that it waits"
        opened._prepared(cache, FileKey.of(file), file, Purpose.TRAINING)
    other.join(30.0)
    assert len(readings) == 1
    require_equal(found[0], read_sites(file))


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(
    open_: Open, cache: Cache, file: Path
) -> None:
    open_(file)
    left = cache.temporary()
    left.write_bytes(b"half")
    writing = opened.ArrayWriter(cache.temporary())
    cache.make_room(0)
    inside = [path for path in (cache.folder / "arrays").iterdir() if path.name.startswith(".")]
    assert left not in inside
    assert len(inside) == 1
    assert is_mapped(inside[0])
    writing.close()


def test_nobody_else_may_read_what_is_kept(open_: Open, cache: Cache, file: Path) -> None:
    open_(file)
    paths = [path for path in (cache.folder, *cache.folder.rglob("*")) if not path.is_symlink()]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_arrays_need_not_fit_into_memory(open_: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.h5"
    write_small(path)
    with h5py.File(path, "r+") as file:
        rows = len(file["residue_embeddings"])
        replace(file, "residue_embeddings", np.random.default_rng(0).normal(size=(rows, 4096)).astype(np.float32))
        del file["esm"]
        del file.attrs["esm_dimension"]
    monkeypatch.setattr(room, "free_memory", lambda: (2**20, "a small machine"))
    with pytest.raises(DataError, match="a small machine has"):
        read_sites(path)
    assert open_(path).residue_RD.nbytes > 2**20


def test_a_small_file_is_read_and_not_kept(cache: Cache, file: Path) -> None:
    open_sites(file, cache=cache, now=later)
    assert not cache.folder.exists()


@pytest.mark.parametrize("thorough", [False, True])
def test_esm_is_compared_where_that_is_cheap_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    """A chunk that is too much is not decompressed, and it is said."""
    path = tmp_path / "esm.h5"
    write_small(path)
    with h5py.File(path, "r+") as file:
        replace(file, "esm", file["esm"][:] + 1.0, chunks=(50, 4), compression="gzip")
    monkeypatch.setattr("kag.data.centres.CHEAP_BYTES", 50 * 4 * 4 - 1)
    if thorough:
        with pytest.raises(DataError, match="embedding differs"):
            read_sites(path, thorough=True)
        return
    (sentence,) = read_sites(path).unchecked
    assert "`esm` was not compared" in sentence
    assert "800 B would have to be read" in sentence
    monkeypatch.setattr("kag.data.centres.CHEAP_BYTES", 50 * 4 * 4)
    with pytest.raises(DataError, match="embedding differs"):
        read_sites(path)
