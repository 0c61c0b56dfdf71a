"""The window map of a run against the run itself, in processor time: `kag windows` must cost little beside training.

Set KAG_DATA to the folder of sites_v3.h5 for the real data; EPOCHS shortens the run.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import torch

from kag.data.read import read_sites
from kag.data.synth import synthesise
from kag.spec import load_spec
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.weights.average import RunSums
from kag.weights.bench import Bench
from kag.weights.checkpoint import read_checkpoint
from kag.weights.windows import window_map

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Print processor seconds of training, of the map, and their ratio."""
    epochs = int(os.environ.get("EPOCHS", "31"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = ROOT / os.environ.get("KAG_DATA", "../shared/data") / "sites_v3.h5"
        if not data.is_file():
            data = folder / "data.h5"
            synthesise(data, proteins=60, points_per_protein=300)
        window = [f"epochs={epochs}", f"swa.start={epochs - 1}", "swa.window=1", "swa.keep_sums=true"]
        overrides = [f"data.file={data}", "early_stopping=null", "track.mode=disabled", *window]
        spec = load_spec(ROOT / "runs" / "specs" / "sites.yaml", overrides)
        began = time.process_time()
        record = fit(spec, runs=folder / "runs", console=RunConsole(quiet=True))
        training = time.process_time() - began
        checkpoints = folder / "runs" / record.id / "checkpoints"
        began = time.process_time()
        weights = read_checkpoint(checkpoints / "best.ckpt")
        found = window_map(RunSums(checkpoints / "sums"), Bench.of(weights, read_sites(data), torch.device("cpu")))
        mapping = time.process_time() - began
    print(f"processor time: {epochs} epochs {training:.1f} s, map of {found.tried} windows {mapping:.1f} s")
    print(f"ratio {mapping / training:.3f}")


if __name__ == "__main__":
    main()
