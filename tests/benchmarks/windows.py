"""The window map of a run against the run itself: `kag windows` must cost little beside training.

Set KAG_DATA to the folder of sites_v3.h5 for the real data; EPOCHS shortens the run.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from kag.data.read import read_sites
from kag.data.synth import synthesise
from kag.spec import load_spec
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.weights.bench import Bench
from kag.weights.checkpoint import read_checkpoint
from kag.weights.epochs import EpochWeights
from kag.weights.windows import window_map
from tests.weights.evaluated import evaluated

ROOT = Path(__file__).parents[2]


class Stopwatch:
    """Processor and wall time since it was made."""

    def __init__(self) -> None:
        self._began = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Seconds of both."""
        return time.process_time() - self._began[0], time.perf_counter() - self._began[1]


def main() -> None:
    """Print seconds of training, of the map and of the map with every window scored exactly, and their ratios."""
    epochs = int(os.environ.get("EPOCHS", "31"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = ROOT / os.environ.get("KAG_DATA", "../shared/data") / "sites_v3.h5"
        if not data.is_file():
            data = folder / "data.h5"
            synthesise(data, proteins=60, points_per_protein=300)
        window = [f"epochs={epochs}", f"swa.start={epochs - 1}", "swa.window=1", "swa.keep_sums=true"]
        overrides = [f"data.file={data}", "early_stopping=null", "ema=null", "track.mode=disabled", *window]
        spec = load_spec(ROOT / "runs" / "specs" / "sites.yaml", overrides)
        watch = Stopwatch()
        record = fit(spec, runs=folder / "runs", console=RunConsole(quiet=True))
        training = watch.read()
        print(f"{epochs} epochs: {training[0]:.1f} s of processor time, {training[1]:.1f} s of wall time", flush=True)
        run = RunFolder(folder / "runs" / record.id)
        watch = Stopwatch()
        bench = Bench.of(read_checkpoint(run.best), read_sites(data))
        kept = EpochWeights(run)
        ended: dict[str, float] = {}
        found = window_map(kept, bench, progress=lambda step, done, total: ended.update({step: watch.read()[0]}))
        _print(f"map of {len(found.windows)} windows, {len(found.verified)} of them exact", watch.read(), training)
        corrected = ended["resampled"] - ended["verified"]
        print(f"of these, choosing anew in every bag took {corrected:.1f} s, {corrected / ended['verified']:.3f} more")
        watch = Stopwatch()
        for each in found.windows:
            evaluated(bench, kept.mean(each.start, each.length))
        _print("every window exact, plain weights alone", watch.read(), training)


def _print(what: str, cost: tuple[float, float], training: tuple[float, float]) -> None:
    ratios = [seconds / whole for seconds, whole in zip(cost, training, strict=True)]
    print(f"{what}: {cost[0]:.1f} s and {cost[1]:.1f} s, ratios {ratios[0]:.3f} and {ratios[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
