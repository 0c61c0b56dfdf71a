"""`kag predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kag.cli.sources import Weights
from kag.view.terminal import Terminal, answer


def predict(
    weights: Weights,
    data: Annotated[Path, typer.Option(help="HDF5 file to score; it needs neither labels nor splits.")],
    out: Annotated[Path, typer.Option(help="HDF5 file to write: a logit and a probability for every point.")],
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score every point of a file without labels and write the predictions.

    They are those of `kag eval --out` but for the labels; the attribute `threshold` is the logit that the run's own val
    chose.

    Examples:

      kag predict oct17 --data new_proteins.h5 --out predictions.h5

      kag predict oct17:best --data new_proteins.h5 --out predictions.h5 --json
    """

    from kag.cli.scoring import say_unchecked, scoring_progress
    from kag.text import MISSING, digest, number
    from kag.track.output import Output
    from kag.weights.evaluate_file import PREDICTIONS, predict_file
    from kag.weights.given import weights_file

    console, file = Terminal(stderr=as_json), weights_file(weights, runs)
    with scoring_progress(console) as progress:
        output = Output(out, PREDICTIONS, force)
        found = predict_file(file, data, output, progress=progress, say=console.say)
    say_unchecked(console, found.unchecked)
    if as_json:
        page = {
            "file": str(out),
            "points": found.points,
            "proteins": found.proteins,
            "positives": found.positives,
            "threshold": found.threshold,
            "weights_digest": found.weights_digest,
            "data_digest": found.data_digest,
        }
        answer(page)
        return
    console.say(
        f"{found.points} points of {found.proteins} proteins, "
        f"{MISSING if found.positives is None else found.positives} of them at or above the threshold "
        f"{number(found.threshold)} (logit), which the run's own val chose",
    )
    console.say(f"wrote {out}: weights {digest(found.weights_digest)}, data {digest(found.data_digest)}")
