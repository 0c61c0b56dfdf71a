from __future__ import annotations

from pathlib import Path

import pytest

from kag.errors import SpecError
from kag.spec import load_spec
from kag.spec.keys import known_keys, nearest_key

MANY = """\
nam: x
epochs: -3
data:
  file: sites.h5
  batch_size: 0
  grouping: proteins
model:
  pos_weight: 45
  hidden: [64, 0]
  gate:
    penalty:
      weight: {start: 0.1, end: 0.5, epochs: 0}
    clamp: [0.7, 0.3]
optimizer:
  lr: "1e-4"
"""


def text_of(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    assert caught.value.where is not None
    assert caught.value.where.startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ").splitlines()


def test_all_violations_come_at_once(tmp_path: Path) -> None:
    lines = text_of(tmp_path, MANY)
    assert lines[0] == "10 problems"
    said = {
        "  name: missing",
        '  line 1: nam = "x": unknown key',
        "  line 2: epochs = -3: input should be greater than or equal to 1",
        "  line 5: data.batch_size = 0: input should be greater than or equal to 2",
        "  line 6: data.grouping = \"proteins\": input should be 'point', 'protein' or 'residue'",
        "  line 8: model.pos_weight = 45: unknown key",
        "  line 9: model.hidden.1 = 0: input should be greater than or equal to 1",
        "  line 13: model.gate.clamp = [0.7, 0.3]: needs 0 <= low < high <= 1",
        '  line 15: optimizer.lr = "1e-4": input should be a valid number',
    }
    assert said <= set(lines)
    assert any(line.startswith("  line 12: model.gate.penalty.weight = ") for line in lines)
    after = {line.strip(): lines[i + 1].strip() for i, line in enumerate(lines[:-1])}
    assert after["line 8: model.pos_weight = 45: unknown key"] == "nearest known key: loss.pos_weight"
    assert after['line 1: nam = "x": unknown key'] == "nearest known key: name"
    assert after['line 15: optimizer.lr = "1e-4": input should be a valid number'] == "remedy: remove the quotes"
    assert after["name: missing"] == "remedy: add `name: ...`"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("model.pos_weight", "loss.pos_weight"),
        ("max_lr", "optimizer.schedule.max_lr"),
        ("optimizer.max_lr", "optimizer.schedule.max_lr"),
        ("model.atention.heads", "model.attention.heads"),
        ("model.attention.head", "model.attention.heads"),
        ("optimiser", "optimizer"),
        ("model.gate.penalty_weight", "model.gate.penalty.weight"),
        ("data.grouping_mode", "data.grouping"),
        ("swa.windows", "swa.window"),
        ("qqqqqqqqqqqq", None),
    ],
)
def test_the_nearest_known_key(key: str, nearest: str | None) -> None:
    assert nearest_key(key) == nearest


def test_every_known_key_is_nearest_to_itself() -> None:
    assert [nearest_key(key) for key in known_keys()] == list(known_keys())


def test_an_override_is_named_as_the_place(tmp_path: Path) -> None:
    text = "name: x\ndata: {file: a.h5}\nmodel: {hidden: [64, 32]}\nswa:\n  start: -1\n"
    lines = text_of(tmp_path, text, "model.hidden=[64, 0, 16]", "epochs=0", 'swa={"window": 3}', "model.gate.kind=mpl")
    assert lines[0] == "4 problems"
    assert "  override: model.hidden.1 = 0: input should be greater than or equal to 1" in lines
    assert "  override: epochs = 0: input should be greater than or equal to 1" in lines
    assert "  override: model.gate.kind = \"mpl\": input should be 'mlp', 'scalar', 'fixed' or 'closed'" in lines
    assert "  line 5: swa.start = -1: input should be greater than or equal to 0" in lines


def test_a_missing_key_of_a_section_is_placed_at_the_section(tmp_path: Path) -> None:
    lines = text_of(tmp_path, "name: x\ndata: {file: a.h5}\nswa:\n  start: 4\n")
    assert lines == ["1 problem", "  line 3: swa.window: missing", "    remedy: add `swa.window: ...`"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("loss.pos_weight=automatic", "loss.pos_weight = \"automatic\": must be 'auto', a number or a ramp"),
        ("loss.pos_weight=-1", "must not fall below 0"),
        ("trainer.devices=all", "trainer.devices = \"all\": must be 'auto' or a number"),
        ("trainer.devices=0", "trainer.devices = 0: input should be greater than or equal to 1"),
        ("loss.auto=1", "loss.auto = 1: unknown key"),
        ("loss.pos_weight.ramp=1", "loss.pos_weight.ramp = 1: unknown key"),
        ("model.gate.dropout.rate=1", "must stay within [0, 1)"),
        ("model.gate.penalty.weight=null", "model.gate.penalty.weight = null: must be a number or a section"),
        ("model=3", "model = 3: must be a section"),
        ("model.hidden=[]", "at least 1 item"),
        ("track.tags=swa", 'track.tags = "swa": input should be a list'),
        ("track.tags=swa", "remedy: write a list: track.tags='[\"swa\"]'"),
        ('{"change": 1.5}', "remedy: put it in quotes"),
        ("epochs=ten", 'epochs = "ten": input should be a valid integer'),
        ("data.file=", "data.file"),
        ("epochs=1000001", "less than or equal to 1000000"),
        ("optimizer.lr=1e400", "optimizer.lr = Infinity: input should be a finite number"),
        ("name=a/b", "needs 1 to 64 letters"),
    ],
)
def test_violations_speak_of_specs_not_of_python(tmp_path: Path, override: str, said: str) -> None:
    text = "\n".join(text_of(tmp_path, "name: x\ndata: {file: a.h5}\n", override))
    assert said in text
    for foreign in ("tuple", "dictionary", "instance of", "Spec", "pydantic", "tagged-union"):
        assert foreign not in text
    assert ("remove the quotes" in text) is False


def test_a_dotted_key_in_the_file_is_told_how_to_nest(tmp_path: Path) -> None:
    lines = text_of(tmp_path, "name: x\ndata: {file: a.h5}\nmodel.gate.temperature: 2.0\n")
    assert lines[1:] == [
        "  line 3: model.gate.temperature = 2.0: unknown key",
        "    remedy: write it nested: model: {gate: {temperature: ...}}",
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: x\ndata: {file: a.h5}\nname: y\n", 3, "a key appears twice"),
        ("name: x\ndata:\n  file: a.h5\n  file: b.h5\n", 4, "a key appears twice"),
        ("name: x\ndata:\n\tfile: a.h5\n", 3, "not YAML"),
        ("name: x\n7: y\n", 2, "the key 7 is not a word"),
        ("name: x\ndata: {file: a.h5, 1.5: y}\n", 2, "the key 1.5 is not a word"),
        ("name: x\nmodel: {hidden: [{null: 1}]}\n", 2, "not a word"),
        ("name: x\ndata: &a {file: *a}\n", 2, "stands inside what it names"),
        ("name: x\nchange: \x07\n", 2, "holds the character 0x7"),
        ("name: x\n---\nname: y\n", 2, "another document"),
        ("name: x\nseed: !!python/name:os.system\n", 2, "not plain YAML"),
    ],
)
def test_a_file_that_is_no_spec_is_refused_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=said) as caught:
        load_spec(path)
    assert caught.value.where == f"{path}:{line}"


def test_a_value_of_any_size_is_cut_short(tmp_path: Path) -> None:
    bomb = "name: x\ndata: {file: a.h5}\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for new, old in zip("bcde", "abcd", strict=True):
        bomb += f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n"
    assert all(len(line) < 200 for line in text_of(tmp_path, bomb))
    path = tmp_path / "spec.yaml"
    path.write_text(bomb + f"f: [{', '.join(['*e'] * 8)}]\n")
    with pytest.raises(SpecError, match="more than 100,000 keys and values"):
        load_spec(path)
