"""Text beyond U+FFFF, as other programs escape it: whole wherever kag reads text, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kag.changelog.write import add_note
from kag.errors import KagError, RecordError, SpecError, SweepError
from kag.spec.load import load_spec, spec_text
from kag.sweep import read_sweep
from kag.text import joined
from tests.changelog.run_logs import make_folder, run_record

ESCAPED = r"\ud83e\uddea"
WHOLE = "\U0001f9ea"


def spec_file(folder: Path, **texts: str) -> Path:
    """A spec as Python's json writes it."""
    file = folder / "spec.yaml"
    file.write_text(json.dumps({"name": "one", "data": {"file": "/x.h5"}, **texts}))
    return file


def test_halves_become_one_character_in_every_part_of_a_tree() -> None:
    halves = json.loads(f'"{ESCAPED[:6]}"') + json.loads(f'"{ESCAPED[6:]}"')
    assert joined({halves: [halves, 1, None, {"a": halves}]}) == {WHOLE: [WHOLE, 1, None, {"a": WHOLE}]}


def test_a_spec_keeps_it_from_file_to_file(tmp_path: Path) -> None:
    file = spec_file(tmp_path, change=f"a {WHOLE} b")
    assert ESCAPED in file.read_text()
    spec = load_spec(file)
    assert spec.change == f"a {WHOLE} b"
    file.write_text(spec_text(spec), encoding="utf-8")
    assert load_spec(file) == spec


@pytest.mark.parametrize("word", [f'change="{ESCAPED}"', f'{{"change": "{ESCAPED}"}}'])
def test_an_override_keeps_it(tmp_path: Path, word: str) -> None:
    assert load_spec(spec_file(tmp_path), [word]).change == WHOLE


def test_a_sweep_gives_its_client_the_whole_character(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(f'method: grid\nparameters: {{change: {{values: ["{ESCAPED}", plain]}}}}\n')
    assert read_sweep(file).parameters["change"].values == (WHOLE, "plain")  # type: ignore[union-attr]


@pytest.mark.parametrize("half", [r"\ud83e", r"x\uddeay", r"\uddea\ud83e"])
def test_a_half_alone_is_refused_where_it_is_read(tmp_path: Path, half: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(f'name: one\ndata: {{file: /x.h5}}\nchange: "{half}"\n')
    with pytest.raises(SpecError, match="half of a surrogate pair") as caught:
        load_spec(file)
    assert str(caught.value.where) == f"{file}:3"
    with pytest.raises(SpecError, match="half of a surrogate pair"):
        load_spec(spec_file(tmp_path), [f'change="{half}"'])
    file.write_text(f'method: grid\nparameters: {{change: {{values: ["{half}"]}}}}\n')
    with pytest.raises(SweepError, match="half of a surrogate pair"):
        read_sweep(file)


def test_an_argument_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    word = b"change=caf\xe9".decode(errors="surrogateescape")
    with pytest.raises(SpecError, match="not UTF-8"):
        load_spec(spec_file(tmp_path), [word])
    folder = make_folder(tmp_path, run_record())
    with pytest.raises(RecordError, match="not UTF-8"):
        add_note(folder, b"caf\xe9".decode(errors="surrogateescape"))
    assert not folder.notes_file.exists()


def misread(tmp_path: Path, text: str) -> str:
    file = tmp_path / "spec.yaml"
    file.write_text(f"name: one\ndata: {{file: /x.h5}}\n{text}\n")
    try:
        load_spec(file)
    except KagError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("section", ["early_stopping:", "model:\n  periodic:", "model: {periodic: }"])
def test_a_section_that_is_empty_by_accident_is_refused(tmp_path: Path, section: str) -> None:
    said = misread(tmp_path, section)
    assert "nothing stands behind it" in said
    assert "write null to switch it off" in said
    assert not misread(tmp_path, section.rstrip(" }") + (" null}" if "{" in section else " null"))


@pytest.mark.parametrize("section", ["swa:", "change:", "parent:  # none yet"])
def test_a_key_that_is_null_by_default_may_be_empty(tmp_path: Path, section: str) -> None:
    assert not misread(tmp_path, section)


@pytest.mark.parametrize("key", ["swa", "early_stopping", "model.auxiliary", "data.replay", "model.gate.clamp"])
def test_false_for_what_null_switches_off(tmp_path: Path, key: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(spec_file(tmp_path), [f"{key}=false"])
    assert "remedy: write null to switch it off" in str(caught.value)


@pytest.mark.parametrize("text", ["change: see #7", "change: a b  #c d"])
def test_a_text_that_a_hash_cuts_is_noticed(tmp_path: Path, text: str) -> None:
    said = misread(tmp_path, text)
    assert "line 3: change: ends before" in said
    assert "quotes" in said


@pytest.mark.parametrize("text", ["change: 'see #7'", "change: see#7", "change: see  # seven", "epochs: 3 #three"])
def test_a_comment_is_a_comment(tmp_path: Path, text: str) -> None:
    assert not misread(tmp_path, text)
