"""From a data file to the first batch: kag, the first and the second time, beside a Dataset of single samples.

    python -m tests.benchmarks.data [--full]

Three layouts of one data set: a residue table; a table and `esm`, the embedding of each point's residue once more; the
same as PockNet's own program writes it, in chunks of 100,000 rows, packed by lzf, however few rows there are: nobody
reads that sooner than HDF5 unpacks it, which is a row of its own. `--full` takes 4.3 million points on 240,000 residues
of 2,560 numbers, without `esm`, and four processes at once; it needs 8 GiB of disk and of memory.

The plain reference is what the field writes: whole datasets in memory, a dict from residue to row, a sample at a time.
Each measurement is a process of its own; imports are not counted, files are in the page cache, and what runs alone has
had the memory before that it will take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from kag.data.synth import synthesise

BATCH = 640
POCKNET_CHUNK = 100_000
"""Rows. Source: PockNet, generate_h5_v2_optimized.py, whose filters these are, too."""
PACKED = ("tabular", "esm", "neighbor_residue_indices", "neighbor_distances", "residue_embeddings")
PACKED_TEXTS = ("protein_keys", "residue_protein_keys")
RANKS = 4


class Cost(NamedTuple):
    """Of a process, from its imports to its first batch."""

    cpu: float
    """Seconds."""
    memory: float
    """MiB: the most that it held, beside what it held before; pages of files count for each process."""
    shared: float
    """MiB: what it holds at its first batch, pages that several processes map divided among them."""


class SampleDataset:
    """Samples one by one, as the field loads them."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path, "r") as file:
            self.tabular_NF, self.label_N = file["tabular"][:], file["labels"][:]
            self.split_N, self.neighbour_NK = file["split"][:], file["neighbor_residue_indices"][:]
            self.distance_NK, self.residue_RD = file["neighbor_distances"][:], file["residue_embeddings"][:]
            keys, numbers = file["residue_protein_keys"][:], file["residue_numbers_table"][:]
            rows = {(key, int(number)): row for row, (key, number) in enumerate(zip(keys, numbers, strict=True))}
            points = zip(file["protein_keys"][:], file["residue_numbers"][:], strict=True)
            self.centre_N = [rows[key, int(number)] for key, number in points]
            self.esm_ND = file["esm"][:] if "esm" in file else None
        train_NF = self.tabular_NF[self.split_N == 0].astype(np.float64)
        logged_NF = np.sign(train_NF) * np.log1p(np.abs(train_NF))
        self.mean_F, self.std_F = logged_NF.mean(0), logged_NF.std(0)

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        tabular_F = (np.sign(self.tabular_NF[row]) * np.log1p(np.abs(self.tabular_NF[row])) - self.mean_F) / self.std_F
        centre_D = self.residue_RD[self.centre_N[row]] if self.esm_ND is None else self.esm_ND[row]
        return tabular_F, centre_D, self.residue_RD[self.neighbour_NK[row]], self.distance_NK[row], self.label_N[row]


def plain(path: Path) -> object:
    """The first batch of the reference."""
    data = SampleDataset(path)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(data.split_N == 0))[:BATCH]
    for column in zip(*map(data.__getitem__, rows.tolist()), strict=True):
        np.stack(column)
    return data


def prepared(path: Path) -> object:
    """The first batch of kag, with everything that a run looks at before it."""
    from kag.data.facts import DataFacts
    from kag.data.opened import open_sites
    from kag.data.soundness import soundness
    from kag.data.tables import SiteTables, train_statistics

    sites = open_sites(path, say=lambda sentence: print(sentence, file=sys.stderr))
    soundness(sites)
    DataFacts.of(sites, 30.0)
    train_statistics(sites)
    import torch

    rows = np.random.default_rng(0).permutation(sites.index("train"))[:BATCH]
    tables = SiteTables.from_sites(sites, 30.0)
    tables.gather(torch.from_numpy(rows), share="nothing")
    return tables, sites


def unpacked(path: Path) -> object:
    """What HDF5 takes to unpack what kag needs, without a look at it: no reader can be sooner."""
    with h5py.File(path, "r") as file:
        return [file[name][:] for name in file if name not in ("esm", "neighbor_resnums")]


WAYS: dict[str, Callable[[Path], object]] = {"plain": plain, "kag": prepared, "hdf5": unpacked}


def measure(way: str, path: Path, *, alone: bool) -> None:
    """Print the cost of this process as JSON; it holds its data until all that run at once have been measured."""
    import kag.data.opened
    import kag.data.soundness
    import kag.data.tables  # noqa: F401  imports are not counted

    if alone:
        _touch(2 * path.stat().st_size)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports, and of that
    before, began = _kib("status", "VmRSS"), time.process_time()
    data = WAYS[way](path)
    cpu, most = time.process_time() - began, _kib("status", "VmHWM") - before
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(Cost(cpu, most / 1024, _kib("smaps_rollup", "Pss") / 1024)), flush=True)
    sys.stdin.readline()
    del data


def _touch(size: int) -> None:
    """Have as many bytes of the machine's memory as can be had, and give them back.

    A virtual machine gets its memory from the host when it is first used, and loses it again when it is not: what this
    takes, up to 2.4 seconds a GiB, counts as the system's work for whoever comes first.
    """
    from kag.data.host_memory import free_memory

    np.ones(min(size, free_memory()[0] // 2), np.uint8)


def _kib(file: str, name: str) -> int:
    lines = Path(f"/proc/self/{file}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def start(way: str, path: Path, cache: Path, *, alone: bool = True) -> subprocess.Popen[str]:
    """A process that measures itself."""
    words = [sys.executable, "-m", "tests.benchmarks.data", "--measure", way, str(path)]
    words += ["--alone"] if alone else []
    environment = {**os.environ, "KAG_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)


def costs(*processes: subprocess.Popen[str]) -> list[Cost]:
    """What processes that run at once cost, each measured when all of them have their data."""
    said = [_asked(process) for process in processes]
    assert said == ["ready\n"] * len(processes)
    found = [Cost(*json.loads(_asked(process, "measure\n"))) for process in processes]
    for process in processes:
        process.communicate("end\n")
    return found


def _asked(process: subprocess.Popen[str], words: str = "") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(words)
    process.stdin.flush()
    return process.stdout.readline()


def _as_pocknet(path: Path) -> Path:
    """The same data in PockNet's chunks."""
    written = path.with_suffix(".lzf.h5")
    with h5py.File(path) as plain, h5py.File(written, "w", libver="latest") as file:
        file.attrs.update(plain.attrs)
        plain.copy("feature_names", file)
        for name in plain.keys() - {"feature_names"}:
            packed = {"compression": "lzf", "shuffle": name in PACKED} if name in (*PACKED, *PACKED_TEXTS) else {}
            rows = plain[name]
            chunks, growing = (POCKNET_CHUNK, *rows.shape[1:]), (None, *rows.shape[1:])
            file.create_dataset(name, data=rows[:], dtype=rows.dtype, chunks=chunks, maxshape=growing, **packed)
    return written


def layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """One data set in three layouts."""
    sizes = {"proteins": 40, "points_per_protein": 1500, "residues_per_protein": 200, "embedding": 1280}
    for name, path in ((name, folder / f"{name}.h5") for name in ("table", "esm", "pocknet")):
        synthesise(path, **sizes, esm=name != "table")
        if name == "pocknet":
            path = _as_pocknet(path)
        yield name, path


def compare(name: str, path: Path, cache: Path) -> None:
    """Print what the first batch of a file costs, beside the reference."""
    time.sleep(2.5)  # the cache does not trust a file that was written a moment ago
    ways = {"a sample at a time": "plain", "HDF5 alone": "hdf5", "kag, the first time": "kag", "kag, again": "kag"}
    found = {said: costs(start(way, path, cache))[0] for said, way in ways.items()}
    reference = found["a sample at a time"]
    for said, cost in found.items():
        ratios = f"{reference.cpu / cost.cpu:8.1f}x{reference.memory / cost.memory:8.1f}x"
        print(f"{name:8} {said:22}{cost.cpu:8.2f} s{cost.memory:9.0f} MiB{ratios}", flush=True)


def full(folder: Path) -> None:
    """The size of the whole training set, and several processes on it at once."""
    path, cache = folder / "full.h5", folder / "cache"
    synthesise(path, proteins=1000, points_per_protein=4300, residues_per_protein=240, embedding=2560)
    compare("full", path, cache)
    one = costs(start("kag", path, cache))[0]
    several = sum(cost.shared for cost in costs(*(start("kag", path, cache, alone=False) for _ in range(RANKS))))
    print(f"{RANKS} processes hold {several / one.shared:.2f} times the memory of one")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="The size of the whole training set.")
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure[0], Path(asked.measure[1]), alone=asked.alone)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'':31}{'processor':>10}{'memory':>13}{'faster':>9}{'smaller':>9}")
        if asked.full:
            full(folder)
            return
        for layout, path in layouts(folder):
            compare(layout, path, folder / "cache")


if __name__ == "__main__":
    main()
