"""Data that were moved or renamed are found by their digest, and others are never taken for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kag.data.facts import DataFacts
from kag.data.read import read_sites
from kag.data.whereabouts import KnownData, moved, places_near
from kag.errors import DataError


@pytest.fixture
def data(tmp_path: Path, synthetic_file: Path) -> Path:
    """The file where the spec says, on the machine that is gone."""
    path = tmp_path / "old" / "project" / "data" / "sites.h5"
    path.parent.mkdir(parents=True)
    shutil.copy(synthetic_file, path)
    return path


def known(data: Path, *places: Path, sized: bool = True) -> KnownData:
    sites = read_sites(data)
    return KnownData(data, sites.digest, places, lambda: DataFacts.of(sites, 20.0).sizes if sized else None)


def send(data: Path, place: Path) -> Path:
    """Move the file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    return data.rename(place)


@pytest.mark.parametrize("place", ["project/data/sites.h5", "data/sites.h5", "sites.h5", "renamed.h5", "data/other.h5"])
def test_data_are_found_under_the_end_of_their_path_or_by_their_form(data: Path, tmp_path: Path, place: str) -> None:
    wanted, new, said = known(data, tmp_path / "new"), tmp_path / "new" / place, []
    send(data, new)
    found = wanted.find(say=said.append)
    assert (found.path, found.digest) == (new, wanted.digest)
    assert said[-1] == f"they are at {new}"


def test_a_file_that_was_renamed_where_it_stood_is_found(data: Path) -> None:
    wanted = known(data)
    new = send(data, data.with_name("sites of may.h5"))
    assert wanted.find(say=lambda _: None).path == new


def test_data_that_stay_where_they_were_are_read_once_and_nothing_is_said(data: Path) -> None:
    said: list[str] = []
    assert known(data).find(say=said.append).path == data
    assert said == []


@pytest.mark.parametrize("name", ["sites.h5", "else.h5"])
def test_other_data_are_never_taken(data: Path, tmp_path: Path, name: str, benchmark_file: Path) -> None:
    wanted = known(data, tmp_path / "new")
    data.unlink()
    (tmp_path / "new").mkdir()
    other = Path(shutil.copy(benchmark_file, tmp_path / "new" / name))
    with pytest.raises(DataError, match="is not there") as nowhere:
        wanted.find(say=lambda _: None, others_too=True)
    assert f"looked at: {other}" in str(nowhere.value)
    assert "--data FILE, or set KAG_DATA" in str(nowhere.value)


@pytest.fixture(scope="module")
def benchmark_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other data of the same form."""
    from kag.data.synth import synthesise

    path = tmp_path_factory.mktemp("benchmark") / "other.h5"
    synthesise(path, proteins=4, points_per_protein=30, embedding=16, seed=3)
    return path


def test_what_lies_in_their_place_now_is_taken_only_where_the_caller_says_so(data: Path, benchmark_file: Path) -> None:
    wanted = known(data)
    shutil.copy(benchmark_file, data)
    with pytest.raises(DataError, match="holds the data"):
        wanted.find(say=lambda _: None)
    assert wanted.find(say=lambda _: None, others_too=True).path == data


def test_what_has_another_form_or_is_no_data_file_is_not_read(data: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / "notes.h5").write_text("no HDF5")
    same = Path(shutil.copy(data, new / "a.h5"))
    sizes = DataFacts.of(read_sites(data), 20.0).sizes
    assert moved(data, [new], sizes) == [same]
    assert moved(data, [new], {**sizes, "embedding": 2560}) == []


def test_a_file_of_the_name_that_cannot_be_read_is_told_and_passed(data: Path, tmp_path: Path) -> None:
    wanted, said = known(data, tmp_path / "new"), []
    new = send(data, tmp_path / "new" / "data" / "good.h5")
    (tmp_path / "new" / "sites.h5").write_bytes(new.read_bytes()[:999])
    assert wanted.find(say=said.append).path == new
    assert any("cannot be read" in line for line in said)


def test_the_places_are_those_around_the_runs_and_the_folder_of_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "project" / "runs"
    assert places_near(runs, {}) == (runs, runs.parent, Path(os.getcwd()))
    assert places_near(runs, {"KAG_DATA": "/disk"})[-1] == Path("/disk")
