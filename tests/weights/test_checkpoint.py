from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kag.data.facts import DataFacts
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError, StorageError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.weights import checkpoint
from kag.weights.checkpoint import (
    build_network,
    entries,
    load_network,
    read_checkpoint,
    save_weights,
    stored,
)
from kag.weights.digest import weights_digest
from kag.weights.evaluate import evaluate


@pytest.fixture
def saved(tmp_path: Path, network: Network, spec: RunSpec, facts: DataFacts) -> Path:
    path = tmp_path / "epoch.ckpt"
    save_weights(path, stored(spec, network.state_dict(), facts, epoch=4))
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


def test_the_network_comes_back_with_the_same_scores(
    saved: Path, network: Network, spec: RunSpec, facts: DataFacts, sites: Sites, tables: SiteTables
) -> None:
    network.set_epoch(7)
    save_weights(saved, stored(spec, network.state_dict(), facts, epoch=7))
    rebuilt, weights = load_network(saved)
    assert (weights.epoch, weights.spec, weights.data) == (7, spec, facts)
    assert weights.weights_digest == weights_digest(network.state_dict()) == weights_digest(rebuilt.state_dict())
    assert float(rebuilt.context_scale) == pytest.approx(spec.model.gate.context_scale.at(7))
    assert not rebuilt.training
    assert evaluate(rebuilt, sites, tables, "val") == evaluate(network, sites, tables, "val")
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_keys_that_training_adds_are_left_alone(saved: Path, network: Network) -> None:
    rewrite(saved, lambda content: content.update(state_dict=network.state_dict(), optimizer_states=[{"step": 3}]))
    assert read_checkpoint(saved).epoch == 4


def test_a_pickle_of_objects_is_refused_without_the_way_to_load_it_all_the_same(tmp_path: Path) -> None:
    torch.save({"format": "kag-checkpoint", "run": Path("/bin/sh")}, tmp_path / "odd.ckpt")
    with pytest.raises(CheckpointError, match="more than tensors") as told:
        read_checkpoint(tmp_path / "odd.ckpt")
    assert not {"weights_only", "arbitrary", "add_safe_globals"} & set(str(told.value).replace("=", " ").split())


def test_a_spec_with_keys_that_do_nothing_any_more_is_read(saved: Path, spec: RunSpec) -> None:
    old = spec.model_dump(mode="json")
    old["data"]["workers"], old["trainer"]["strategy"] = 2, "ddp"
    rewrite(saved, lambda content: content.update(spec=json.dumps(old)))
    assert read_checkpoint(saved).spec == spec


def test_a_spec_of_before_a_key_was_builds_the_network_of_then(saved: Path, spec: RunSpec) -> None:
    old = spec.model_dump(mode="json")
    del old["model"]["activation"], old["model"]["embedding_norm"], old["optimizer"]["decay"]
    rewrite(saved, lambda content: content.update(spec=json.dumps(old)))
    read = read_checkpoint(saved).spec
    assert (read.model.activation, read.model.embedding_norm, read.optimizer.decay) == ("relu", "none", "everything")


def test_weights_that_both_sides_hold_are_stored_once(
    tmp_path: Path, network: Network, spec: RunSpec, facts: DataFacts
) -> None:
    state = network.state_dict()
    content = entries(stored(spec, state, facts, epoch=0))
    torch.save(content | {"state_dict": {f"network.{name}": value for name, value in state.items()}}, tmp_path / "both")
    with zipfile.ZipFile(tmp_path / "both") as archive:
        assert len([name for name in archive.namelist() if "/data/" in name]) == len(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format="other"), "not a kag checkpoint"),
        (lambda content: content.update(version=2), "layout 2"),
        (lambda content: content.pop("data"), "data missing"),
        (lambda content: content["data"].pop("embedding"), "`data` does not hold"),
        (lambda content: content["data"].update(embedded={"mean": 1.0}), "`data` cannot be read"),
        (lambda content: content["network"]["gate.dropout_rate"].add_(0.1), "its weights have the digest"),
        (lambda content: content["network"].update(more="text"), "tensors alone"),
        (lambda content: content.update(network=[1]), "tensors alone"),
        (lambda content: content.update(spec="{"), "its spec cannot be read"),
        (lambda content: content.update(spec=3), "its spec cannot be read"),
        (lambda content: content.update(epoch="four"), "epoch"),
    ],
)
def test_what_is_wrong_is_said(saved: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(saved)
    assert str(saved) in str(caught.value)


def test_the_columns_have_names_where_the_data_and_the_file_say_them(
    saved: Path, network: Network, spec: RunSpec, facts: DataFacts, sites: Sites
) -> None:
    assert read_checkpoint(saved).data.columns == sites.features == ("a", "b", "c", "d")
    save_weights(saved, stored(spec, network.state_dict(), dataclasses.replace(facts, columns=None), epoch=0))
    assert read_checkpoint(saved).data.columns is None
    rewrite(saved, lambda content: [content["data"].pop(name) for name in ("columns", "embedded")])
    assert read_checkpoint(saved).data == dataclasses.replace(facts, columns=None, embedded=None), "as older files are"


def test_files_that_are_no_checkpoints(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "text").write_text("weights")
    (tmp_path / "empty").touch()
    torch.save([1, 2], tmp_path / "list")
    torch.save({"format": Path("a")}, tmp_path / "object")
    torch.save({"x": torch.zeros(2)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    for name, message in {
        "missing": "no such file",
        "": "no such file",
        "text": "not a torch file",
        "empty": "not a torch file",
        "list": "not a mapping",
        "object": "cannot be read",
        "old": "not a torch file",
    }.items():
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)


@given(share=st.floats(0.0, 0.999))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_was_cut_off_is_known_as_one(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    cut = saved.with_name("cut.ckpt")
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"cut\.ckpt"):
        read_checkpoint(cut)


@given(share=st.floats(0.0, 0.9999), bits=st.integers(1, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_is_found_or_harmless(saved: Path, share: float, bits: int) -> None:
    damaged = bytearray(saved.read_bytes())
    damaged[int(share * len(damaged))] ^= bits
    path = saved.with_name("damaged.ckpt")
    path.write_bytes(damaged)
    try:
        found = read_checkpoint(path)
    except CheckpointError:
        return
    original = read_checkpoint(saved)
    assert (found.weights_digest, found.epoch, found.spec) == (original.weights_digest, original.epoch, original.spec)


def test_weights_of_another_shape_are_refused_with_the_list(network: Network, spec: RunSpec, facts: DataFacts) -> None:
    wider = dataclasses.replace(facts, features=facts.features + 1)
    state = dict(network.state_dict())
    del state["gate.dropout_rate"]
    with pytest.raises(CheckpointError) as caught:
        build_network(stored(spec, state, wider, epoch=0))
    text = str(caught.value)
    assert "gate.dropout_rate: only in the first" in text
    assert "tabular_encoder.0.weight: float32[8, 5] in the first, float32[8, 4] in the second" in text


def test_a_failed_write_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full_disk(value: object, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    weights = read_checkpoint(saved)
    monkeypatch.setattr(checkpoint.torch, "save", full_disk)
    with pytest.raises(StorageError, match="no space left on device"):
        save_weights(saved, weights)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
