"""Keys that do nothing any more: files that have them stay good, overrides that name them are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kag.errors import SpecError
from kag.spec import RunSpec, flat, load_spec
from kag.spec.keys import known_keys
from kag.spec.load import read_spec
from kag.spec.retired import RETIRED, retired_in, retired_sentence, without_retired

OLD = "name: old\ndata: {file: a.h5, workers: 2}\ntrainer: {devices: 3, strategy: ddp}\n"
SENTENCE = "data.workers and trainer.strategy do nothing any more: "


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(OLD)
    return path


def test_an_old_file_is_the_same_spec_without_them(old: Path, tmp_path: Path) -> None:
    spec, retired = read_spec(old)
    assert retired == ("data.workers", "trainer.strategy")
    assert retired_sentence(retired).startswith(SENTENCE)
    new = tmp_path / "new.yaml"
    new.write_text("name: old\ndata: {file: a.h5}\ntrainer: {devices: 3}\n")
    assert read_spec(new) == (spec, ())
    assert load_spec(old) == spec
    assert spec.trainer.devices == 3
    assert not set(RETIRED) & set(flat(spec))


def test_other_unknown_keys_are_refused_as_before(old: Path) -> None:
    old.write_text(OLD.replace("workers", "wrkers"))
    with pytest.raises(SpecError, match=r"line 2: data\.wrkers = 2: unknown key"):
        load_spec(old)


@pytest.mark.parametrize("word", ["data.workers=2", "--trainer.strategy=ddp", '{"data": {"workers": 2}, "seed": 1}'])
def test_an_override_is_refused_unless_a_sweep_gives_it(old: Path, word: str) -> None:
    with pytest.raises(SpecError, match="does nothing any more") as caught:
        read_spec(old, [word])
    assert caught.value.remedy == "leave it out"
    assert read_spec(old, [word], trial=True) == read_spec(old, ['{"seed": 1}'] if "seed" in word else [])


def test_they_are_found_and_left_out_wherever_they_stand() -> None:
    stored = {"data": {"file": "a", "workers": 0}, "trainer.strategy": "ddp", "track": None}
    assert retired_in(stored) == ("data.workers", "trainer.strategy")
    assert without_retired(stored) == {"data": {"file": "a"}, "track": None}
    assert retired_in({"workers": 1, "data": 3}) == ()
    spec = RunSpec.model_validate(without_retired(json.loads('{"name": "x", "data": {"file": "a", "workers": 9}}')))
    assert spec.data.file == "a"


def test_no_key_is_retired_and_alive() -> None:
    assert not set(RETIRED) & set(known_keys())
