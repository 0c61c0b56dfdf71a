"""One run in two processes, started in every way there is: one folder, one W&B run, the same weights bit for bit."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from kag import names
from kag.spec import spec_text
from kag.track.folder import RunFolder
from kag.track.record import Status
from kag.train.processes import free_port
from kag.weights.storage import load_torch
from tests import warm
from tests.e2e.tracking import family, until
from tests.epoch_lines import ends_epoch
from tests.jobs import no_job
from tests.train.conftest import MakeSpec

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(__file__).with_name("kag_script.py"))
SETTINGS = {"data.batch_size": 64, "track.mode": "offline", "early_stopping": None, "epochs": 10}
"""So many epochs that a run goes on while somebody who has seen two of them kills one of its processes."""
ONE_NODE, TWO_NODES = ("trainer.devices=2",), ("trainer.nodes=2",)
HERE = socket.gethostname()


class Started:
    """Programs that make up one run, and what each has printed."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.place, self._stack = place, stack
        self.programs: list[warm.Program] = []

    def start(self, words: Sequence[str], environment: Mapping[str, str] = {}) -> None:
        """Start one, with nothing of a job but what is said here."""
        out = self._stack.enter_context((self.place / f"{len(self.programs)}.log").open("w"))
        variables = no_job() | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}
        program = warm.start([sys.executable, *words], cwd=self.place, env=variables, output=out)
        self.programs.append(program)
        self._stack.callback(self._end, program)

    def said(self, number: int = 0) -> str:
        return (self.place / f"{number}.log").read_text()

    def codes(self, seconds: float = 300.0) -> list[int]:
        """How they end."""
        return [program.wait(seconds) for program in self.programs]

    def folder(self) -> RunFolder:
        """The only one."""
        (found,) = RunFolder.all(self.place / "runs")
        return found

    def trained(self, epochs: int) -> bool:
        return sum(map(ends_epoch, self.said().splitlines(True))) >= epochs

    @staticmethod
    def _end(program: warm.Program) -> None:
        for one in family(program.pid) if program.poll() is None else ():
            os.kill(one, signal.SIGKILL)


Place = Callable[..., Started]


@pytest.fixture
def place(make_spec: MakeSpec, tmp_path: Path) -> Place:
    """A folder with the spec."""

    def make(stack: ExitStack, **changes: object) -> Started:
        (tmp_path / "spec.yaml").write_text(spec_text(make_spec(**{**SETTINGS, **changes})))
        return Started(tmp_path, stack)

    return make


def train(*words: str) -> list[str]:
    return [SCRIPT, "train", "spec.yaml", *words]


def torchrun(nodes: int, port: int, *words: str) -> list[str]:
    """One agent, of as many nodes as are said; two processes over all."""
    meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--local-addr=127.0.0.1"]
    size = [f"--nnodes={nodes}", f"--nproc-per-node={2 // nodes}", "--max-restarts=1"]
    return ["-c", "from tests.copied import torchrun; torchrun()", *size, *meeting, *train(*words)]


def task(rank: int, nodes: int, port: int) -> dict[str, str]:
    """What srun says to one of two tasks on one node or on two."""
    node = rank if nodes == 2 else 0
    of_step = {"NUM_TASKS": "2", "NUM_NODES": str(nodes), "TASKS_PER_NODE": "2" if nodes == 1 else "1(x2)"}
    job = {"JOB_ID": "4077", "JOB_NAME": "train", "NTASKS": "2", "NNODES": str(nodes), "STEP_ID": "0"}
    own = {"PROCID": str(rank), "LOCALID": str(rank - node), "NODEID": str(node)}
    said = {f"SLURM_{name}": value for name, value in (job | own).items()}
    said |= {f"SLURM_STEP_{name}": value for name, value in of_step.items()}
    # As in the case script: the names of nodes that are all on one host lead nowhere.
    return said | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "SLURMD_NODENAME": f"n{node + 1}"}


def srun(run: Started, nodes: int, *words: str, second: Sequence[str] = ()) -> None:
    port, shape = free_port(), ONE_NODE if nodes == 1 else TWO_NODES
    for rank in range(2):
        run.start(train(*shape, *words, *(second if rank else ())), task(rank, nodes, port))


def by_lightning(run: Started) -> None:
    run.start(train(*ONE_NODE))


def by_srun_1x2(run: Started) -> None:
    srun(run, 1)


def by_srun_2x1(run: Started) -> None:
    srun(run, 2)


def by_torchrun_2x1(run: Started) -> None:
    port = free_port()
    for _ in range(2):
        run.start(torchrun(2, port, *TWO_NODES))


def by_torchrun_1x2_of_which_one_is_killed(run: Started) -> None:
    run.start(torchrun(1, free_port(), *ONE_NODE))
    until(lambda: run.trained(2), what="two epochs")
    os.kill(family(run.programs[0].pid)[-1], signal.SIGKILL)


WAYS = {
    "srun 1x2": (by_srun_1x2, ("slurm", 1, "4077", "n1", None)),
    "srun 2x1": (by_srun_2x1, ("slurm", 2, "4077", "n1", None)),
    "torchrun 2x1": (by_torchrun_2x1, ("torchrun", 2, None, None, None)),
    "torchrun 1x2, restarted": (by_torchrun_1x2_of_which_one_is_killed, ("torchrun", 1, None, None, 1)),
}


def computed(folder: RunFolder) -> object:
    rows = [{key: row[key] for key in row if key != names.SAMPLES_PER_SECOND} for row in folder.history()]
    record = folder.read_record()
    digests = {name: one.weights_digest for name, one in record.checkpoints.items()}
    return record.status, rows, record.results, digests


@pytest.fixture(scope="module")
def reference(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run whose second process Lightning starts."""
    with ExitStack() as stack:
        run = Started(tmp_path_factory.mktemp("lightning"), stack)
        (run.place / "spec.yaml").write_text(spec_text(make_spec(**SETTINGS)))
        by_lightning(run)
        assert run.codes() == [0], run.said()
        return run.folder()


@pytest.mark.slow(10, "a world of two started by srun and torchrun, on one node and on two, and a restart of torchrun")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_start_two_processes_comes_to_the_same_run(way: str, reference: RunFolder, place: Place) -> None:
    begin, expected = WAYS[way]
    with ExitStack() as stack:
        run = place(stack)
        begin(run)
        assert run.codes() == [0] * len(run.programs), run.said()
    folder = run.folder()
    assert computed(folder) == computed(reference)
    world = folder.read_record().world
    assert world is not None
    assert (world.launcher, world.nodes, world.job, world.node, world.restarts) == expected
    assert (world.processes, world.effective_batch, world.hosts) == (2, 128, (HERE,))
    assert len({file.name for file in folder.wandb.glob("*/run-*.wandb")}) == 1, "one W&B run, however often begun"


@pytest.mark.slow(8, "a data file that is missing on one node")
def test_a_data_file_that_is_missing_on_one_node_ends_all_with_its_name(place: Place) -> None:
    with ExitStack() as stack:
        run = place(stack)
        srun(run, 2, second=["data.file=nowhere.h5"])
        assert run.codes(seconds=60) == [1, 2]
    assert "nowhere.h5" in run.said(1)
    said = " ".join(run.said(0).split())
    assert f"process 1 of 2 on {HERE} has gone: " in said
    assert "nowhere.h5" in said


@pytest.mark.slow(8, "a signal that reaches one task of srun alone, and the first that is killed")
def test_a_signal_to_one_task_alone_ends_all_with_their_state_and_the_requeued_job_goes_on(place: Place) -> None:
    with ExitStack() as stack:
        run = place(stack, epochs=500)
        srun(run, 2)
        until(lambda: run.trained(1), what="the first epoch")
        run.programs[1].send_signal(signal.SIGTERM)
        assert run.codes(seconds=60) == [128 + signal.SIGTERM, 0]
        record = run.folder().read_record()
        assert record.status is Status.KILLED
        assert load_torch(run.folder().last)["epoch"] == (record.epochs_trained or 0) - 1
        again = Started(run.place, stack)
        port = free_port()
        for rank in range(2):
            again.start(train(*TWO_NODES), task(rank, 2, port) | {"SLURM_RESTART_COUNT": "1"})
        until(lambda: again.trained(1), what="an epoch of the next attempt")
        again.programs[0].send_signal(signal.SIGKILL)
        assert again.codes(seconds=60) == [-signal.SIGKILL, 1]
        assert f"process 0 of 2 on {HERE} has gone" in " ".join(again.said(1).split())
    epochs = [row[names.EPOCH] for row in run.folder().history()]
    assert epochs == list(range(len(epochs))), "one folder, each epoch once"
    assert len(epochs) > (record.epochs_trained or 0)
