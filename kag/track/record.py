"""`RunRecord`: what is known of a run, of whatever program. Every later tool reads nothing else but it and the history.

A record is a value: the functions that change one return a new one. Times are ISO 8601 with the zone (UTC). What kag
found of its own runs (`Found`) and what a person stated (`Stated`) are parts that another program's run does not have.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from kag.finding import Finding
from kag.names import Kind, Part
from kag.spec.flat import Scalar as Scalar
from kag.track.world import World

SCHEMA = 3
"""Version of the record's layout; a newer one is refused, an older one is upgraded when it is read."""


_YEARS = Field(ge=datetime(2, 1, 1, tzinfo=UTC), le=datetime(9998, 12, 31, tzinfo=UTC))
Moment = Annotated[AwareDatetime, _YEARS, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time with its zone, kept in UTC."""

Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None if math.isnan(value) else str(value)),
]
"""A measured number; JSON has no NaN, so there it is null, and no infinity, which is `inf` or `-inf` there."""


class Status(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    EARLY_STOPPED = "early_stopped"
    ABORTED = "aborted"
    KILLED = "killed"

    @property
    def done(self) -> bool:
        """Whether it delivered weights."""
        return self in (Status.FINISHED, Status.EARLY_STOPPED)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(_Value):
    """One number, and the weights and data it belongs to."""

    split: Part
    """`all` where a file without splits was evaluated."""
    metric: str
    """A name of `kag.names.METRICS`."""
    value: Number
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


class ExternalEvaluation(_Value):
    """What weights of the run score on a file that the run did not have: one look at it."""

    file: str
    """Name of the file, without its folder."""
    when: Moment
    results: tuple[Result, ...] = Field(min_length=1)
    """Of one set of weights on one split (or all rows), at the threshold of the run's own val; none is `delivered`."""


class Checkpoint(_Value):
    """A file of weights."""

    path: str
    """Relative to the run folder."""
    weights_digest: str
    epoch: int | None = None


class Source(_Value):
    """Weights that a run began with, or was blended from."""

    run: str
    """Run id; may be one that no source knows."""
    checkpoint: str | None = None
    weights_digest: str | None = None
    ratio: float | None = None
    """Share in a blend."""
    epochs: int | None = None
    """Epochs inherited through a shared prefix, else None."""


class GitFacts(_Value):
    """State of the code that ran."""

    commit: str
    dirty: bool = False
    uncommitted: tuple[str, ...] = ()
    """Files with uncommitted changes."""
    touched: tuple[str, ...] = ()
    """Files changed since the parent run's commit, uncommitted ones included."""
    since: str | None = None
    """The parent run's commit; None if there is no parent, or its commit is not in this repository."""


class Failure(_Value):
    """Why a run did not end well."""

    error: str
    """Class of the error: `TypeError`, `RehearsalFailed`."""
    message: str
    where: str | None = None
    """`file:line` of the innermost frame inside the project."""


class Change(_Value):
    """One key on which two specs differ."""

    key: str
    before: Scalar
    after: Scalar


class Course(_Value):
    """How val AUPRC went, and where the gate ended."""

    best: float | None = None
    best_epoch: int | None = None
    last: float | None = None
    last_epoch: int | None = None
    alpha: float | None = None
    """Mean alpha over the last third, or as a hand-kept log states it."""


class Tested(_Value):
    """Whose weights a test number was measured on."""

    run: str
    checkpoint: str | None = None


class Stated(_Value):
    """What a person stated: a row of a hand-kept log, and what was established about it later."""

    row: int | None = None
    """Place in the log, counted from 1."""
    start_known_to: Literal["second", "day"] | None = None
    cells: dict[str, str] = Field(default_factory=dict)
    """The row's cells by column, character for character."""
    as_written: str | None = None
    """The row's line, where the cells alone do not tell which pipes were escaped."""
    files_touched: tuple[str, ...] = ()
    course: Course = Course()
    observed: dict[Literal["start", "end"], dict[str, float]] = Field(default_factory=dict)
    """Metric key -> value at the start or the end of the run."""
    caveats: tuple[str, ...] = ()
    tested: Tested | None = None
    restored: dict[str, float] = Field(default_factory=dict)
    """Setting -> value that a resume brought back out of the checkpoint."""
    averaged_epochs: int | None = None
    parent_by: str | None = None
    """How the parent was told, where the log names none."""


class Scored(_Value):
    """What weights score on val, and their digest."""

    auprc: Number
    weights_digest: str


class Candidate(_Value):
    """A blend among which val chose."""

    ratios: tuple[float, ...]
    plain: Scored
    recomputed: Scored | None = None
    """With normalisation statistics recomputed; None for a network without BatchNorm."""


class Found(_Value):
    """What kag found of a run of its own."""

    spec_digest: str | None = None
    findings: tuple[Finding, ...] = ()
    """What was said of the spec before the run began."""
    mined_digest: str | None = None
    """Of the list of mined samples that it replays."""
    changes_from_source: tuple[Change, ...] = ()
    """Where its spec differs from that of the run whose weights it began with."""
    averaged_epochs: tuple[int, ...] | None = None
    """Epochs in the average; empty if averaging never started, None if none was asked for."""
    candidates: tuple[Candidate, ...] = ()
    """Blends among which val chose."""
    candidates_tried: int | None = None
    """Number of windows among which val chose."""
    window: str | None = None
    """`start:length` of the averaged epochs, picked after the training."""
    recomputed: bool | None = None
    """Whether the delivered mean has recomputed normalisation statistics."""


class RunRecord(_Value):
    """Everything that is known of one run."""

    schema_version: Literal[3] = 3
    id: str
    """`<start time>_<name>`, the name of the run folder."""
    name: str
    kind: Literal["train", "blend", "evaluate", "imported"] = "train"
    status: Status
    start: Moment
    end: Moment | None = None
    change: str | None = None
    tags: tuple[str, ...] = ()
    config: dict[str, Scalar] = Field(default_factory=dict)
    """Settings by dotted key: kag's flat, resolved spec, what another program logged, what a hand-kept log states."""
    metrics: dict[str, Number] = Field(default_factory=dict)
    """Last values by name, as another program logged them; kag's own numbers are in `results`."""
    data_digest: str | None = None
    parent: str | None = None
    """Run that this one is compared with."""
    sources: tuple[Source, ...] = ()
    """Where its weights came from; empty for a fresh start."""
    git: GitFacts | None = None
    """None outside a git repository."""
    world: World | None = None
    """None where nobody knows."""
    environment: dict[str, Scalar] = Field(default_factory=dict)
    failure: Failure | None = None
    epochs_trained: int | None = None
    """Epochs that its weights have seen, inherited ones included; None where nobody knows."""
    best_epoch: int | None = None
    results: tuple[Result, ...] = ()
    evaluations: tuple[ExternalEvaluation, ...] = ()
    """On external benchmarks, in the order in which they were made."""
    checkpoints: dict[str, Checkpoint] = Field(default_factory=dict)
    """`best`, `last`, `averaged`, ...: the delivered weights are under `delivered`."""
    resumes: tuple[tuple[Change, ...], ...] = ()
    """One entry a resume: the differences that were accepted, empty if none."""
    sweep: str | None = None
    """Sweep id."""
    wandb_id: str | None = None
    found: Found | None = None
    """None for a run of another program and for one of a hand-kept log."""
    stated: Stated | None = None
    """None unless a person kept the log."""

    @property
    def preflight(self) -> tuple[Finding, ...]:
        """What was said of the spec before the run began."""
        return self.found.findings if self.found else ()

    @property
    def files_touched(self) -> tuple[str, ...] | None:
        """Files changed since the parent, by git or as stated; None where nobody knows."""
        if self.git is not None:
            return self.git.touched
        return self.stated.files_touched if self.stated else None

    @property
    def epochs_inherited(self) -> int:
        """Epochs of `epochs_trained` that other runs trained for it, through shared prefixes."""
        return sum(source.epochs or 0 for source in self.sources)

    @property
    def epochs_done(self) -> int:
        """Epochs that are known to be trained."""
        return self.epochs_trained or 0


def told(part: BaseModel | None) -> dict[str, Any]:
    """What a part of a record says, by field; what has a place of its own, or is not known, is left out."""
    if part is None:
        return {}
    return part.model_dump(mode="json", exclude_defaults=True, exclude={"findings", "spec_digest"})
