"""`kag mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kag.cli.sources import Weights
from kag.cli.words import known_splits
from kag.view.terminal import Terminal, answer


def mine(
    weights: Weights,
    out: Annotated[Path, typer.Option(help="JSON file to write, for data.replay.indices.")],
    split: Annotated[str, typer.Option(help="Where to look; training can replay points of train alone.")] = "train",
    top: Annotated[int | None, typer.Option(min=1, help="At most so many, the worst ones; default: all.")] = None,
    data: Annotated[Path | None, typer.Option(help="Where the data file lies now.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the positives that weights miss at val's threshold, worst first, for replay in training.

    Examples:

      kag mine oct17 --out hard.json

      kag mine oct17:best --out hard.json --top 200 --force
    """
    (where,) = known_splits([split])
    from datetime import UTC, datetime

    from kag.cli.scoring import record_looks, scoring_progress
    from kag.data.mined import MINED, write_mined
    from kag.text import digest, number
    from kag.track.output import Output
    from kag.weights import mine as mining
    from kag.weights.given import bench_for, folder_of, given_weights, weights_file

    console = Terminal(highlight=False, soft_wrap=True, stderr=as_json)
    output, file = Output(out, MINED, force), weights_file(weights, runs)
    output.require_free(file)
    given = given_weights(str(file), runs)
    bench = bench_for(given, data, say=console.say)
    output.require_free(bench.sites.path)
    with scoring_progress(console) as progress:
        found = mining.mine(bench, run=given.run, split=where, top=top, progress=progress)
    record_looks(folder_of(file), found.looks(bench.sites.path.name, datetime.now(UTC)), console)
    write_mined(out, found.mined)
    if as_json:
        page = {
            "file": str(out),
            "run": found.mined.run,
            "weights_digest": found.mined.weights_digest,
            "written": len(found.mined.indices),
            "missed": found.missed,
            "positives": found.positives,
            "threshold": found.threshold,
        }
        answer(page)
        return
    console.say(
        f"{found.missed} of {found.positives} positives of {split} lie below val's threshold "
        f"(logit {number(found.threshold)}) under {given.run} ({digest(given.weights.weights_digest)})"
    )
    console.say(f"wrote the worst {len(found.mined.indices)} to {out}; replay them with data.replay.indices={out}")
