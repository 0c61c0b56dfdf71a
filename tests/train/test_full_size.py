"""The October 17 model at full size, 72 million parameters: it can be checked, and trained in under 8 GiB.

`kag train` rehearses as `kag check` does, so a batch of the spec's own size goes through everything there alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parents[2]
LIMIT = 8 * 2**30
MEASURED = """
import resource
from kag.cli.main import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""A command, then its largest resident memory in KiB."""

SPEC = ROOT / "runs" / "specs" / "oct17.yaml"


def wide_file(place: Path, **sizes: int) -> Path:
    """A file with embeddings as wide as those of ESM2 3B."""
    from kag.data.synth import synthesise

    synthesise(place / "wide.h5", embedding=2560, **sizes)
    return place / "wide.h5"


def measured(folder: Path, *words: str | Path) -> tuple[str, int]:
    """Run a command; what it printed and its peak memory in bytes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-c", MEASURED, *map(str, words)]
    done = warm.run(command, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    printed, _, peak = done.stdout.rpartition("peak ")
    return printed, int(peak) * 1024


@pytest.mark.slow(8, "the check holds a file of full width against the memory there is")
def test_it_passes_the_check_with_rehearsal(tmp_path: Path) -> None:
    data = wide_file(tmp_path, proteins=3, points_per_protein=40, neighbours=1)
    printed, peak = measured(tmp_path, "check", SPEC, f"data.file={data}")
    lines = printed.splitlines()
    assert "parameters         72,058,851" in lines
    assert sum(line.startswith("rehearsal ") for line in lines) == 6
    assert lines[-1] == "this spec can be trained"
    assert peak < LIMIT


@pytest.mark.slow(20, "a file of full width is trained on in 8 GiB")
def test_it_trains_in_under_8_gib(tmp_path: Path) -> None:
    """One batch of the spec's own size, nearly every point of it with a context of its own."""
    data = wide_file(tmp_path, proteins=7, points_per_protein=128)
    words = ("epochs=1", "data.batch_size=640", "track.mode=disabled", "evaluate.test=never")
    printed, peak = measured(tmp_path, "train", SPEC, f"data.file={data}", *words)
    assert "epoch   0" in printed
    assert "* raw" in printed
    print(f"peak {peak / 2**30:.2f} GiB")
    assert peak < LIMIT
