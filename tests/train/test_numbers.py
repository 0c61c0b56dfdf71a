"""What the numbers of an epoch mean: losses of val against their formulas, speed, precision, entropy."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kag.weights.bench as bench_module
from kag import names
from kag.cli.evaluate import show
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import RunFailed
from kag.model.precision import computing_in
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train import clock
from kag.train.build import build_network
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from kag.train.scoreboard import Scoreboard
from kag.train.task import Task
from kag.view.results import by_weights, in_32_bits
from kag.view.tables import results_table
from kag.view.terminal import Terminal
from kag.view.words import find_run
from kag.weights.checkpoint import load_network
from kag.weights.evaluate import evaluate
from kag.weights.evaluate_file import evaluate_file
from kag.weights.given import bench_for, given_weights
from tests.delivered import delivered
from tests.train.conftest import MakeSpec, Train

BCE = names.evaluation("val", "bce")
CROSS_ENTROPY = torch.nn.functional.binary_cross_entropy_with_logits


@pytest.fixture
def logits(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Of val, as they were scored without dropout, one vector a validation."""
    seen: list[np.ndarray] = []
    close = Scoreboard.close

    def keeping(self: Scoreboard, *given: Any) -> dict[str, float]:
        seen.append(self._logit_V.double().numpy().copy())
        return close(self, *given)

    monkeypatch.setattr(Scoreboard, "close", keeping)
    return seen


def test_val_loss_is_the_main_loss_of_the_epoch_and_bce_the_unweighted_one(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, logits: list[np.ndarray]
) -> None:
    loss = {"kind": "bce", "gamma": 1.5, "warmup": {"kind": "focal", "epochs": 1}}
    train(make_spec(epochs=2, loss={**loss, "pos_weight": {"start": 3.0, "end": 9.0, "epochs": 1}}))
    label_N = sites.label_N[sites.index("val")].astype(np.float64)
    yes_N, no_N = (1.0 / (1.0 + np.exp(-sign * logits[0])) for sign in (1, -1))
    focal_N = 3.0 * label_N * -np.log(yes_N) * no_N**1.5 + (1.0 - label_N) * -np.log(no_N) * yes_N**1.5
    logit_N, target_N = torch.from_numpy(logits[1]), torch.from_numpy(label_N)
    weighted = CROSS_ENTROPY(logit_N, target_N, pos_weight=torch.tensor(9.0))
    first, last = find_run(runs, "tiny").history()
    assert first[names.VAL_LOSS] == pytest.approx(focal_N.mean(), rel=1e-5)
    assert last[names.VAL_LOSS] == pytest.approx(float(weighted), rel=1e-5)
    assert last[BCE] == pytest.approx(float(CROSS_ENTROPY(logit_N, target_N)), rel=1e-6)


def test_the_average_has_both_losses(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, logits: list[np.ndarray]
) -> None:
    train(make_spec(epochs=3, **{"swa.start": 1, "swa.window": 2, "loss.pos_weight": 4.0}))
    label_N = torch.from_numpy(sites.label_N[sites.index("val")].astype(np.float64))
    expected = CROSS_ENTROPY(torch.from_numpy(logits[-1]), label_N, pos_weight=torch.tensor(4.0))
    last = find_run(runs, "tiny").history()[-1]
    assert last[names.averaged(names.VAL_LOSS)] == pytest.approx(float(expected), rel=1e-5)
    assert last[names.averaged(BCE)] != last[names.averaged(names.VAL_LOSS)]


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that training steps and validation steps move on, by what is written here."""
    takes = {"now": 0.0, "training_step": 0.5, "validation_step": 1000.0}

    class Time:
        @staticmethod
        def perf_counter() -> float:
            return takes["now"]

    monkeypatch.setattr(clock, "time", Time)
    for name in ("training_step", "validation_step"):
        monkeypatch.setattr(Job, name, _timed(name, takes))
    return takes


def _timed(name: str, takes: dict[str, float]) -> Callable[..., Any]:
    step = getattr(Job, name)

    def timed(self: Job, batch: Any, number: int) -> Any:
        takes["now"] += takes[name]
        return step(self, batch, number)

    return timed


def test_speed_is_of_training_alone(
    make_spec: MakeSpec, train: Train, runs: Path, sites: Sites, seconds: dict[str, float]
) -> None:
    spec = make_spec(epochs=2)
    train(spec)
    steps = len(Task.of(spec, sites).training_batches(0))
    expected = len(sites.index("train")) / (steps * seconds["training_step"])
    assert [row[names.SAMPLES_PER_SECOND] for row in find_run(runs, "tiny").history()] == [expected, expected]


def test_speed_after_a_resume_counts_what_was_trained_since(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 100.0, 104.0])
    monkeypatch.setattr(clock, "time", type("Time", (), {"perf_counter": staticmethod(lambda: next(times))}))
    watch = clock.Clock()
    watch.start(points_before=600.0)
    watch.stop()
    assert watch.rate(1000.0) == 100.0


@pytest.fixture(scope="module")
def in_bf16(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunRecord]:
    """A run under mixed precision, with an average."""
    runs = tmp_path_factory.mktemp("bf16")
    spec = make_spec(epochs=2, **{"trainer.precision": "bf16-mixed", "swa.start": 1, "swa.window": 1})
    record = fit(spec, runs=runs, console=RunConsole(quiet=True))
    return RunFolder(runs / record.id), record


def test_history_and_results_are_measured_in_the_precision_of_training(
    in_bf16: tuple[RunFolder, RunRecord], sites: Sites
) -> None:
    folder, record = in_bf16
    assert record.world is not None
    assert (record.world.precision, record.world.validation) == ("bf16-mixed", "bf16-mixed")
    rows = {int(row[names.EPOCH]): row for row in folder.history()}
    raw = [result for result in record.results if (result.split, result.weights) == ("val", "raw")]
    for result in raw:
        if result.metric in ("auprc", "bce", "threshold"):
            assert rows[int(result.epoch or 0)][names.evaluation("val", result.metric)] == result.value, result.metric
    network, weights = load_network(folder.best)
    tables = SiteTables.from_sites(sites, weights.data.max_distance)
    exact = evaluate(network, sites, tables, "val", samples=0)
    beside = {result.metric: result.in_32_bits for result in raw}
    assert beside["auprc"] == exact.auprc
    assert {metric for metric, value in beside.items() if value is not None} == {"auprc"}
    [bce] = [result.value for result in raw if result.metric == "bce"]
    assert bce != exact.values["bce"]
    assert bce == pytest.approx(exact.values["bce"], rel=0.02), "bf16 rounds, no more"


def test_every_auprc_of_a_run_in_bf16_has_its_value_in_32_bits_beside_it(
    in_bf16: tuple[RunFolder, RunRecord],
) -> None:
    folder, record = in_bf16
    assert {result.weights for result in record.results} >= {"raw", "averaged", "averaged_recomputed"}
    assert all((result.in_32_bits is not None) == (result.metric == "auprc") for result in record.results)
    assert folder.read_record() == record
    shown = next(row for row in results_table(record.results).rows if row[0].text == "auprc in 32 bits")
    assert len(shown) == 1 + len(by_weights(record.results))
    assert all(cell.text.startswith("0.") for cell in shown[1:])
    told = in_32_bits(record.results)
    assert len(told) == 2, "of the delivered weights, on val and on test"
    assert told[0].startswith("val AUPRC of the delivered weights in 32 bits: 0.")


def test_the_same_weights_score_the_same_again_by_file_and_on_a_bench(
    in_bf16: tuple[RunFolder, RunRecord],
) -> None:
    folder, record = in_bf16
    path = folder.checkpoints / "delivered.ckpt"
    wanted = {(one.metric, one.value, one.in_32_bits) for one in record.results if one.delivered and one.split == "val"}
    again = evaluate_file(path, ["val"])
    assert {(one.metric, one.value, one.in_32_bits) for one in again.results} == wanted
    show(again, "tiny", Terminal(file=(printed := io.StringIO()), width=120), as_json=False)
    assert in_32_bits(again.results)[0] in printed.getvalue()
    given = given_weights(str(path), folder.path.parent)
    tried = bench_for(given).tried(given.weights.network)
    assert tried.plain.evaluation.auprc == delivered(record, "val", "auprc").value


def test_a_run_whose_val_was_measured_in_32_bits_is_evaluated_so(
    in_bf16: tuple[RunFolder, RunRecord], tmp_path: Path
) -> None:
    """As runs of mixed precision were before: their numbers come again."""
    folder, record = in_bf16
    former = RunFolder(tmp_path / record.id)
    shutil.copytree(folder.path, former.path)
    assert record.world is not None
    former.write_record(record.model_copy(update={"world": record.world.model_copy(update={"validation": "32-true"})}))
    [auprc] = [one for one in evaluate_file(former.best, ["val"]).results if one.metric == "auprc"]
    [raw] = [one for one in record.results if (one.split, one.metric, one.weights) == ("val", "auprc", "raw")]
    assert (auprc.value, auprc.in_32_bits) == (raw.in_32_bits, None)


def test_in_32_bits_nothing_is_measured_twice_and_nothing_more_is_written(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[str] = []
    score = bench_module.score
    monkeypatch.setattr(bench_module, "score", lambda *a, **k: passes.append(k["precision"]) or score(*a, **k))
    record = train(make_spec(epochs=1))
    assert passes == ["32-true", "32-true"], "val and test"
    assert record.world is not None
    assert (record.world.precision, record.world.validation) == ("32-true", "32-true")
    assert "in_32_bits" not in find_run(runs, "tiny").record_file.read_text()
    row = find_run(runs, "tiny").history()[-1]
    for metric in ("auprc", "bce", "threshold"):
        assert row[names.evaluation("val", metric)] == delivered(record, "val", metric).value, metric


def test_tf32_is_set_while_a_run_computes_and_set_back() -> None:
    assert torch.get_float32_matmul_precision() == "highest"
    seen = []

    def look() -> None:
        seen.append(torch.get_float32_matmul_precision())

    def failing() -> None:
        look()
        with computing_in("32-true", torch.device("cpu")):
            look()
        look()
        raise RunFailed("a step has failed")

    with pytest.raises(RunFailed), computing_in("tf32", torch.device("cpu")):
        failing()
    assert seen == ["high", "highest", "high"]
    assert torch.get_float32_matmul_precision() == "highest"


def test_tf32_on_the_cpu_is_32_bits_and_says_so(
    make_spec: MakeSpec, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    step = Job.training_step
    monkeypatch.setattr(Job, "training_step", lambda *a: seen.append(torch.get_float32_matmul_precision()) or step(*a))
    record = train(make_spec(epochs=1, **{"trainer.precision": "tf32"}))
    assert record.world is not None
    assert (record.world.precision, record.world.validation) == ("32-true", "32-true")
    assert [finding.code for finding in record.preflight if "tf32" in finding.code] == ["tf32_without_units"]
    assert set(seen) == {"highest"}


def test_the_board_reads_nothing_of_a_batch(make_spec: MakeSpec, sites: Sites) -> None:
    """Tensors without storage: whoever reads one, fails."""
    spec = make_spec()
    task = Task.of(spec, sites)
    network = build_network(task).eval()
    whole = task.tables.gather(torch.from_numpy(sites.index("val")), share="residues")
    with torch.no_grad():
        scores = network(whole, telemetry=True)
    board = Scoreboard(sites, "val", spec.model)

    def without_storage(values: Any) -> Any:
        return type(values)(*(None if value is None else value.to("meta") for value in values))

    board.add(without_storage(whole), without_storage(scores))
    assert board._sums.device.type == "meta"


def test_contexts_without_a_neighbour_have_no_part_in_the_entropy(make_spec: MakeSpec, sites: Sites) -> None:
    spec = make_spec()
    task = Task.of(spec, sites)
    network = build_network(task).eval()
    board = Scoreboard(sites, "val", spec.model)
    whole = task.tables.gather(torch.from_numpy(sites.index("val")), share="nothing")
    alone_C = torch.arange(len(whole.label_B)) % 3 == 0
    some = whole._replace(valid_CK=whole.valid_CK & ~alone_C[:, None])
    none = whole._replace(valid_CK=torch.zeros_like(whole.valid_CK))
    with torch.no_grad():
        entropy_CLH = network.attention(some, telemetry=True).entropy_CLH
        scores, empty = network(some, telemetry=True), network(none, telemetry=True)
    expected = float(entropy_CLH[some.valid_CK.any(1)].mean())
    assert 0.0 < expected <= 1.0
    board.add(some, scores)
    row = board.close(torch.clone, CROSS_ENTROPY)
    assert row[names.ENTROPY] == pytest.approx(expected, rel=1e-5)
    board.add(none, empty)
    assert not any(key.startswith(names.ENTROPY) for key in board.close(torch.clone, CROSS_ENTROPY))


def test_infinite_logits_end_the_run_by_name(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Scoreboard.add

    def overflowing(self: Scoreboard, batch: Any, scores: Any) -> None:
        add(self, batch, scores._replace(logit_B=scores.logit_B + torch.inf))

    monkeypatch.setattr(Scoreboard, "add", overflowing)
    with pytest.raises(RunFailed, match="logits are infinite: these weights have diverged"):
        train(make_spec())
    folder = find_run(runs, "tiny")
    assert (folder.history(), folder.read_record().results) == ([], ())
