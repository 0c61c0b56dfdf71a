"""`kag eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli.sources import Weights
from kag.cli.words import Clusters, known_parts
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.names import Part
    from kag.track.folder import RunFolder
    from kag.weights.evaluate_file import Evaluated


def evaluate(
    weights: Weights,
    split: Annotated[
        list[str] | None,
        typer.Option(help="train, val or test, or all rows of other data; may be repeated.", show_default="val"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write logits and probabilities to this HDF5 file.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Another data file than the one in the spec, such as an external benchmark.")
    ] = None,
    clusters: Clusters = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    store: Annotated[
        bool, typer.Option("--store", help="Keep the scores with a run that has none, or has them in other clusters.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that this command did not write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate weights: exact AUPRC with its interval, and metrics at val's threshold.

    The threshold is always the one of the run's own val, whatever splits or data are asked for. Other data may have any
    of the splits, or none; what the weights score there is kept with the run under the file's name.

    Examples:

      kag eval oct17

      kag eval oct17 --split val --split test --out predictions.h5

      kag eval oct17 --data coach420.h5

      kag eval oct17 --store --clusters homologues.csv

      kag eval runs/2025-10-21_12-48-11_oct17/checkpoints/best.ckpt --split test --json
    """
    splits = known_parts(split or [])

    from kag.cli.scoring import record_looks, scoring_progress
    from kag.track.output import Output
    from kag.weights.evaluate_file import PREDICTIONS, evaluate_file
    from kag.weights.given import folder_of, weights_file

    console, file = Terminal(stderr=as_json), weights_file(weights, runs)
    say = console.say
    if store:
        splits = splits or delivered_splits(require_of_run(folder_of(file), weights, data))
    output = Output(out, PREDICTIONS, force) if out else None
    with scoring_progress(console) as progress:
        found = evaluate_file(file, splits, data=data, clusters=clusters, out=output, progress=progress, say=say)
    folder = folder_of(file)
    record_looks(folder, found.looks, console)
    show(found, weights, console, as_json)
    if folder is not None and (found.external or found.looks):
        keep(folder, found, console)
    if store:
        keep_scores(folder, found, console)
    if out is not None and not as_json:
        say(f"wrote {out}")


def show(found: Evaluated, weights: str, console: Terminal, as_json: bool) -> None:
    """Print the results, as JSON or as a table, and what is to be known of them."""
    from kag.cli.made import say_in_32_bits
    from kag.cli.results import results_page, results_table
    from kag.cli.scoring import say_unchecked
    from kag.text import digest, number

    if as_json:
        answer(results_page(found.results, file=found.data if found.external else None))
    else:
        where = f" on {found.data.name} (data {digest(found.data_digest)})" if found.external else ""
        console.print(results_table(f"results of {weights}{where}", found.results))
        say_in_32_bits(found.results, console)
    say_unchecked(console, found.unchecked)
    if found.external:
        console.say(f"at the threshold {number(found.threshold)} (logit), which the run's own val chose")


def require_of_run(folder: RunFolder | None, weights: str, data: Path | None) -> RunFolder:
    """The run that the scores belong to; scores that no run has delivered are refused before they are made.

    Raises:
        CheckpointError: the weights lie in no run.
        DataError: other data are to be scored.
    """
    from kag.errors import CheckpointError, DataError

    if folder is None:
        raise CheckpointError("lies in no run that could keep scores", where=weights, remedy="name a run")
    if data is not None:
        raise DataError(
            "a run keeps its scores of the data that it was trained on",
            where=f"--data {data}",
            remedy="leave --store out; the numbers on other data are kept anyway",
        )
    return folder


def delivered_splits(folder: RunFolder) -> list[Part]:
    """The splits on which a run has delivered numbers; a sealed test is none."""
    from kag.names import SPLITS

    known = {result.split for result in folder.read_record().results if result.delivered}
    return [split for split in SPLITS if split in known]


def keep_scores(folder: RunFolder | None, found: Evaluated, console: Terminal) -> None:
    """Keep the scores with the run and the intervals of its numbers that were drawn in clusters, and in its mirror.

    Raises:
        RecordError: the run is under way, has delivered other weights, or has other scores.
    """
    from kag.cli.made import warner
    from kag.spec import load_spec
    from kag.track.scores_of_run import store_scores
    from kag.track.wandb_run import mirror_record

    assert folder is not None
    stored = store_scores(folder, found.scores, found.results)
    if stored.scores:
        console.say(f"run {folder.id} keeps its scores of {' and '.join(stored.scores)}")
    else:
        console.say(f"run {folder.id} has these scores already")
    if stored.intervals:
        console.say(f"the intervals of {' and '.join(stored.intervals)} in its record are of these clusters now")
    if not any(stored):
        return
    record = folder.read_record()
    if record.wandb_id is not None:
        mirror_record(folder, record, load_spec(folder.spec_file).track, warner(console))


def keep(folder: RunFolder, found: Evaluated, console: Terminal) -> None:
    """Keep an evaluation with the run, and in its mirror; where it cannot be kept, say why.

    The numbers are printed already: a run that is under way is no reason to withhold them.
    """
    from kag.cli.made import warner
    from kag.errors import RecordError
    from kag.spec import load_spec
    from kag.track.evaluations import keep_evaluations
    from kag.track.wandb_run import mirror_record

    before = folder.read_record()
    try:
        record = keep_evaluations(folder, found.evaluations, found.results)
    except RecordError as error:
        warner(console)(f"not kept with the run: {error}")
        return
    if record.results != before.results:
        console.say(f"run {folder.id} has its test results now; they were sealed")
    elif record.evaluations != before.evaluations:
        console.say(f"kept with run {folder.id} under {found.data.name}")
    elif found.external:
        console.say(f"run {folder.id} has this evaluation already")
    if record.wandb_id is not None and (record != before or found.looks):
        mirror_record(folder, record, load_spec(folder.spec_file).track, warner(console))
