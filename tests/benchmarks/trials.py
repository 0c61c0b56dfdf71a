"""Trials of a worker, online: each by a process of its own, and as copies of one that is ready.

CPU seconds and wall seconds of a trial of one epoch, and how much of them is its training.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from kag import names
from kag.cli.listening import listening
from kag.cli.programs import with_kag_first
from kag.cli.trials import Spawned, Trial, Workplace
from kag.data.read import read_sites
from kag.data.synth import synthesise
from kag.server.embedded import embedded_server
from kag.track.folder import RunFolder

ROOT = Path(__file__).parents[2]
TRIALS = 5


def seconds(begin: Callable[[list[str]], Trial], runs: str) -> float:
    """Of a trial on the clock, from its start to its end; the median."""
    found = []
    with listening() as ears:
        for seed in range(1, TRIALS + 1):
            begun = time.perf_counter()
            trial = begin(["kag", "train", "demo.yaml", f"seed={seed}", "track.mode=auto", "--runs", runs])
            while (code := trial.poll()) is None:
                ears.wait(600.0, trial.wakes)
            assert code == 0
            found.append(time.perf_counter() - begun)
    return median(found)


def training_of(runs: str) -> float:
    """Seconds of the epoch of a trial; the median."""
    points = len(read_sites(Path("demo.h5")).index("train"))
    return median(points / folder.history()[0][names.SAMPLES_PER_SECOND] for folder in RunFolder.all(Path(runs)))


def cpu_of_children() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print both ways and their ratio."""
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder) / "server", now=time.time()) as server:
        os.chdir(folder)
        synthesise(Path("demo.h5"))
        spec = (ROOT / "runs" / "specs" / "demo.yaml").read_text()
        Path("demo.yaml").write_text(spec.replace("epochs: 12", "epochs: 1").replace("epochs: 5", "epochs: 1"))
        around = {**os.environ, "PATH": with_kag_first(os.environ), "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true"}
        environment = around | server.environment(around)
        script = shutil.which("kag", path=environment["PATH"]) or sys.argv[0]
        before = cpu_of_children()
        cold = seconds(lambda words: Spawned(words, environment), "cold")
        between = cpu_of_children()
        with Workplace(script, environment) as workplace:
            warm = seconds(lambda words: workplace.begin(words, environment), "warm")
        after = cpu_of_children()
        training = training_of("warm")
    print(f"wall time  alone {cold:.2f} s, as a copy {warm:.2f} s, ratio {warm / cold:.3f}")
    alone, copied = (between - before) / TRIALS, (after - between) / TRIALS
    print(f"CPU time   alone {alone:.2f} s, as a copy {copied:.2f} s, its share of the loading among them")
    print(f"training   {training:.2f} s of it")


if __name__ == "__main__":
    main()
