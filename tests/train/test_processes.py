"""Several processes that a launcher should have started: all of them come, or one sentence says what is missing."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from kag.errors import RunFailed, SpecError
from kag.track.world import World
from kag.train.company import gathered
from kag.train.processes import Processes, free_port
from tests.jobs import SLURM_STEP, TORCHRUN, no_job
from tests.train.conftest import MakeSpec, Train

TWO = {
    "torchrun": TORCHRUN | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
    "slurm": SLURM_STEP | {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2"},
}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """These variables, and nothing of a job around the tests."""
    for name in os.environ.keys() - no_job().keys():
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("launcher", TWO)
def test_the_second_never_comes(
    launcher: str, make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, TWO[launcher] | {"MASTER_PORT": str(free_port())})
    monkeypatch.setattr("kag.train.company.PATIENCE", timedelta(seconds=1))
    with pytest.raises(RunFailed, match="process 0 of 2 has waited 1 seconds for the others") as error:
        train(make_spec(**{"trainer.devices": 2}))
    assert "srun" in str(error.value) if launcher == "slurm" else "torchrun" in str(error.value)
    assert not runs.exists(), "nothing begins before all have come"


def test_the_first_never_comes(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_all(monkeypatch, TWO["torchrun"] | {"RANK": "1", "LOCAL_RANK": "1", "MASTER_PORT": str(free_port())})
    monkeypatch.setattr("kag.train.company.PATIENCE", timedelta(seconds=0.2))
    with pytest.raises(RunFailed, match="process 1 of 2 has waited"):
        train(make_spec(**{"trainer.devices": 2}))
    assert not runs.exists(), "the first process alone makes the folder"
    assert "frame #" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (TORCHRUN, "asks for 2 processes, torchrun starts 1 process"),
        (TWO["torchrun"] | {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4"}, "torchrun starts 4 processes"),
        (TWO["torchrun"] | {"LOCAL_WORLD_SIZE": "1"}, "torchrun starts 2 processes on 2 nodes"),
        (SLURM_STEP, "asks for 2 processes, srun starts 1 process"),
        (TWO["slurm"] | {"SLURM_NNODES": "2"}, "srun starts 2 processes on 2 nodes"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    variables: dict[str, str], said: str, make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, variables)
    with pytest.raises(SpecError, match=said):
        train(make_spec(**{"trainer.devices": 2}))
    assert not runs.exists()


def test_what_is_said_to_the_others_does_not_stay_for_the_next_run(
    make_spec: MakeSpec, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {"MASTER_PORT": "29531"})
    said: dict[str, str] = {}

    def launch(trainer: Trainer, *_: object, **__: object) -> None:
        # What Lightning's launcher does before it starts the others, and then waits for them for good.
        os.environ.update({"MASTER_PORT": str(trainer.strategy.cluster_environment.main_port), "LOCAL_RANK": "0"})
        said.update(os.environ)
        raise RunFailed("one has gone")

    monkeypatch.setattr(Trainer, "fit", launch)
    before = dict(os.environ)
    with pytest.raises(RunFailed, match="one has gone"):
        train(make_spec(**{"trainer.devices": 2}))
    assert said["KAG_LAUNCHED"] == "", "it begins"
    assert said["MASTER_PORT"] != before["MASTER_PORT"]
    assert dict(os.environ) == before
    set_all(monkeypatch, TORCHRUN)
    with pytest.raises(SpecError, match="asks for 2 processes, torchrun starts 1 process"):
        train(make_spec(name="next", **{"trainer.devices": 2}))


def test_an_error_that_is_no_matter_of_the_others_passes() -> None:
    with (
        pytest.raises(RuntimeError, match="shapes differ"),
        gathered(World(launcher="none", processes=1)) as company,
        company.together(),
    ):
        raise RuntimeError("shapes differ")
    with (
        pytest.raises(RunFailed, match="another of the 2 processes of this run has gone"),
        gathered(World(launcher="lightning", processes=2)) as company,
        company.together(),
    ):
        raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Connection reset by peer")


def test_processes_that_lightning_starts_heed_no_variable_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    stray = {"MASTER_ADDR": "10.0.0.1", "NODE_RANK": "3", "LOCAL_RANK": "1", "RANK": "1", "GROUP_RANK": "2"}
    set_all(monkeypatch, stray)
    world = World(launcher="lightning", processes=2)
    first = Processes(world)
    assert not first.creates_processes_externally, "it starts the other one"
    assert (first.global_rank(), first.local_rank(), first.node_rank(), first.world_size()) == (0, 0, 0, 2)
    assert first.main_address == "127.0.0.1"
    set_all(monkeypatch, {**stray, "KAG_LAUNCHED": "", "MASTER_PORT": str(first.main_port)})
    second = Processes(world)
    assert second.creates_processes_externally
    assert (second.global_rank(), second.main_port) == (1, first.main_port)
    assert os.environ["NODE_RANK"] == "3"
