"""Five real runs on the demo data that stand on one another, mirrored offline as `kag train` does by default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kag.cli.blend import blend
from kag.data.synth import synthesise
from kag.spec import load_spec
from kag.train.fit import fit
from kag.train.job import Job

SPEC = Path(__file__).parents[2] / "runs" / "specs" / "demo.yaml"
NAMES = ("baseline", "penalty", "broken", "swa", "blend")

FAST = (
    *("model.hidden=[64,32]", "model.dropout=0.1", "optimizer.lr=1e-3", "optimizer.schedule.max_lr=4e-3"),
    *("model.gate.penalty.weight.start=0.15", "model.gate.penalty.weight.end=0.05", "model.gate.penalty.target=0.6"),
    "model.gate.context_scale.end=1.0",
)
"""It learns at once, and too much, and a weak penalty does not hold alpha: there is something to say of each run."""


class Planted(TypeError):
    """The error that ends the third run."""


def make_chain(folder: Path) -> Path:
    """Baseline, stronger penalty, a planted error, averaging, a blend of the first and the fourth; their folder."""
    import wandb

    data, runs = folder / "demo.h5", folder / "runs"
    synthesise(data, proteins=16, points_per_protein=80, embedding=16)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
            patch.setenv(name, str(folder / "home"))
        # The client reads its settings once; at the end it writes what it still holds.
        wandb.teardown()
        _train(data, runs)
        wandb.teardown()
    return runs


def _train(data: Path, runs: Path) -> None:
    shared = [f"data.file={data}", "epochs=8", "track.mode=offline", *FAST]

    def train(name: str, *overrides: str) -> None:
        fit(load_spec(SPEC, [*shared, f"name={name}", f"change={name} of the chain", *overrides]), runs=runs)

    def break_down(job: Job) -> dict[str, float]:
        if job.current_epoch == 2:
            raise Planted("no tensor")
        return close_epoch(job)

    train("baseline")
    train("penalty", "model.gate.penalty.weight=0.6")
    close_epoch = Job.close_epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "close_epoch", break_down)
        with pytest.raises(Planted):
            train("broken")
    train("swa", "swa.start=4", "swa.window=3", "swa.lr=1e-4", "swa.anneal_epochs=1", "swa.keep_sums=true")
    blend(["baseline", "swa"], weights="0.5,0.5", ratios=None, data=None, runs=runs, as_json=True)
