"""The mean of what several runs say of every example, as a run of its own: it needs their scores, neither weights nor
data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kag.compare.comparison import COMPARED
from kag.errors import RecordError
from kag.names import Kind, Part
from kag.stats.bootstrap import SAMPLES
from kag.stats.measure import measure
from kag.stats.scores import Scores
from kag.track.begin import environment
from kag.track.folder import RunFolder
from kag.track.git import git_facts
from kag.track.looks import looks_of
from kag.track.measured import results
from kag.track.record import Found, RunRecord, Source, Status
from kag.track.result import Result
from kag.track.scores_of_run import scores_in, write_scores

Kept = Mapping[Part, Scores]
"""Scores of a run, of val and, where it has looked at that, of test."""


def kept_scores(folder: RunFolder) -> Kept:
    """What a run has kept of every example.

    Raises:
        RecordError: nothing of val, it cannot be read, or it is of another program, whose scale nobody knows.
    """
    found: dict[Part, Scores] = {
        split: scores for split in COMPARED if (scores := scores_in(folder.path, split)) is not None
    }
    if "val" not in found:
        raise RecordError(
            f"run {folder.id} keeps no scores of val", where=str(folder.scores), remedy=f"kag eval {folder.id} --store"
        )
    if any(scores.data_digest is None or scores.label_N is None for scores in found.values()):
        raise RecordError(
            f"the scores of run {folder.id} are of another program",
            where=str(folder.scores),
            remedy="an ensemble is the mean of logits: take kag's own runs",
        )
    return found


class Measured(NamedTuple):
    """What an ensemble scores on a split."""

    scores: Scores
    results: tuple[Result, ...]


def mean_of(members: Sequence[Kept]) -> dict[Part, Measured]:
    """The mean logit of each example of val, whose threshold counts, and of test where all members keep it.

    Raises:
        RecordError: there are fewer than two members, or two of them have scored other examples.
        Diverged: a logit is NaN or infinite.
    """
    if len(members) < 2:
        raise RecordError("an ensemble needs two runs or more")
    made: dict[Part, Measured] = {}
    threshold, digest = None, _digest(members)
    for split in (split for split in COMPARED if all(split in member for member in members)):
        parts = [member[split] for member in members]
        if len({(part.examples_digest, part.data_digest) for part in parts}) > 1:
            raise RecordError(f"these runs have scored other examples of {split}", remedy="take runs of the same data")
        mean_N = np.stack([part.value_N for part in parts]).mean(axis=0, dtype=np.float64).astype(np.float32)
        # As often drawn as they are: draws of other numbers are no pairs.
        samples = max((len(one.draw_S) for one in parts[0].draws.values()), default=SAMPLES)
        mean = replace(parts[0], value_N=mean_N, weights_digest=digest)
        made[split] = measured(mean, threshold, weights="ensemble", samples=samples)
        threshold = made[split].scores.threshold
    return made


def measured(
    scores: Scores, threshold: float | None = None, *, weights: Kind | None = None, samples: int = SAMPLES
) -> Measured:
    """Scores with their draws, and the rows of a record.

    Args:
        threshold: that val chose; None chooses it here.
        weights: what kind they are; None of another program's.
        samples: resamples of the bootstrap.
    """
    assert scores.label_N is not None
    assert scores.weights_digest is not None
    assert scores.data_digest is not None
    label_N, unit_N = scores.label_N, scores.unit_N
    found = measure(
        scores.split, scores.value_N, label_N, scores.group_N, unit_N=unit_N, threshold=threshold, samples=samples
    )
    rows = results(
        found,
        weights_digest=scores.weights_digest,
        data_digest=scores.data_digest,
        epoch=None,
        weights=weights,
        selected_on="given",
        delivered=True,
    )
    return Measured(replace(scores, threshold=found.threshold).keeping(found.draws), rows)


def deliver_ensemble(
    runs: Path, members: Sequence[RunRecord], made: Mapping[Part, Measured], *, name: str, start: datetime
) -> RunRecord:
    """Keep an ensemble as a finished run of kind `ensemble`, compared with its first member, whose settings it states.

    Raises:
        StorageError: the folder cannot be written.
    """
    first, end = members[0], datetime.now(UTC)
    rows = tuple(row for one in made.values() for row in one.results)
    looks = looks_of(rows, by="ensemble", when=end, file=Path(str(first.config.get("data.file", ""))).name)
    share = 1.0 / len(members)
    with RunFolder.creating(runs, name, start) as folder:
        record = RunRecord(
            id=folder.id,
            name=name,
            kind="ensemble",
            status=Status.FINISHED,
            start=start,
            end=end,
            change=f"Mean of the logits of {len(members)} runs",
            config=first.config,
            data_digest=first.data_digest,
            parent=first.id,
            sources=tuple(Source(run=member.id, ratio=share) for member in members),
            git=git_facts(Path.cwd(), parent_commit=None),
            environment=environment(),
            results=rows,
            looks=looks,
            found=Found(),
        )
        folder.append_looks(looks)
        write_scores(folder, [one.scores for one in made.values()])
        folder.write_record(record)
    return record


def _digest(members: Sequence[Kept]) -> str:
    """SHA-256 of the members' weights; their order does not count."""
    weights = sorted(str(member["val"].weights_digest) for member in members)
    return hashlib.sha256("\n".join(["kag ensemble 1", *weights]).encode()).hexdigest()
