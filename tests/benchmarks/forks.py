"""20 averaging windows (5 starts x 4 lengths), each on its own and with forks: epochs, wall time, equality."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from kag.data.synth import synthesise
from kag.forks.sharing import ShareOptions
from kag.spec import RunSpec, build_spec
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from tests.train.conftest import TINY

STARTS, LENGTHS = (8, 10, 12, 14, 16), (1, 2, 3, 4)


def specs(data: Path) -> list[RunSpec]:
    base = {"data.file": str(data), "epochs": 24, "swa.anneal_epochs": 1, "early_stopping": None}
    return [
        build_spec(TINY, {**base, "swa.start": start, "swa.window": length}) for start in STARTS for length in LENGTHS
    ]


def train_all(data: Path, runs: Path, share: ShareOptions | None) -> tuple[list[RunRecord], int, float]:
    """Records, epochs that were really trained, seconds."""
    trained: list[int] = []
    start = Job.on_train_epoch_start

    def counting(self: Job) -> None:
        trained.append(self.current_epoch)
        start(self)

    Job.on_train_epoch_start = counting  # type: ignore[method-assign]
    began = time.perf_counter()
    try:
        records = [fit(spec, runs=runs, share=share, console=RunConsole(quiet=True)) for spec in specs(data)]
    finally:
        Job.on_train_epoch_start = start  # type: ignore[method-assign]
    return records, len(trained), time.perf_counter() - began


def main() -> None:
    """Print both counts, both wall times and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.h5"
        synthesise(data, proteins=24, points_per_protein=200, embedding=16)
        alone, alone_epochs, alone_seconds = train_all(data, Path(folder) / "alone", None)
        share = ShareOptions(Path(folder) / "share", part_at=STARTS)
        forked, fork_epochs, fork_seconds = train_all(data, Path(folder) / "forked", share)
    equal = sum(
        (one.results, one.checkpoints) == (other.results, other.checkpoints)
        for one, other in zip(alone, forked, strict=True)
    )
    print(f"epochs    separate {alone_epochs}, forks {fork_epochs}, ratio {fork_epochs / alone_epochs:.3f}")
    ratio = fork_seconds / alone_seconds
    print(f"wall time separate {alone_seconds:.1f} s, forks {fork_seconds:.1f} s, ratio {ratio:.3f}")
    print(f"results and weights digests equal bit for bit: {equal} of {len(alone)}")


if __name__ == "__main__":
    main()
