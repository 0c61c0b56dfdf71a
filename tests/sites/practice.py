"""One change at a time around the shipped specs, each over five seeds; and what makes attention collapse.

    python -m tests.sites.practice RUNS practice --parent sites=RUN neighbours=RUN
    python -m tests.sites.practice RUNS entropy

What each of them does stands in the change log of RUNS. Neither looks at test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SEEDS = "1,2,3,4,5"


class Variant(NamedTuple):
    """A spec that differs in one thing."""

    name: str
    change: str
    overrides: tuple[str, ...]
    spec: str = "sites"
    """That it differs from, in runs/specs."""


PRACTICE = (
    Variant("decay-everything", "Weight decay on biases and norms too", ("optimizer.decay=everything",)),
    Variant("layer-norm", "Layer norm in place of batch norm", ("model.norm=layer",)),
    Variant("embedding-train", "Embeddings standardised by the train split", ("model.embedding_norm=train",)),
    Variant("embedding-raw", "Embeddings as stored", ("model.embedding_norm=none",)),
    Variant("four-times-as-wide", "Encoders four times as wide", ("model.hidden=[192]",)),
    Variant("little-dropout", "Dropout 0.2", ("model.dropout=0.2",)),
    Variant("relu", "ReLU in place of GELU", ("model.activation=relu",)),
    Variant("residue-batches", "Batches of residues in place of points", ("data.grouping=residue",)),
    Variant("no-average", "No average over steps", ("ema=null",)),
    Variant(
        "window",
        "A window of epochs averaged in place of steps",
        ("ema=null", "swa.start=4", "swa.window=4", "swa.lr=1.0e-4", "swa.anneal_epochs=6"),
    ),
    Variant(
        "cosine",
        "Cosine after one epoch of warm-up",
        ("optimizer.schedule.kind=cosine", "optimizer.lr=4.0e-4", "optimizer.schedule.warmup_epochs=1"),
    ),
    Variant(
        "constant",
        "Constant rate after one epoch of warm-up",
        ("optimizer.schedule.kind=constant", "optimizer.lr=2.0e-4", "optimizer.schedule.warmup_epochs=1"),
    ),
    Variant("smoothed", "Label smoothing 0.05", ("loss.label_smoothing=0.05",)),
    Variant("heavy-positives", "Positives weighted as much as all negatives", ("loss.pos_weight=auto",)),
    Variant("plain-columns", "Tabular columns without periodic features", ("model.periodic=null",)),
    Variant("wide-path", "A path four times as wide", ("model.attention.width=64",), "neighbours"),
    Variant("gate-of-each-point", "A gate of each point's own", ("model.gate.kind=mlp",), "neighbours"),
)

WIDE = (
    *("epochs=6", "data.batch_size=512", "model.hidden=[192,96]", "model.dropout=0.3", "model.embedding_norm=none"),
    *("model.modality_dropout=0.05", "model.norm=batch", "model.activation=relu", "model.periodic.sigma=0.2"),
    *("model.periodic.width=8", "model.attention.width=160", "model.attention.heads=4", "model.attention.layers=1"),
    *("model.attention.feedforward=256", "model.attention.dropout=0.2", "model.attention.pooling=mean"),
    *("model.gate.kind=mlp", "model.gate.initial=0.5", "loss.pos_weight=auto", "ema=null", "optimizer.lr=3.0e-4"),
    *("optimizer.weight_decay=3.0e-2", "optimizer.decay=everything", "optimizer.schedule.max_lr=2.0e-3"),
    *("early_stopping=null", "model.attention.distance_bias=learned"),
    'model.gate.penalty.weight={"start": 0.15, "end": 0.05, "epochs": 5}',
    'model.gate.dropout.rate={"start": 0.25, "end": 0.05, "epochs": 5}',
    'model.gate.context_scale={"start": 0.5, "end": 1.0, "epochs": 5}',
    'model.auxiliary={"weight": {"start": 0.1, "end": 0.02, "epochs": 5}}',
)
"""What kag shipped for these chains before: its attention collapses."""
ENTROPY = (
    Variant("collapse", "The spec that was shipped: wide attention, a high rate", ()),
    Variant("collapse-rate", "A tenth of the rate", ("optimizer.lr=3.0e-5", "optimizer.schedule.max_lr=2.0e-4")),
    Variant("collapse-width", "Attention a tenth as wide", ("model.attention.width=16",)),
    Variant("collapse-dropout", "Dropout 0.6", ("model.dropout=0.6", "model.attention.dropout=0.6")),
    Variant("collapse-decay", "Ten times the weight decay", ("optimizer.weight_decay=0.3",)),
    Variant("collapse-distance", "No bias by distance", ("model.attention.distance_bias=none",)),
    Variant("collapse-normed", "Embeddings through LayerNorm", ("model.embedding_norm=layer",)),
    Variant("collapse-average", "Weights averaged over steps", ("ema.decay=0.998",)),
)


def train(runs: Path, variant: Variant, *words: str) -> None:
    """Train a variant of the spec, as a person would."""
    command = [sys.executable, "-m", "kag", "train", f"runs/specs/{variant.spec}.yaml", f"name={variant.name}"]
    said = [f"change={variant.change}", "evaluate.test=never", "track.mode=disabled", *variant.overrides, *words]
    print(variant.name, flush=True)
    subprocess.run([*command, *said, "--runs", str(runs)], cwd=ROOT, check=True)


def main() -> None:
    """Train all of a group."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("group", choices=("practice", "entropy"))
    parser.add_argument(
        "--parent", nargs="*", default=(), help="run that each is compared with, by the name of its spec"
    )
    parser.add_argument("--only", nargs="*", help="names of some of them")
    asked = parser.parse_args()
    parents = dict(word.split("=", 1) for word in asked.parent)
    for variant in PRACTICE if asked.group == "practice" else ENTROPY:
        if asked.only and variant.name not in asked.only:
            continue
        if asked.group == "practice":
            train(asked.runs, variant, f"parent={parents[variant.spec]}", "--seeds", SEEDS)
        else:
            compared = [] if variant.name == "collapse" else ["parent=collapse"]
            train(asked.runs, variant._replace(overrides=(*WIDE, *variant.overrides), spec="neighbours"), *compared)


if __name__ == "__main__":
    main()
