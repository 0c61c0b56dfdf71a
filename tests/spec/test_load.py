from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from valid_specs import specs

from kag.errors import SpecError
from kag.finding import Severity
from kag.spec import RunSpec, build_spec, flat, load_spec, spec_text
from kag.spec.flat import flatten
from kag.spec.overrides import parse_overrides
from kag.spec.preflight import preflight
from kag.spec.ramp import Ramp
from kag.spec.text import read_yaml

MINIMAL = "name: x\ndata: {file: sites.h5}\n"
RAMP = MINIMAL + "model: {gate: {penalty: {weight: {start: 0.15, end: 0.05, epochs: 15}}}}\n"
SPECS = Path(__file__).parents[2] / "runs" / "specs"

OCTOBER_17 = {
    "seed": 42,
    "epochs": 80,
    "data.batch_size": 640,
    "data.grouping": "point",
    "data.max_distance": 30.0,
    "data.replay": None,
    "model.hidden": "[1024, 512, 256]",
    "model.dropout": 0.2,
    "model.modality_dropout": 0.1,
    "model.norm": "batch",
    "model.periodic": None,
    "model.attention.heads": 6,
    "model.attention.layers": 2,
    "model.attention.width": 2400,
    "model.attention.feedforward": 1280,
    "model.attention.dropout": 0.2,
    "model.attention.distance_bias": "learned",
    "model.attention.pooling": "mean",
    "model.gate.kind": "mlp",
    "model.gate.clamp": None,
    "model.gate.temperature": 1.5,
    "model.gate.penalty.weight.start": 0.15,
    "model.gate.penalty.weight.end": 0.05,
    "model.gate.penalty.weight.epochs": 15,
    "model.gate.penalty.target": 0.6,
    "model.gate.dropout.rate.start": 0.25,
    "model.gate.dropout.rate.end": 0.05,
    "model.gate.dropout.rate.epochs": 15,
    "model.gate.dropout.target": 0.55,
    "model.gate.context_scale.start": 0.5,
    "model.gate.context_scale.end": 1.0,
    "model.gate.context_scale.epochs": 15,
    "model.auxiliary.weight.start": 0.1,
    "model.auxiliary.weight.end": 0.02,
    "model.auxiliary.weight.epochs": 12,
    "model.auxiliary.distance_temperature": 6.0,
    "loss.kind": "bce",
    "loss.pos_weight": "auto",
    "loss.warmup": None,
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 1e-3,
    "optimizer.schedule.kind": "one_cycle",
    "optimizer.schedule.max_lr": 5e-4,
    "optimizer.schedule.pct_start": 0.2,
    "early_stopping.patience": 15,
    "early_stopping.min_delta": 0.001,
    "swa": None,
    "start_from": None,
    "trainer.precision": "32-true",
    "trainer.gradient_clip": 0.5,
    "trainer.accumulate": 1,
    "trainer.threads": "auto",
}
LEFT_OUT = ("data.replay", "loss.warmup", "start_from", "trainer.threads")
"""What is off, or the machine's, whatever model a spec describes."""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def write_and_load(text: str, *overrides: str) -> RunSpec:
        path = tmp_path / "spec.yaml"
        path.write_text(text, encoding="utf-8")
        return load_spec(path, overrides)

    return write_and_load


def test_a_silent_spec_is_what_the_search_found(load: Any) -> None:
    own = {"name", "change", "seed", "data.file", "loss.pos_weight", "ema", "ema.decay"}
    found, silent = (flat(spec) for spec in (load_spec(SPECS / "neighbours.yaml"), load(MINIMAL)))
    assert {key: silent[key] for key in silent if key not in own} == {
        key: found[key] for key in found if key not in own
    }
    assert (silent["epochs"], silent["model.hidden"], silent["loss.pos_weight"]) == (8, "[48]", "auto")
    assert preflight(load(MINIMAL)) == []


def test_the_october_17_model_is_written_out_whatever_the_defaults_are() -> None:
    spec, tree = flat(load_spec(SPECS / "oct17.yaml")), flatten(read_yaml(SPECS / "oct17.yaml").tree)
    assert {key: spec[key] for key in OCTOBER_17} == OCTOBER_17
    assert {"model.activation", "model.embedding_norm", "optimizer.decay"} <= set(tree)
    assert set(OCTOBER_17) - set(tree) == set(LEFT_OUT)


def test_what_is_switched_on_has_done_its_work_before_the_run_ends(load: Any) -> None:
    sections = "model: {auxiliary: {}}\nloss: {warmup: {}}\nswa: {start: 6, window: 2}\n"
    assert [finding for finding in preflight(load(MINIMAL + sections)) if finding.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    "words",
    [
        ["model.attention.heads=8", "optimizer.lr=1e-3", "early_stopping=null"],
        ["--model.attention.heads=8", "--optimizer.lr=0.001", "--early_stopping=null"],
        ['{"model.attention.heads": 8, "optimizer.lr": 0.001, "early_stopping": null}'],
        ['{"model": {"attention": {"heads": 8}}, "optimizer": {"lr": 1e-3}, "early_stopping": null}'],
        ['{"model": {"attention.heads": 8}}', '--optimizer={"lr": 1e-3}', ' {"early_stopping": null}'],
    ],
    ids=["plain", "dashes", "JSON", "nested JSON", "mixed"],
)
def test_every_form_of_override_means_the_same(load: Any, words: list[str]) -> None:
    tree = {"name": "x", "data": {"file": load(MINIMAL).data.file}, "early_stopping": None}
    tree |= {"model": {"attention": {"heads": 8}}, "optimizer": {"lr": 1e-3}}
    assert load(MINIMAL, *words) == RunSpec.model_validate(tree)


def test_a_later_override_wins_and_any_override_beats_the_file(load: Any) -> None:
    text = MINIMAL + "epochs: 5\n"
    assert load(text).epochs == 5
    assert load(text, "epochs=6").epochs == 6
    assert load(text, "epochs=6", '{"epochs": 7}', "--epochs=8").epochs == 8
    assert load(text, "--epochs=8", '{"epochs": 7}').epochs == 7


def test_order_counts_between_a_section_and_its_keys(load: Any) -> None:
    assert load(MINIMAL, "swa.start=4", "swa.window=2", "swa=null").swa is None
    swa = load(MINIMAL, "swa=null", "swa.start=4", "swa.window=2").swa
    assert (swa.start, swa.window, swa.lr) == (4, 2, 5e-5)
    assert load(MINIMAL, "swa=null", "swa.start=4", "swa.window=2", 'swa={"window": 3}').swa.end == 7


def test_a_section_in_the_file_keeps_the_other_defaults(load: Any) -> None:
    spec = load(MINIMAL + "model: {gate: {penalty: {target: 0.4}}}\n")
    assert spec.model.gate.penalty.target == 0.4
    assert spec.model.gate.penalty.over == "sample"
    assert spec.model.gate.initial == 0.8


def test_ramp_keys_change_a_ramp_or_turn_a_number_into_one(load: Any) -> None:
    key = "model.gate.penalty.weight"
    changed = load(RAMP, f"{key}.start=0.3").model.gate.penalty.weight
    assert changed == Ramp(start=0.3, end=0.05, epochs=15)
    assert load(MINIMAL, f"{key}=0.2").model.gate.penalty.weight == Ramp(start=0.2, end=0.2)
    constant = MINIMAL + "model: {gate: {penalty: {weight: 0.2}}}\n"
    turned = load(constant, f"{key}.end=0.1", f"{key}.epochs=4", f"{key}.shape=step")
    assert turned.model.gate.penalty.weight == Ramp(start=0.2, end=0.1, epochs=4, shape="step")
    from_auto = load(MINIMAL, 'loss.pos_weight={"start": 1, "end": 40, "epochs": 5}')
    assert from_auto.loss.pos_weight == Ramp(start=1, end=40, epochs=5)


def test_lists_are_replaced_not_merged(load: Any) -> None:
    assert load(MINIMAL, "model.hidden=[64, 32]").model.hidden == (64, 32)


def test_words_that_are_not_json_are_text(load: Any) -> None:
    assert load(MINIMAL, "change=one more layer = better").change == "one more layer = better"
    assert load(MINIMAL, "name=oct17").name == "oct17"
    assert load(MINIMAL, 'change="12"').change == "12"
    assert parse_overrides(["a=NaN", "b=-Infinity", "c=", "d=[1,", "e=" + "[" * 100_000]) == {
        "a": "NaN",
        "b": "-Infinity",
        "c": "",
        "d": "[1,",
        "e": "[" * 100_000,
    }


def test_paths_in_the_file_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "work").mkdir()
    path = tmp_path / "specs" / "a.yaml"
    path.write_text("name: x\ndata: {file: ../data/sites.h5, replay: {indices: hard.json}}\n")
    monkeypatch.chdir(tmp_path / "work")
    for name in (path, Path("../specs/a.yaml")):
        spec = load_spec(name)
        assert spec.data.file == str(tmp_path / "data" / "sites.h5")
        assert spec.data.replay is not None
        assert spec.data.replay.indices == str(tmp_path / "specs" / "hard.json")


@pytest.mark.parametrize(
    "word", ["data.file=b.h5", "--data.file=./b.h5", '{"data.file": "b.h5"}', 'data={"file":"b.h5"}']
)
def test_paths_in_overrides_are_relative_to_the_working_folder(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert load(MINIMAL, word).data.file == str(tmp_path / "work" / "b.h5")


def test_a_tilde_is_the_home_folder(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load("name: x\ndata: {file: ~/sites.h5}\n").data.file == str(tmp_path / "home" / "sites.h5")
    assert load(MINIMAL, "data.file=~no-such-user/a.h5").data.file.endswith("/~no-such-user/a.h5")


def test_numbers_and_words_are_those_of_yaml_1_2(load: Any) -> None:
    spec = load("name: on\nchange: yes\ndata: {file: no}\noptimizer: {lr: 1e-4}\nseed: 0o17\nparent: 12:30:45\n")
    assert (spec.name, spec.change, spec.optimizer.lr, spec.seed, spec.parent) == ("on", "yes", 1e-4, 15, "12:30:45")
    assert Path(spec.data.file).name == "no"
    assert load(MINIMAL + "seed: 010\n").seed == 10
    with pytest.raises(SpecError, match=r"trainer.compile = \"on\""):
        load(MINIMAL + "trainer: {compile: on}\n")


def test_anchors_work(load: Any) -> None:
    spec = load(
        MINIMAL
        + "model: {gate: {penalty: {weight: &ramp {start: 0.3, end: 0.1, epochs: 6}}, dropout: {rate: *ramp}}}\n"
    )
    assert spec.model.gate.dropout.rate == spec.model.gate.penalty.weight == Ramp(start=0.3, end=0.1, epochs=6)


@pytest.mark.parametrize("value", ["80.0", "8e1", "80"])
def test_a_whole_float_counts(load: Any, value: str) -> None:
    assert load(MINIMAL, f"epochs={value}").epochs == 80
    assert type(load(MINIMAL + f"epochs: {value}\n").epochs) is int


@pytest.mark.parametrize(
    "word",
    [
        "epochs=true",
        "epochs=80.5",
        'epochs="80"',
        "optimizer.lr=true",
        "model.gate.context_scale=true",
        "seed=false",
        'model.hidden=["64"]',
        "model.gate.clamp=[false, 0.5]",
        "track.tags=[true]",
        "trainer.compile=1",
        "trainer.compile=0.0",
        "model.hidden=[true]",
        "trainer.devices=true",
        "epochs=NaN",
    ],
)
def test_no_type_stands_for_another(load: Any, word: str) -> None:
    with pytest.raises(SpecError, match="1 problem"):
        load(MINIMAL, word)


@pytest.mark.parametrize(
    "text", ["2026", "1e3", "0x10", "010", "true", "NaN", "[64, 32]", '{"a": 1}', "1_000", "-0.50"]
)
@pytest.mark.parametrize("key", ["change", "parent", "start_from.run", "track.entity", "track.project"])
def test_a_text_is_taken_as_it_was_typed(load: Any, key: str, text: str) -> None:
    assert flat(load(MINIMAL, f"{key}={text}"))[key] == text


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("name=2026", "name", "2026"),
        ("name=null", "name", "null"),
        ('name="1e3"', "name", "1e3"),
        ("change=null", "change", None),
        ("parent=None", "parent", None),
        ("track.tags=[2026, 1e3, x]", "track.tags", None),
        ('track.tags=[2026, 1e3, "x"]', "track.tags", '["2026", "1e3", "x"]'),
        ('{"name": 2026, "track": {"tags": [7]}}', "track.tags", '["7"]'),
        ('{"name": 2026, "track": {"tags": [7]}}', "name", "2026"),
    ],
)
def test_what_switches_a_text_off_and_what_is_a_list(load: Any, word: str, key: str, value: Any) -> None:
    if word.endswith("x]"):
        with pytest.raises(SpecError, match="write a list"):
            load(MINIMAL, word)
    else:
        assert flat(load(MINIMAL, word))[key] == value


def test_a_number_that_is_not_as_it_was_typed_any_more_is_refused_as_a_text(load: Any) -> None:
    for text, word in ((MINIMAL, '{"change": 1e3}'), (MINIMAL.replace("name: x", "name: 2026"), "seed=1")):
        with pytest.raises(SpecError, match="put it in quotes"):
            load(text, word)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("epochs", "cannot read the override 'epochs'"),
        ("=3", "cannot read"),
        ("a..b=3", "cannot read"),
        (".a=3", "cannot read"),
        ("a.=3", "cannot read"),
        ("a b=3", "cannot read"),
        ('{"": 3}', "cannot read"),
        ('{"a.": 3}', "cannot read"),
        ('{"epochs": 3', "not a JSON object"),
        ("[1, 2]", "cannot read"),
        (".".join("a" * 5000) + "=3", "cannot read"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "cannot read"),
        ('{"a":' * 300 + "1" + "}" * 300, "cannot read"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_override_is_refused(load: Any, word: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        load(MINIMAL, word)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", ["\x85", "a\x85b", "\u2028", "two\nlines", "tab\t", "\x7f", "\ufeff", " ", "é ☃ 🧪", "'\"\\"]
)
def test_a_tag_survives_the_text_of_its_spec(tmp_path: Path, text: str) -> None:
    spec = build_spec({"name": "one", "data": {"file": "/data/x"}, "track": {"tags": [text]}})
    (tmp_path / "spec.yaml").write_text(spec_text(spec), encoding="utf-8")
    assert load_spec(tmp_path / "spec.yaml").track.tags == (text,)


@given(specs)
@settings(max_examples=40)
def test_a_spec_survives_its_text(tmp_path_factory: pytest.TempPathFactory, spec: RunSpec) -> None:
    path = tmp_path_factory.mktemp("round") / "spec.yaml"
    path.write_text(spec_text(spec), encoding="utf-8")
    again = load_spec(path)
    assert again == spec
    assert spec_text(again) == spec_text(spec)
    assert flat(again) == flat(spec)


@given(specs)
@settings(max_examples=30)
def test_the_flat_form_is_a_complete_set_of_overrides(spec: RunSpec) -> None:
    leaves = flat(spec)
    words = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in leaves.items()]
    quoted = [word if not isinstance(leaves[word.partition("=")[0]], str) else _quoted(word) for word in words]
    assert build_spec({}, parse_overrides(quoted)) == spec


def _quoted(word: str) -> str:
    key, _, text = word.partition("=")
    is_list = key in ("model.hidden", "model.gate.clamp", "track.tags")
    return word if is_list else f"{key}={json.dumps(text)}"
