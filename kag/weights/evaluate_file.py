"""Evaluation and prediction by a checkpoint file: on the data that its run was trained on, or on any other file.

Whatever is scored, the threshold is the one that the run's own val chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from kag.data.sites import Purpose, Sites
from kag.data.whereabouts import Say
from kag.model.precision import FULL
from kag.names import ALL, SPLITS, Part
from kag.stats.metrics import check_scores
from kag.stats.scores import Scores
from kag.track.looks import looks_of
from kag.track.measured import results
from kag.track.output import Kind, Output, output_path
from kag.track.result import ExternalEvaluation, Look, Result
from kag.weights.evaluate import Predictions, Progress, measured, scores_of
from kag.weights.scorer import Scorer

FORMAT = "kag-predictions"
VERSION = 1


@dataclass(frozen=True)
class Evaluated:
    """What the weights of a file score on data."""

    results: tuple[Result, ...]
    scores: tuple[Scores, ...]
    """What the results rest on, for each split."""
    data: Path
    data_digest: str
    external: bool
    """Whether these are not the data that the weights were trained on."""
    threshold: float | None
    """The logit that val chose."""
    unchecked: tuple[str, ...]
    """What of the data could not be compared with what the weights know, a sentence each."""
    when: datetime
    """When that was."""

    @property
    def looks(self) -> tuple[Look, ...]:
        """Those at test sets, on the run's own data too."""
        return looks_of(self.results, by="eval", when=self.when, file=self.data.name)

    @property
    def evaluations(self) -> tuple[ExternalEvaluation, ...]:
        """What is to be kept with the run, one for each split; none of its own data."""
        parts = dict.fromkeys(result.split for result in self.results) if self.external else ()
        return tuple(
            ExternalEvaluation(
                file=self.data.name, when=self.when, results=tuple(one for one in self.results if one.split == part)
            )
            for part in parts
        )


@dataclass(frozen=True)
class Predicted:
    """What was written by `predict_file`."""

    points: int
    proteins: int
    positives: int | None
    """Points at or above the threshold; None without one."""
    threshold: float | None
    """The logit that the run's own val chose; None where neither its record nor its data are there."""
    weights_digest: str
    data_digest: str
    unchecked: tuple[str, ...]
    """As in `Evaluated`."""


def _is_predictions(path: Path) -> bool:
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format") == FORMAT)


PREDICTIONS = Kind("a file of predictions", _is_predictions)


def evaluate_file(
    path: Path,
    splits: Sequence[Part] = (),
    *,
    data: Path | None = None,
    clusters: Path | None = None,
    out: Output | None = None,
    progress: Progress = lambda done, total: None,
    say: Say = lambda sentence: None,
) -> Evaluated:
    """Score the weights of a file. What their run's record says of them is said of the results, too.

    Args:
        splits: what to report. The default is val on the run's own data, on other data every split that is there, or
            `all` where a file has none.
        data: HDF5 file; the default is the one that the weights' spec names, wherever it lies now.
        clusters: csv file of which proteins belong together; see `Scorer.of`.
        out: HDF5 file for the predictions of the splits, of the kind `PREDICTIONS`.
        say: told where the data are found, if they were moved.

    Raises:
        CheckpointError: the file is not a checkpoint, or nobody knows the threshold of its val.
        DataError: the data is at fault, does not fit the weights, or has no such split.
        Diverged: the weights have diverged.
        UserError: `out` is not free, or cannot be written.
    """
    scorer = Scorer.of(path, data, Purpose.EVALUATION, out, say, clusters)
    sites, weights = scorer.sites, scorer.weights
    wanted = scorer.wanted(splits)
    if scorer.own:
        predictions = scorer.score(["val", *wanted], progress)
        threshold = measured(predictions, sites, "val", samples=0).threshold
    else:
        threshold = scorer.required_threshold()
        predictions = scorer.score(wanted, progress)
    if out is not None:
        within = predictions.within(np.concatenate([sites.index(split) for split in wanted]))
        write_predictions(out.path, sites, within, weights_digest=weights.weights_digest, threshold=threshold)
    known = max(scorer.recorded, key=lambda result: result.delivered, default=None)
    evaluations = [measured(predictions, sites, split, threshold=threshold) for split in wanted]
    exact = {} if scorer.precision == FULL else _auprc_in_32_bits(scorer, wanted)
    rows = (
        row
        for evaluation in evaluations
        for row in results(
            evaluation,
            weights_digest=weights.weights_digest,
            data_digest=sites.digest,
            epoch=weights.epoch,
            weights=known.weights if known else None,
            selected_on=known.selected_on if known else None,
            delivered=known is not None and known.delivered and scorer.own,
            in_32_bits=exact.get(evaluation.split),
        )
    )
    scores = tuple(scores_of(predictions, sites, one, weights.weights_digest) for one in evaluations)
    return Evaluated(
        tuple(rows), scores, sites.path, sites.digest, not scorer.own, threshold, scorer.unchecked, datetime.now(UTC)
    )


def _auprc_in_32_bits(scorer: Scorer, splits: Sequence[Part]) -> dict[Part, float | None]:
    predictions = scorer.score(splits, precision=FULL)
    return {split: measured(predictions, scorer.sites, split, samples=0).values["auprc"] for split in splits}


def predict_file(
    path: Path,
    data: Path,
    out: Output,
    *,
    progress: Progress = lambda done, total: None,
    say: Say = lambda sentence: None,
) -> Predicted:
    """Score every point of a file and write the predictions; labels are neither needed nor used.

    Raises:
        CheckpointError, DataError, RunFailed: as `evaluate_file`, but for the threshold, which may be unknown.
        UserError: `out` is not free, or cannot be written.
    """
    scorer = Scorer.of(path, data, Purpose.PREDICTION, out, say)
    sites, weights_digest = scorer.sites, scorer.weights.weights_digest
    threshold = scorer.val_threshold()
    predictions = scorer.score([ALL], progress)
    check_scores(predictions.logit_N)
    write_predictions(out.path, sites, predictions, weights_digest=weights_digest, threshold=threshold)
    return Predicted(
        points=sites.points,
        proteins=len(sites.proteins),
        positives=None if threshold is None else int((predictions.logit_N >= threshold).sum()),
        threshold=threshold,
        weights_digest=weights_digest,
        data_digest=sites.digest,
        unchecked=scorer.unchecked,
    )


def write_predictions(
    path: Path, sites: Sites, predictions: Predictions, *, weights_digest: str, threshold: float | None
) -> None:
    """Write one row for each scored point, by `output_path`.

    Datasets: `row` (of the data file), `protein_keys`, `residue_numbers` (of the centre), `split` (0 train, 1 val,
    2 test, -1 none), `labels` unless the data are read for prediction, `logit`, `probability`. Attributes: `format`,
    `version`, `weights_digest`, `data_digest`, `data_file`, and the logit `threshold` if one was chosen.

    Raises:
        UserError: the file cannot be written.
    """
    with output_path(path) as temporary, h5py.File(temporary, "w") as file:
        _fill(file, sites, predictions)
        attributes = {"weights_digest": weights_digest, "data_digest": sites.digest, "data_file": sites.path.name}
        file.attrs.update({"format": FORMAT, "version": VERSION, "splits": list(SPLITS), **attributes})
        if threshold is not None:
            file.attrs["threshold"] = threshold


def _fill(file: h5py.File, sites: Sites, predictions: Predictions) -> None:
    index_N, logit_N = predictions.index_N, predictions.logit_N
    columns = {
        "row": index_N,
        "protein_keys": np.char.encode(np.array(sites.proteins), "utf-8")[sites.protein_N[index_N]],
        "residue_numbers": sites.residue_number_R[sites.centre_N[index_N]],
        "split": sites.split_N[index_N],
        **({"labels": sites.label_N[index_N]} if sites.labelled else {}),
        "logit": logit_N,
        "probability": np.exp(-np.logaddexp(0.0, -logit_N.astype(np.float64))).astype(np.float32),
    }
    for name, values in columns.items():
        file.create_dataset(name, data=values, compression="gzip", shuffle=True)
