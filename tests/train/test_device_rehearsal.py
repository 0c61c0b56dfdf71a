"""What a GPU alone can pass is tried before there is a run folder; the CPU stands for it here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import kag.train.fit as fit_module
from kag.data.sites import Sites
from kag.errors import RehearsalFailed, SpecError
from kag.model.network import Network
from kag.train.build import build_network, build_objective
from kag.train.device_rehearsal import device_of, rehearse_on_device
from kag.train.job import Job
from kag.train.task import Task, this_machine, units_of_cpu
from tests.train.conftest import MakeSpec, Train

CPU = torch.device("cpu")


def rehearsed(task: Task, network: Network | None = None) -> str:
    return rehearse_on_device(task, network or build_network(task), build_objective(task), *task.first_batches(), CPU)


@pytest.mark.parametrize("precision", ["32-true", "tf32", "bf16-mixed"])
def test_a_sound_run_passes_and_nothing_of_it_changes(make_spec: MakeSpec, sites: Sites, precision: str) -> None:
    task = Task.of(make_spec(**{"trainer.precision": precision}), sites)
    network = build_network(task)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    told = rehearsed(task, network)
    assert told.startswith(f"2 steps on cpu in {task.precision} have the losses ")
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_float32_matmul_precision() == "highest"


def test_it_takes_at_most_three_steps_each_of_the_run_s_own_optimizer(
    make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, losses = Task.of(make_spec(), sites), []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *a: losses.append(self.defaults["lr"]) or step(self, *a)
    )
    rehearsed(task)
    assert 0 < len(losses) <= 3
    assert set(losses) == {task.spec.optimizer.lr}


def test_weights_that_a_step_makes_infinite_are_found(make_spec: MakeSpec, sites: Sites) -> None:
    """One pass of the rehearsal on the CPU would not find it: the loss before the first step is finite."""
    task = Task.of(make_spec(**{"optimizer.lr": 1e38, "optimizer.schedule.kind": "constant"}), sites)
    with pytest.raises(RehearsalFailed, match="are not finite"):
        rehearsed(task)


def test_a_device_without_the_memory_is_said_in_a_sentence(
    make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: Network, *_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB"
        )

    monkeypatch.setattr(Network, "forward", forward)
    with pytest.raises(SpecError) as caught:
        rehearsed(Task.of(make_spec(), sites))
    assert str(caught.value).startswith("tiny: training does not fit into the memory of cpu: CUDA out of memory\n")


def test_what_the_device_refuses_leaves_no_run(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_gpu(task: Task, *_: Any) -> None:
        raise RehearsalFailed(f"no step on {task.world.device}")

    world_of = fit_module.world_of
    monkeypatch.setattr(fit_module, "world_of", lambda *a: world_of(*a).model_copy(update={"device": "H200"}))
    monkeypatch.setattr("kag.train.job.rehearse_on_device", on_gpu)
    with pytest.raises(RehearsalFailed, match="no step on H200"):
        train(make_spec())
    assert not runs.exists()


def test_on_the_cpu_it_costs_nothing(make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task.of(make_spec(), sites)
    assert device_of(task) is None
    monkeypatch.setattr("kag.train.job.rehearse_on_device", None)
    Job(task).rehearse_on_device()


@pytest.mark.parametrize(
    ("described", "formats"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", {"bf16"}),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", {"bf16"}),
        ("flags\t\t: fpu avx512f avx512_vnni\n", set()),
        ("Features\t: fp asimd bf16 i8mm\n", {"bf16"}),
        ("Features\t: fp asimd\n", set()),
        ("processor\t: 0\n", None),
    ],
)
def test_the_units_of_a_processor_are_read_off_its_abilities(
    tmp_path: Path, described: str, formats: set[str] | None
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(described)
    assert units_of_cpu(file) == formats
    assert units_of_cpu(tmp_path / "elsewhere") is None


def test_what_this_machine_can_is_known_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert this_machine().formats == units_of_cpu()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", "GPU {}".format)
    for oldest, formats in (((7, 0), set()), ((8, 0), {"bf16", "tf32"})):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number, low=oldest: ((9, 0), low)[number])
        assert this_machine().formats == formats
