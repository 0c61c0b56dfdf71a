"""`kag check`: settings, findings, size and cost, and the rehearsal, without training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kag.data.read import read_sites
from kag.model.size import parameters
from kag.spec import load_spec
from kag.train.build import build_network
from kag.train.task import Task

SPEC = """
name: small
epochs: 3
data: {file: FILE, batch_size: 100}
model:
  hidden: [12, 8]
  attention: {heads: 2, layers: 1, width: 8, feedforward: 8}
  gate: {penalty: {weight: 0.1}}
  auxiliary: {weight: 0.1}
loss: {gamma: 3.0}
"""


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synthetic_file: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC.replace("FILE", str(synthetic_file)))


def test_without_rehearsal_it_needs_no_data(kag: Any) -> None:
    done = kag("check", "spec.yaml", "data.file=/nowhere.h5", "swa.start=1", "swa.window=2", "--no-rehearsal")
    assert done.code == 0, done.error
    assert "file: /nowhere.h5" in done.out
    assert "modality_dropout: 0.1" in done.out, "the resolved spec, defaults included"
    assert "warning no_effect: loss.gamma has no effect" in done.out
    assert "note swa_window: swa averages epochs 1 to 2" in done.out
    assert "parameters" not in done.out
    assert "this spec can be trained" not in done.out
    *_, sound, not_looked_at = done.out.splitlines()
    assert sound == "nothing is wrong with this spec by itself"
    assert not_looked_at.endswith("the data, whose file /nowhere.h5 is not there")
    here = kag("check", "spec.yaml", "--no-rehearsal").out.splitlines()[-1]
    assert here.endswith("synthetic.h5 was not read")


def test_keys_that_do_nothing_any_more_are_a_finding(kag: Any) -> None:
    spec = Path("spec.yaml")
    spec.write_text(spec.read_text().replace("batch_size: 100", "batch_size: 100, workers: 2"))
    done = kag("check", "spec.yaml", "--no-rehearsal")
    assert done.code == 0, done.error
    assert "warning retired_key: data.workers does nothing any more: " in done.out
    assert "workers:" not in done.out
    refused = kag("check", "spec.yaml", "trainer.strategy=ddp", "--no-rehearsal")
    assert refused.code == 2
    assert "override: trainer.strategy does nothing any more" in refused.error
    assert "leave it out" in refused.error


def test_it_says_what_a_run_costs_and_rehearses_it(kag: Any, synthetic_file: Path) -> None:
    done = kag("check", "spec.yaml", "trainer.accumulate=2")
    assert done.code == 0, done.error
    assert "world              1 process, " in done.out
    assert ", 32-true, 200 points an optimizer step, " in done.out
    shown = dict(re.findall(r"^([a-zA-Z][\w ]*?)  +(\S.*)$", done.out, re.MULTILINE))
    sites, spec = read_sites(synthetic_file), load_spec(Path("spec.yaml"))
    points = len(sites.index("train"))
    batches = -(-points // 100)
    assert shown["parameters"] == f"{parameters(build_network(Task.of(spec, sites))):,}"
    assert shown["batches per epoch"] == f"{batches} of at most 100 points, {-(-batches // 2)} optimizer steps"
    assert shown["run"].startswith(f"3 epochs, {3 * batches} batches")
    assert f"train {points:,}" in shown["data"]
    assert re.fullmatch(r"[\d,]+ forward, about [\d,]+ in training", shown["FLOPs per sample"])
    size = r"[\d.]+ [KMG]iB"
    parts = rf"{size}: {size} of it data, {size} training, 480.0 MiB libraries"
    assert re.fullmatch(parts, shown["expected memory"])
    rehearsal = [line for line in done.out.splitlines() if line.startswith("rehearsal ")]
    assert len(rehearsal) == 6
    assert any("every parameter gets a gradient" in line for line in rehearsal)
    assert any("main, model.gate.penalty, model.auxiliary" in line for line in rehearsal)
    assert "the logits depend on neighbours, distances, tabular columns" in rehearsal[4]
    assert not Path("runs").exists()


def test_errors_of_preflight_end_it_before_the_data_is_read(kag: Any) -> None:
    done = kag("check", "spec.yaml", "model.attention.heads=3", "data.file=/nowhere.h5")
    assert done.code == 2
    assert "error heads_divide_width: model.attention.heads = 3 does not divide" in done.out
    assert "1 preflight error(s)" in done.error


def test_missing_data_is_told(kag: Any) -> None:
    done = kag("check", "spec.yaml", "data.file=/nowhere.h5")
    assert done.code == 2
    assert "/nowhere.h5" in done.error


def test_a_failing_rehearsal_ends_with_code_1(kag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.model import losses

    live = losses.gate_penalty
    monkeypatch.setattr(losses, "gate_penalty", lambda alpha_B, spec: live(alpha_B.detach(), spec))
    done = kag("check", "spec.yaml")
    assert done.code == 1
    assert "model.gate.penalty has a weight but no gradient" in done.error
    assert "this spec can be trained" not in done.out


@pytest.mark.parametrize("grouping", ["point", "protein", "residue"])
def test_what_does_not_fit_the_machine_is_refused_before_it_is_built(kag: Any, grouping: str) -> None:
    done = kag("check", "spec.yaml", "model.attention.width=900000", f"data.grouping={grouping}")
    assert done.code == 2
    assert re.search(r"training needs about [\d,.]+ [GT]iB, .+ has [\d,.]+ [GT]iB", done.error)
    assert "model.attention.width" in done.error


def test_shared_contexts_are_not_counted_against_a_run(kag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whole proteins in a batch most points share a context; how many is not known beforehand."""
    from kag.train import memory

    monkeypatch.setattr(memory, "machine_memory", lambda: (2**31, "a small machine"))
    wide = ["model.attention.width=64", "model.attention.feedforward=64", "data.batch_size=1000000"]
    refused = kag("check", "spec.yaml", *wide)
    assert refused.code == 2
    assert "a small machine has 2.0 GiB" in refused.error
    taken = kag("check", "spec.yaml", *wide, "data.grouping=protein")
    assert taken.code == 0, taken.error
    assert "expected memory    at most " in taken.out


def test_data_that_gives_nothing_to_learn_from_is_refused(kag: Any) -> None:
    refused = kag("check", "spec.yaml", "data.max_distance=0.5")
    assert refused.code == 2
    assert "no_neighbours: no neighbour is within data.max_distance = 0.5 angstrom, the smallest" in refused.out
    assert "1 preflight error(s)" in refused.error
    assert "can be trained" not in refused.out
    taken = kag("check", "spec.yaml", "data.max_distance=0.5", "model.gate.context_scale=0")
    assert taken.code == 0, taken.error


def test_processes_share_the_memory_of_the_host(kag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.train import memory

    monkeypatch.setattr(memory, "machine_memory", lambda: (3 * 2**30, "a small machine"))
    assert kag("check", "spec.yaml", "--json").code == 0
    refused = kag("check", "spec.yaml", "trainer.devices=4")
    assert refused.code == 2
    assert "training in 4 processes needs about 4." in refused.error
