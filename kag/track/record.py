"""`RunRecord`: what is known of a run. Every later tool reads nothing else but `record.json` and the history.

A record is a value: the functions that change one return a new one. Times are ISO 8601 with the zone (UTC).
"""

from __future__ import annotations

import math
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
)

from kag.finding import Finding

SCHEMA = 1
"""Version of the record's layout; a newer one is refused, an older one is read."""

Scalar = str | int | float | bool | None

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time with its zone, kept in UTC."""

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A measured number; JSON has no NaN, so there it is null."""


_FINDINGS = TypeAdapter(tuple[Finding, ...])


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

    split: Literal["train", "val", "test"]
    metric: str
    """A name of `kag.names.METRICS`."""
    value: Number
    ci_low: float | None = None
    ci_high: float | None = None
    weights: Literal["raw", "averaged", "averaged_recomputed", "blend"] | None
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


class RunRecord(_Value):
    """Everything that is known of one run."""

    schema_version: int = SCHEMA
    id: str
    """`<start time>_<name>`, the name of the run folder."""
    name: str
    kind: Literal["train", "blend", "evaluate", "imported"] = "train"
    status: Status
    start: Moment
    end: Moment | None = None
    change: str | None = None
    tags: tuple[str, ...] = ()
    spec: dict[str, Scalar] = Field(default_factory=dict)
    """Flat, resolved spec; only the known keys for an imported run."""
    spec_digest: str | None = None
    data_digest: str | None = None
    parent: str | None = None
    """Run that this one is compared with."""
    sources: tuple[Source, ...] = ()
    """Where its weights came from; empty for a fresh start."""
    git: GitFacts | None = None
    """None outside a git repository."""
    environment: dict[str, Scalar] = Field(default_factory=dict)
    failure: Failure | None = None
    epochs_trained: int = 0
    """Epochs that its weights have seen, inherited ones included."""
    best_epoch: int | None = None
    results: tuple[Result, ...] = ()
    checkpoints: dict[str, Checkpoint] = Field(default_factory=dict)
    """`best`, `last`, `averaged`, ...: the delivered weights are under `delivered`."""
    resumes: tuple[tuple[Change, ...], ...] = ()
    """One entry a resume: the differences that were accepted, empty if none."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What else was measured or stated: averaged epochs, caveats of an imported row."""
    sweep: str | None = None
    """Sweep id."""
    wandb_id: str | None = None

    @field_validator("facts")
    @classmethod
    def _findings_are_findings(cls, facts: dict[str, Any]) -> dict[str, Any]:
        _FINDINGS.validate_python(facts.get("findings", ()))
        return facts

    @property
    def preflight(self) -> tuple[Finding, ...]:
        """What was said of the spec before the run began."""
        return _FINDINGS.validate_python(self.facts.get("findings", ()))

    @property
    def measured(self) -> dict[str, Any]:
        """The facts beside what preflight said, as far as there are any."""
        return {key: value for key, value in self.facts.items() if key != "findings" and value not in (None, [], {})}

    @property
    def epochs_inherited(self) -> int:
        """Epochs of `epochs_trained` that other runs trained for it, through shared prefixes."""
        return sum(source.epochs or 0 for source in self.sources)

    def result(self, split: str, metric: str) -> Result | None:
        """The delivered weights' result, or None."""
        found = [r for r in self.results if r.delivered and (r.split, r.metric) == (split, metric)]
        return found[-1] if found else None
