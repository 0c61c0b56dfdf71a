"""What a trial of a sweep costs over its training, online: as `kag agent` runs it, beside a process for each trial.

The plain reference is `wandb agent`, which starts `kag train` anew for each trial. Training alone is the same epochs by
`fit` in this process, with nothing tracked. CPU seconds are those of everything that an agent starts: the client's own
process and its helpers too, the server apart. Waiting is what is left of a trial's time on the clock when its main
thread neither computes nor stands in line for a core; so it holds on a loaded machine, where the time itself does not.

An agent works on one trial, then another agent on several: the difference is what a further trial costs, the rest what
it costs to begin.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import NamedTuple

from kag.cli.programs import with_kag_first
from kag.cli.sweep_agents import runs_of
from kag.data.synth import synthesise
from kag.server.embedded import embedded_server
from kag.spec.load import load_spec
from kag.train.console import RunConsole
from kag.train.fit import fit

ROOT = Path(__file__).parents[2]
MORE = 3
"""Trials of an agent beyond its first."""

LOOK_SECONDS = 0.03
ADOPT = 36
"""`PR_SET_CHILD_SUBREAPER`: what a process of an agent leaves behind ends as a child of this one, and is counted."""

KAG = (sys.executable, "-P", "-c", "from kag.cli.main import main; main()", "agent")
PLAIN = (sys.executable, "-P", "-m", "wandb", "agent")
SWEEP = {
    "program": "kag",
    "method": "grid",
    "metric": {"name": "val/auprc", "goal": "maximize"},
    "parameters": {"seed": {"values": [*range(1, 2 * (MORE + 2))]}},
    "command": ["${env}", "kag", "train", "demo.yaml", "epochs=1", "track.mode=auto", "${args_no_hyphens}"],
}


class Spent(NamedTuple):
    """Seconds."""

    cpu: float
    wall: float
    busy: float
    """In which the main threads of trials computed, or stood in line."""

    def beyond(self, first: Spent) -> Spent:
        """A trial's share of what was spent beyond the first one."""
        return Spent(*((more - less) / MORE for more, less in zip(self, first, strict=True)))


def family(root: int) -> list[int]:
    """A process and what it has started, each behind its parent."""
    parents: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(name))
    found = [root]
    for process in found:
        found += parents.get(process, [])
    return found


def trials_below(agent: int, outer: set[int]) -> Iterator[int]:
    """Processes of trials, not what they have started."""
    for process in family(agent)[1:]:
        if process in outer:
            yield process
        elif runs_of(process):
            with suppress(OSError):
                parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
                if parent == agent or not runs_of(parent):
                    outer.add(process)
                    yield process


@contextmanager
def watching(agent: int) -> Iterator[dict[int, float]]:
    """Seconds in which the main thread of each trial has computed or stood in line, as far as the block has gone."""
    busy: dict[int, float] = {}
    outer: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            for process in trials_below(agent, outer):
                with suppress(OSError):
                    computed, stood, _ = Path(f"/proc/{process}/schedstat").read_text().split()
                    busy[process] = (int(computed) + int(stood)) / 1e9

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield busy
    finally:
        over.set()
        thread.join()


def cpu_of_children() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spent(words: tuple[str, ...], sweep: str, trials: int, environment: Mapping[str, str]) -> Spent:
    """What an agent and its trials take."""
    before, begun = cpu_of_children(), time.perf_counter()
    agent = Popen([*words, "--count", str(trials), sweep], env=environment, stdout=DEVNULL, stderr=DEVNULL)
    with watching(agent.pid) as busy:
        assert agent.wait() == 0
    wall = time.perf_counter() - begun
    for process in family(os.getpid())[1:]:
        with suppress(ChildProcessError, OSError):
            if "wandb" in Path(f"/proc/{process}/comm").read_text():
                os.waitpid(process, 0)
    return Spent(cpu_of_children() - before, wall, sum(busy.values()))


def training() -> float:
    """CPU seconds of `fit` with nothing tracked, in a process that has everything loaded."""
    found = []
    for seed in (1, 2):
        before = time.process_time()
        spec = load_spec(Path("demo.yaml"), [f"seed={seed}", "epochs=1", "track.mode=disabled", "evaluate.test=never"])
        fit(spec, runs=Path("alone"), console=RunConsole(quiet=True))
        found.append(time.process_time() - before)
    return found[-1]


def main() -> None:
    """Print both ways and their ratio."""
    import wandb

    ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder) / "server", now=time.time()) as server:
        os.chdir(folder)
        synthesise(Path("demo.h5"))
        Path("demo.yaml").write_text((ROOT / "runs" / "specs" / "demo.yaml").read_text())
        alone = training()
        around = {**os.environ, "PATH": with_kag_first(os.environ), "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true"}
        environment = around | server.environment(around)
        os.environ.update(environment)
        sweeps = [f"kag/trials/{wandb.sweep(SWEEP, project='trials', entity='kag')}" for _ in range(2)]
        wandb.teardown()
        os.environ.pop("WANDB_SERVICE", None)
        ways = {}
        for name, words, sweep in (("a process each", PLAIN, sweeps[0]), ("copies", KAG, sweeps[1])):
            first = spent(words, sweep, 1, environment)
            ways[name] = first, spent(words, sweep, 1 + MORE, environment).beyond(first)
    print(f"training alone: {alone:.2f} CPU s")
    for name, (first, further) in ways.items():
        print(
            f"{name:15} the first trial {first.cpu:6.2f} CPU s; each further one {further.cpu:6.2f} CPU s, "
            f"{further.cpu - alone:5.2f} over training, {further.wall - further.busy:5.2f} s waiting, "
            f"{further.wall:6.2f} s on the clock"
        )
    (_, plain), (_, copied) = ways.values()
    print(
        f"ratio of a further trial: {copied.cpu / plain.cpu:.3f} in CPU s, {copied.wall / plain.wall:.3f} on the clock"
    )


if __name__ == "__main__":
    main()
