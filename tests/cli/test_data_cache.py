"""`kag data cache`: what is kept is seen and removed, and says which file it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kag.data.opened import open_sites
from tests.cli.conftest import Kag


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("kag.data.opened.SMALLEST", 0)
    monkeypatch.setattr("kag.data.cache.SETTLED", -1e9)
    return tmp_path / "cache"


def listed(kag: Kag) -> list[dict[str, Any]]:
    done = kag("data", "cache", "list", "--json")
    assert done.code == 0, done.error
    entries: list[dict[str, Any]] = json.loads(done.out)["entries"]
    return entries


def test_what_is_kept_is_listed_and_cleared(kag: Kag, folder: Path, synthetic_file: Path) -> None:
    assert listed(kag) == []
    assert "0 B of at most 50.0 GiB" in kag("data", "cache", "list").out
    sites = open_sites(synthetic_file)
    (entry,) = listed(kag)
    assert entry["digest"] == sites.digest
    assert entry["points"] == sites.points
    assert entry["read_from"] == str(synthetic_file)
    assert entry["in_use"] is True
    assert Path(entry["path"]).stat().st_size == entry["bytes"] > sites.bytes
    del sites
    table = kag("data", "cache", "list").out
    assert entry["digest"][:12] in table
    assert " no " in table
    assert "removed" in kag("data", "cache", "clear").out
    assert listed(kag) == []


def test_damaged_arrays_are_listed_as_such(kag: Kag, folder: Path, synthetic_file: Path) -> None:
    open_sites(synthetic_file)
    path = Path(listed(kag)[0]["path"])
    path.write_bytes(path.read_bytes()[:-1])
    assert listed(kag)[0]["digest"] is None
    assert "damaged" in kag("data", "cache", "list").out


def test_no_cache_and_a_limit_that_is_no_number_are_told(kag: Kag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAG_CACHE", "off")
    done = kag("data", "cache", "list")
    assert done.code == 2
    assert "the cache is switched off" in done.error
    monkeypatch.setenv("KAG_CACHE", "cache")
    monkeypatch.setenv("KAG_CACHE_LIMIT", "much")
    done = kag("data", "cache", "clear")
    assert done.code == 2
    assert "`much` is no number of GiB" in done.error
