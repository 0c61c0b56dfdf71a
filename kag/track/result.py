"""Measured numbers of a run, each with the weights and the data that it belongs to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kag.names import Kind, Part
from kag.track.value import Moment, Number, Value

AVERAGED_STATISTICS = "the normalisation statistics of the epoch's raw weights"
"""What `val_averaged/...` is measured with while a run trains, since an average of statistics fits no weights.

Recomputing them takes a pass over the training data, which is made once, when the run chooses what it delivers.
"""


class Result(Value):
    """One number, and the weights and data it belongs to."""

    split: Part
    """`all` where a file without splits was evaluated."""
    metric: str
    """A name of `kag.names.METRICS`."""
    value: Number
    in_32_bits: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """The same of the same weights in 32 bits; None where the value is that, or nobody has looked."""
    ci_low: float | None = None
    ci_high: float | None = None
    weights: Kind | None
    """What kind of weights, or None where a hand-kept log does not say."""
    weights_digest: str | None = None
    """SHA-256 of the weights, or None where a hand-kept log does not say."""
    data_digest: str | None = None
    epoch: int | None = None
    """Epoch of the weights, counted from 0."""
    selected_on: str | None = None
    """What chose these weights: `val/auprc`, `last`, `given`, or None if unknown."""
    delivered: bool = False
    """Whether these are the weights that the run hands on."""


Looker = Literal["train", "eval", "blend", "windows", "mine", "ensemble"]
"""What looks at a test set: the end of a training, or a command."""


class Look(Value):
    """One look at a test set by weights of the run."""

    when: Moment
    by: Looker
    split: Part
    data_digest: str
    weights_digest: str | None
    file: str | None = None
    """Name of the data file, without its folder."""


class ExternalEvaluation(Value):
    """What weights of the run score on a file that the run did not have: one look at it."""

    file: str
    """Name of the file, without its folder."""
    when: Moment
    results: tuple[Result, ...] = Field(min_length=1)
    """Of one set of weights on one split (or all rows), at the threshold of the run's own val; none is `delivered`."""


class Scored(Value):
    """What weights score on val, and their digest."""

    auprc: Number
    weights_digest: str


class Candidate(Value):
    """A blend among which val chose."""

    ratios: tuple[float, ...]
    plain: Scored
    recomputed: Scored | None = None
    """With normalisation statistics recomputed; None for a network without BatchNorm."""


class Selection(Value):
    """The best of several candidates by val AUPRC, and what it is worth: it was chosen by the value it is shown at."""

    kind: Literal["trials", "settings", "candidates"] = "trials"
    """Trials of a sweep; where they differ in the seed too, settings with a run for each seed; weights that no
    training made.
    """
    candidates: int
    """That have a value."""
    value: Number
    """Of the best; of settings the mean over seeds."""
    expected: tuple[float, ...]
    """What the best of n of them is on average, for n = 1 ... candidates."""
    seeds: int = 1
    """Over which the best one is a mean."""
    corrected: float | None = None
    """What a best chosen so would score on proteins that had no part in the choice."""
    tied: int | None = None
    """Candidates that a paired test cannot tell from the best, itself among them."""
    foremost: int | None = None
    """Candidates that were asked for the last two, the best by value; None where they are not known."""
    untested: str | None = None
    """Why they are not known."""
