"""`kag changelog --write` on 5,000 synthetic runs of 80 epochs: seconds and peak memory, first and second time.

    python -m tests.benchmarks.changelog [--runs 5000] [--epochs 80] [--folder DIR] [--tree DIR]

Every history row has the forty keys that training logs. The command runs in a process of its own, start included. The
same number of runs of another program, as its client leaves them on disk, has thirty rows of five numbers each; such
files are read anew every time. Memory is that of the command, without the processes that it starts. `--tree` names
another checkout of kag to measure on the same runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kag import names
from kag.spec import build_spec, digest, flat
from kag.track.record import Checkpoint, Found, GitFacts, RunRecord, Status
from kag.track.result import Result
from tests.track.test_offline import File

START = datetime(2025, 1, 1, tzinfo=UTC)
HEADS = 6
STEPS = 30
ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from kag.cli.main import main; sys.argv = ['kag', *sys.argv[1:]]; main()"


def history(epochs: int, source: random.Random) -> str:
    """Rows of a run that rises, peaks and drifts, as `history.jsonl` has them."""
    peak, best = source.uniform(0.1, 0.9) * epochs, source.uniform(0.2, 0.5)
    return "".join(json.dumps(row(epoch, epochs, peak, best, source)) + "\n" for epoch in range(epochs))


def row(epoch: int, epochs: int, peak: float, best: float, source: random.Random) -> dict[str, float]:
    """One epoch with every key that training logs."""
    value = best * math.exp(-(((epoch - peak) / epochs) ** 2)) + source.gauss(0, 0.003)
    schedules = (names.LR, names.PENALTY_WEIGHT, names.DROPOUT_RATE, names.CONTEXT_SCALE, names.AUXILIARY_WEIGHT)
    losses = (names.TRAIN_LOSS, names.TRAIN_LOSS_MAIN, names.TRAIN_LOSS_PENALTY, names.TRAIN_LOSS_AUXILIARY)
    gate = (names.ALPHA_MEAN, names.ALPHA_STD, names.ALPHA_P05, names.ALPHA_P50, names.ALPHA_P95, names.SATURATED_SHARE)
    entropy = [names.ENTROPY, *map(names.entropy_layer, range(2)), *map(names.entropy_head, range(HEADS))]
    others = (names.NORM_RATIO, names.VALID_SHARE, names.POS_WEIGHT, names.PREVALENCE, names.SAMPLES_PER_SECOND)
    found = {names.EPOCH: float(epoch), names.SWA_ACTIVE: 0.0, names.SWA_AVERAGED_EPOCHS: 0.0}
    found |= {key: source.random() for key in (*schedules, *losses, *gate, *entropy, *others, names.AUXILIARY_LOSS)}
    found |= {names.evaluation("val", metric): source.random() for metric in names.METRICS}
    return found | {names.OBJECTIVE: value}


def record(number: int, epochs: int, source: random.Random) -> RunRecord:
    """A finished run, compared with the one before, from time to time aborted or part of a sweep."""
    start = START + timedelta(minutes=number)
    settings = {"epochs": epochs, "model.gate.temperature": source.choice([1.0, 1.5, 2.0])}
    settings |= {"model.gate.penalty.weight": round(source.uniform(0.0, 0.3), 3)}
    spec = build_spec({"name": f"run{number}", "data": {"file": "sites.h5"}}, settings)
    weights, value = f"{number:064x}", source.uniform(0.2, 0.5)
    results = tuple(
        Result(
            split=split,
            metric=metric,
            value=value + 0.1 * (split == "test"),
            ci_low=value - 0.05,
            ci_high=value + 0.15,
            weights="raw",
            weights_digest=weights,
            data_digest="d" * 64,
            epoch=10,
            selected_on=names.OBJECTIVE,
            delivered=True,
        )
        for split in ("val", "test")
        for metric in names.METRICS
    )
    before = START + timedelta(minutes=number - 1)
    return RunRecord(
        id=f"{start:%Y-%m-%d_%H-%M-%S}_run{number}",
        name=f"run{number}",
        status=Status.FINISHED,
        start=start,
        change=f"change number {number}",
        config=flat(spec),
        found=Found(spec_digest=digest(spec)),
        data_digest="d" * 64,
        parent=f"{before:%Y-%m-%d_%H-%M-%S}_run{number - 1}" if number else None,
        git=GitFacts(commit=f"{number:040x}", touched=("kag/model/gate.py", "kag/train/job.py")),
        epochs_trained=epochs,
        best_epoch=10,
        results=results,
        checkpoints={"delivered": Checkpoint(path="checkpoints/delivered.ckpt", weights_digest=weights)},
        sweep="s1" if number % 10 == 0 else None,
    )


def make_runs(runs: Path, count: int, epochs: int) -> None:
    """Write the run folders; a few dozen histories are enough, every record is its own."""
    source = random.Random(7)
    histories = [history(epochs, source) for _ in range(40)]
    for number in range(count):
        found = record(number, epochs, source)
        folder = runs / found.id
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(found.model_dump_json(indent=2))
        (folder / "history.jsonl").write_text(histories[number % len(histories)])
        if number % 7 == 0:
            (folder / "notes.md").write_text(f"a note about run {number}\n")


def settle(folder: Path) -> None:
    """Make the runs an hour old: the change log trusts no file that may still be changing.

    And bring them to the disk, else the first fsync of the change log waits for all of them.
    """
    then = time.time() - 3600.0
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    os.sync()


def make_files(folder: Path, count: int) -> None:
    """Write the files of runs of another program, of which each setting is tried in turn."""
    source = random.Random(7)
    for number in range(count):
        start = START + timedelta(minutes=number)
        file = File(folder, f"{start:%Y%m%d_%H%M%S}", f"w{number}")
        run = file.add("run")
        run.run_id, run.display_name = f"w{number}", f"run{number}"
        run.start_time.FromDatetime(start)
        config = {"lr": source.choice([0.1, 0.2, 0.3]), "model|width": source.choice([8, 16]), "seed": number % 5}
        file.change(run.config, config)
        row: dict[str, float] = {}
        for step in range(STEPS):
            row = {"_step": step, "loss": source.random(), "val/accuracy": source.random(), "lr": 0.1, "grad": 1 / 3}
            file.row(**row)
        file.change(file.add("summary"), row)
        file.add("exit").exit_code = 0
        file.write()


def measure(source: str, document: Path, tree: Path) -> tuple[float, float]:
    """Seconds and peak memory in MiB of one `kag changelog --write`."""
    words = ["changelog", "--source", source, "--write", str(document)]
    env = os.environ | {"PYTHONPATH": str(tree)}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", COMMAND, *words], check=True, stderr=subprocess.DEVNULL, env=env)
    return time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Make the runs and print both times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--folder", type=Path, help="keep the runs here, and use those that are there")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout of kag to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "runs").exists():
            make_runs(folder / "runs", options.runs, options.epochs)
            make_files(folder / "wandb", options.runs)
            settle(folder)
        shutil.rmtree(folder / "runs" / ".changelog", ignore_errors=True)
        for source, name in ((str(folder / "runs"), "LOG.md"), (f"offline:{folder / 'wandb'}", "OTHER.md")):
            (folder / name).unlink(missing_ok=True)
            for words in ("first run", "second run, nothing changed"):
                seconds, memory = measure(source, folder / name, options.tree)
                print(f"{name}: {words}: {seconds:.2f} s, peak {memory:.0f} MiB", flush=True)
            size = (folder / name).stat().st_size / 2**20
            print(f"{name}: {options.runs} runs, a document of {size:.1f} MiB")


if __name__ == "__main__":
    main()
