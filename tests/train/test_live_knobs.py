"""Promise 1: every knob is live. A field of the spec that changes nothing fails here.

Most fields are tried without a trainer: batches, learning rates, and the losses, gradients and weights of two
optimizer steps at three epochs. Fields that act through the trainer are tried in short runs. What only describes a run
is listed by `kag.spec.flat.DESCRIPTIVE`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kag.data.mined import Mined, write_mined
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise
from kag.errors import SpecError
from kag.forks.sharing import NoSharing
from kag.spec import RunSpec, build_spec, flat
from kag.spec.flat import DESCRIPTIVE
from kag.spec.schedule import learning_rate
from kag.track.folder import RunFolder
from kag.train.build import build_network, build_objective
from kag.train.job import Job
from kag.train.loop import Loop
from kag.train.opening import follow_run
from kag.train.outcome import Outcome
from kag.train.task import Task
from kag.train.trainer import build_trainer
from tests.train.conftest import TINY, Train, placed

FULL: dict[str, Any] = {
    "data.batch_size": 128,
    "data.replay": {"indices": "mined.json", "repeat": 2, "period": 2, "length": 1, "until": 3},
    "loss.pos_weight": {"start": 5.0, "end": 10.0, "epochs": 3},
    "loss.warmup": {"kind": "focal", "epochs": 1},
    "model.gate.clamp": [0.3, 0.52],
    "swa": {"start": 2, "window": 1, "lr": 1e-4, "anneal_epochs": 1},
    "start_from": {"run": "parent", "checkpoint": "best"},
    "optimizer.schedule.pct_start": 0.3,
}
"""Every optional section switched on."""

CHANGED: dict[str, tuple[Any, ...]] = {
    "data.batch_size": (64,),
    "data.grouping": ("protein", "residue"),
    "data.points_per_residue": (1,),
    "data.replay.repeat": (3,),
    "data.replay.period": (3,),
    "data.replay.length": (2,),
    "data.replay.until": (1,),
    "model.hidden": ("[16, 4]",),
    "model.norm": ("layer",),
    "model.activation": ("gelu",),
    "model.embedding_norm": ("train", "layer"),
    "model.attention.heads": (4,),
    "model.attention.width": (12,),
    "model.attention.distance_bias": ("exponential", "none"),
    "model.attention.pooling": ("max", "centre"),
    "model.gate.kind": ("scalar", "fixed"),
    "model.gate.initial": (0.45,),
    "model.gate.clamp": (None, "[0.3, 0.501]"),
    "model.gate.penalty.over": ("batch",),
    "model.gate.context_norm": (False,),
    "loss.kind": ("focal", "asymmetric"),
    "loss.warmup.kind": ("bce", "asymmetric"),
    "loss.warmup.epochs": (2,),
    "optimizer.schedule.kind": ("cosine", "constant"),
    "optimizer.decay": ("matrices",),
    "swa.shape": ("linear",),
}
"""Values that differ from the full spec's where `_other` would not know one."""

CONTEXT: dict[str, dict[str, Any]] = {
    "loss.margin": {"loss.kind": "asymmetric"},
    "loss.gamma": {"loss.kind": "focal"},
    "model.gate.temperature": {"model.gate.initial": 0.4},
    "model.gate.clamp": {"model.gate.initial": 0.6},
    "model.gate.penalty.over": {"model.gate.penalty.target": 0.5},
    "optimizer.schedule.warmup_epochs": {"optimizer.schedule.kind": "cosine"},
}
"""Settings under which a field has its say; preflight warns of it where it has none."""

THROUGH_A_RUN = {
    "early_stopping.patience": {"early_stopping.min_delta": 1.0, "swa": None, "early_stopping.patience": 1},
    "early_stopping.min_delta": {
        "swa": None,
        "seed": 8,
        "epochs": 6,
        "early_stopping.patience": 2,
        "early_stopping.min_delta": 0.0,
    },
    "ema": {"swa": None},
    "ema.decay": {"swa": None, "ema": {"decay": 0.9}},
    "swa.keep_sums": {},
    "swa.window": {"swa.start": 1, "swa.window": 2},
    "trainer.gradient_clip": {"trainer.gradient_clip": 1e-3},
    "trainer.accumulate": {},
    "trainer.precision": {},
    "start_from.run": {},
    "start_from.checkpoint": {},
    "start_from.keep": {},
}
"""Fields whose effect shows in a run only, with settings that make the run show it."""

IN_THE_TRAINER = {"trainer.devices", "trainer.nodes", "trainer.compile", "trainer.sync_batchnorm"}
"""Fields that say where the work is done: they must reach Lightning (or torch)."""

SHAPES = ("linear", "cosine", "step")


def _key_is_descriptive(key: str) -> bool:
    return key in DESCRIPTIVE


def _full(data: Path, **overrides: Any) -> RunSpec:
    mined = str(data.with_name("mined.json"))
    return build_spec(TINY, {"data.file": str(data), **FULL, "data.replay.indices": mined, **overrides})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "live.h5"
    synthesise(path, proteins=8, points_per_protein=50, embedding=12, missing=0.2)
    sites = read_sites(path)
    train_N = sites.index("train")
    for name, rows in (("mined.json", train_N[:20]), ("other.json", train_N[20:40])):
        mined = Mined(
            data_digest=sites.digest, split="train", indices=rows.tolist(), run="parent", weights_digest="0" * 64
        )
        write_mined(path.with_name(name), mined)
    return path


@pytest.fixture(scope="module")
def sites(data: Path) -> Sites:
    return read_sites(data)


def _cases() -> list[tuple[str, Any]]:
    spec = _full(Path("/data.h5"))
    return [
        (key, value)
        for key, before in flat(spec).items()
        if not _key_is_descriptive(key) and key not in THROUGH_A_RUN and key not in IN_THE_TRAINER
        for value in (CHANGED[key] if key in CHANGED else (_other(key, before),))
    ]


def _other(key: str, value: Any) -> Any:
    if key.endswith(".shape"):
        return next(shape for shape in SHAPES if shape != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.9 if value else 0.1
    if key == "data.replay.indices":
        return "other.json"
    raise AssertionError(f"say in CHANGED what else {key} = {value!r} could be")


def test_every_field_has_a_test() -> None:
    """A new field of the spec must show its effect somewhere above."""
    full = Path("/data.h5")
    keys = {
        key
        for spec in (_full(full), _full(full, ema={"decay": 0.9}))
        for key in flat(spec)
        if not _key_is_descriptive(key)
    }
    tried = {key for key, _ in _cases()} | set(THROUGH_A_RUN) | IN_THE_TRAINER
    assert keys == tried


@pytest.mark.parametrize(("key", "value"), _cases(), ids=lambda item: str(item))
def test_changing_a_field_changes_the_training(
    key: str, value: Any, data: Path, sites: Sites, before: Callable[[dict[str, Any]], list[Any]]
) -> None:
    context = CONTEXT.get(key, {})
    if key == "data.replay.indices":
        value = str(data.with_name("other.json"))
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    after = fingerprint(_full(data, **context | {key: value}), sites)
    assert before(context) != after, f"{key} = {value} changes nothing"


@pytest.fixture(scope="module")
def before(data: Path, sites: Sites) -> Callable[[dict[str, Any]], list[Any]]:
    """The fingerprint of the full spec with a context, taken twice when it is first asked for."""
    known: dict[str, list[Any]] = {}

    def find(context: dict[str, Any]) -> list[Any]:
        key = json.dumps(context)
        if key not in known:
            known[key] = fingerprint(_full(data, **context), sites)
            assert known[key] == fingerprint(_full(data, **context), sites), "the fingerprint itself must be stable"
        return known[key]

    return find


def fingerprint(spec: RunSpec, sites: Sites) -> list[Any]:
    """Everything that a spec decides before Lightning's loop: a list that is equal for equal trainings."""
    task = Task.of(spec, sites)
    network, objective = build_network(task), build_objective(task)
    found: list[Any] = [spec.last_epoch, spec.epochs]
    found += [learning_rate(spec, position) for position in np.linspace(0.0, spec.epochs, 17)]
    optimizer = Job.configure_optimizers(_with(spec, network, objective))
    for epoch in (0, 1, 2):
        rows = task.training_batches(epoch)
        found += [len(rows), *(int(row.sum()) for row in rows)]
        torch.manual_seed(spec.seed)
        network.set_epoch(epoch)
        objective.set_epoch(epoch)
        batch = task.tables.gather(torch.from_numpy(rows[0]), share=task.share)
        losses = objective(network.train()(batch), batch)
        optimizer.zero_grad()
        losses.total.backward()
        found += [losses.total.item(), _digest(parameter.grad for parameter in network.parameters())]
        optimizer.step()
        with torch.no_grad():
            scores = network.eval()(batch)
        found += [_digest([scores.logit_B, scores.alpha_B])]
    return found


def _with(spec: RunSpec, network: torch.nn.Module, objective: torch.nn.Module) -> Any:
    job = type("Optimized", (), {})()
    job.spec, job.network, job.objective = spec, network, objective
    return job


def _digest(tensors: Any) -> float:
    return float(
        sum(
            float(tensor.double().abs().sum()) * (place + 1)
            for place, tensor in enumerate(tensors)
            if tensor is not None
        )
    )


@pytest.fixture(scope="module")
def parents(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs to start from."""
    from kag.train.console import RunConsole
    from kag.train.fit import fit

    def trained(name: str, seed: int) -> RunFolder:
        overrides = {"name": name, "seed": seed, "epochs": 6, "start_from": None, "swa": None, "data.replay": None}
        runs = tmp_path_factory.mktemp(name)
        return RunFolder(runs / fit(_full(data, **overrides), runs=runs, console=RunConsole(quiet=True)).id)

    folder = tmp_path_factory.mktemp("parents")
    # Which seed has a best epoch that is not its last is for torch's release to say.
    tried = ((seed, trained("parent", seed)) for seed in range(1, 9))
    seed, parent = next((seed, run) for seed, run in tried if run.read_record().best_epoch != 5)
    placed(parent, folder)
    placed(trained("stepparent", seed + 1), folder)
    return folder


@pytest.fixture(scope="module")
def outcome_of(parents: Path) -> Callable[[RunSpec], list[Any]]:
    """What comes of the run of a spec, which is trained beside the parents, once."""
    from kag.train.console import RunConsole
    from kag.train.fit import fit

    known: dict[str, list[Any]] = {}

    def find(spec: RunSpec) -> list[Any]:
        key = spec.model_dump_json()
        if key not in known:
            known[key] = _outcome(parents, fit(spec, runs=parents, console=RunConsole(quiet=True)))
        return known[key]

    return find


def _outcome(folder: Path, record: Any) -> list[Any]:
    rows = RunFolder(folder / record.id).history()
    return [
        [{key: value for key, value in row.items() if key != "samples_per_second"} for row in rows],
        [(result.weights, result.metric, result.value) for result in record.results],
        len(RunFolder(folder / record.id).snapshots()) > 0,
    ]


RUN_CHANGES: Mapping[str, Any] = {
    "early_stopping.patience": 2,
    "early_stopping.min_delta": 1.0,
    "ema": {"decay": 0.9},
    "ema.decay": 0.2,
    "swa.keep_sums": True,
    "swa.window": 1,
    "trainer.gradient_clip": 0.0,
    "trainer.accumulate": 2,
    "trainer.precision": "bf16-mixed",
    "start_from.run": "stepparent",
    "start_from.checkpoint": "last",
    "start_from.keep": "everything",
}


@pytest.mark.parametrize("key", THROUGH_A_RUN)
def test_changing_a_field_changes_the_run(key: str, data: Path, outcome_of: Callable[[RunSpec], list[Any]]) -> None:
    context = {"data.replay": None, **THROUGH_A_RUN[key]}
    if key == "start_from.keep":
        context |= {"start_from.checkpoint": "last", "epochs": 8, "swa.start": 7}
    elif not key.startswith("start_from"):
        context |= {"start_from": None}
    outcomes = [outcome_of(_spec(data, {**context, **changes})) for changes in ({}, {key: RUN_CHANGES[key]})]
    assert outcomes[0] != outcomes[1], f"{key} changes nothing"


def _spec(data: Path, overrides: dict[str, Any]) -> RunSpec:
    base = {key: value for key, value in FULL.items() if key != "data.replay"}
    return build_spec(TINY, {"data.file": str(data), **base, **overrides, "name": "child"})


def test_several_devices_train_as_plain_ddp(data: Path, sites: Sites) -> None:
    trainer = build_trainer(Task.of(_full(data, **{"trainer.devices": 2}), sites), [])
    assert trainer.num_devices == 2
    assert type(trainer.strategy).__name__ == "DDPStrategy"
    assert build_trainer(Task.of(_full(data), sites), []).num_devices == 1


@pytest.mark.parametrize("wanted", [False, True])
def test_normalisation_over_all_processes_is_asked_for(data: Path, sites: Sites, wanted: bool) -> None:
    spec = _full(data, **{"trainer.devices": 2, "trainer.sync_batchnorm": wanted})
    trainer = build_trainer(Task.of(spec, sites), [])
    network = trainer._accelerator_connector.strategy._layer_sync
    job = Job(Task.of(spec, sites))
    layers = network.apply(job.network) if network is not None else job.network
    norms = [module for module in layers.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert {isinstance(module, torch.nn.SyncBatchNorm) for module in norms} == {wanted}


def test_normalisation_over_processes_of_the_cpu_is_refused_before_anything_begins(
    data: Path, train: Train, tmp_path: Path
) -> None:
    spec = _full(data, **{"trainer.devices": 2, "trainer.sync_batchnorm": True, "start_from": None})
    with pytest.raises(SpecError, match="sync_batchnorm needs GPUs"):
        train(spec, runs=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_torch_still_has_no_such_normalisation_for_the_cpu() -> None:
    """What the refusal rests on."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on"):
            torch.nn.SyncBatchNorm(2)(torch.randn(4, 2))
    finally:
        dist.destroy_process_group()


def test_compile_reaches_torch(data: Path, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    from kag.train.console import RunConsole
    from kag.train.signals import SignalWatch

    class Stop(Exception):
        pass

    def compiled(self: torch.nn.Module, **how: object) -> None:
        raise Stop

    monkeypatch.setattr("kag.model.network.Network.compile", compiled)
    spec = _full(data, **{"trainer.compile": True, "data.replay": None, "start_from": None})
    task, console = Task.of(spec, sites), RunConsole(quiet=True)
    loop = Loop(task, None, SignalWatch(), console)
    with pytest.raises(Stop):
        loop.train(loop.fresh_job(), Outcome(follow_run(task, ""), console), NoSharing())
