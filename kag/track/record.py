"""`RunRecord`: what is known of a run, of whatever program. Every later tool reads nothing else but it and the history.

A record is a value: the functions that change one return a new one. Times are ISO 8601 with the zone (UTC). What kag
found of its own runs (`Found`) and what a person stated (`Stated`) are parts that another program's run does not have.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from kag.finding import Finding
from kag.spec.flat import EVALUATE_TEST
from kag.spec.flat import Scalar as Scalar
from kag.track.result import Candidate, ExternalEvaluation, Look, Result, Selection
from kag.track.stated import Stated
from kag.track.value import Moment, Number, Value
from kag.track.world import World

SCHEMA = 4
"""Version of the record's layout; a newer one is refused, an older one is upgraded when it is read."""


ARCHIVED = "archived"
"""Tag of a run that lists and change logs leave out; what comes of it still names it."""


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


class Checkpoint(Value):
    """A file of weights."""

    path: str
    """Relative to the run folder."""
    weights_digest: str
    epoch: int | None = None


class Source(Value):
    """Weights that a run began with, or was blended from."""

    run: str
    """Run id; may be one that no source knows."""
    checkpoint: str | None = None
    weights_digest: str | None = None
    ratio: float | None = None
    """Share in a blend."""
    epochs: int | None = None
    """Epochs inherited through a shared prefix, else None."""


class GitFacts(Value):
    """State of the code that ran."""

    commit: str
    dirty: bool = False
    uncommitted: tuple[str, ...] = ()
    """Files with uncommitted changes."""
    touched: tuple[str, ...] = ()
    """Files changed since the parent run's commit, uncommitted ones included."""
    since: str | None = None
    """The parent run's commit; None if there is no parent, or its commit is not in this repository."""


class Failure(Value):
    """Why a run did not end well."""

    error: str
    """Class of the error: `TypeError`, `RehearsalFailed`."""
    message: str
    where: str | None = None
    """`file:line` of the innermost frame inside the project."""


class Change(Value):
    """One key on which two specs differ."""

    key: str
    before: Scalar
    after: Scalar


class Former(Value):
    """What a record said of a run before it went on, as far as going on replaces it; see `kag.track.past`."""

    status: Status
    end: Moment | None = None
    heartbeat: Moment | None = None
    failure: Failure | None = None
    config: dict[str, Scalar] = Field(default_factory=dict)
    """Former values of the settings that have changed, or are gone."""
    added: tuple[str, ...] = ()
    """Settings that were not there."""
    spec_digest: str | None = None
    world: World | None = None
    epochs_trained: int | None = None
    best_epoch: int | None = None
    averaged_epochs: tuple[int, ...] | None = None
    averaged_statistics: Literal["raw"] | None = None
    results: tuple[Result, ...] = ()
    checkpoints: dict[str, Checkpoint] = Field(default_factory=dict)


class Resume(Value):
    """One time that a run went on after it had ended, or was ended."""

    when: Moment | None = None
    """When it went on; None where a record of an older kag does not say."""
    changes: tuple[Change, ...] = ()
    """The differences that were accepted; empty if none."""
    before: Former | None = None
    """What it was until then; None where a record does not say."""


class Again(Value):
    """That a run is another one trained a second time, on purpose."""

    run: str
    """Id of the first one."""
    differences: tuple[Change, ...] = ()
    """What its outcome rests on that was not the same, as `kag.view.again` names it; None on a side is unknown."""
    same: bool | None = None
    """Whether both deliver the same weights, bit for bit; None as long as one of them has none."""
    apart: int | None = None
    """The first epoch in which the histories differ; None if they do not."""


class Declared(Value):
    """What a program said of a metric of its own, as by `define_metric`."""

    metric: str
    goal: Literal["max", "min"] | None = None
    """Which of two values is better; None where it does not say."""
    summary: Literal["max", "min", "mean", "best", "last", "first", "none"] | None = None
    """Which value of the run stands for it."""
    by: Literal["program", "sweep"] = "program"
    """Who said it: the program, or the sweep that the run is a trial of."""


class Found(Value):
    """What kag found of a run of its own."""

    spec_digest: str | None = None
    code_digest: str | None = None
    """Of kag's code that numbers rest on; None where an older kag did not say."""
    findings: tuple[Finding, ...] = ()
    """What was said of the spec before the run began."""
    mined_digest: str | None = None
    """Of the list of mined samples that it replays."""
    changes_from_source: tuple[Change, ...] = ()
    """Where its spec differs from that of the run whose weights it began with."""
    averaged_epochs: tuple[int, ...] | None = None
    """Epochs in the average; empty if averaging never started, None if none was asked for."""
    averaged_statistics: Literal["raw"] | None = None
    """Of which weights the normalisation statistics are with which `val_averaged/...` is measured in training: of the
    epoch's raw ones; None where nothing is averaged, there is no BatchNorm, or an older kag did not say.
    """
    candidates: tuple[Candidate, ...] = ()
    """Blends among which val chose."""
    candidates_tried: int | None = None
    """Number of windows among which val chose."""
    selection: Selection | None = None
    """What the best of them is worth; None where there was no choice, or an older kag did not say."""
    window: str | None = None
    """`start:length` of the averaged epochs, picked after the training."""
    recomputed: bool | None = None
    """Whether the delivered mean has recomputed normalisation statistics."""


class RunRecord(Value):
    """Everything that is known of one run."""

    schema_version: Literal[4] = 4
    id: str
    """`<start time>_<name>`, the name of the run folder."""
    name: str
    kind: Literal["train", "blend", "ensemble", "evaluate", "imported"] = "train"
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
    looks: tuple[Look, ...] = ()
    """At test sets, in their order; in the run folder they stand in a file of their own, see `kag.track.looks`."""
    checkpoints: dict[str, Checkpoint] = Field(default_factory=dict)
    """`best`, `last`, `averaged`, ...: the delivered weights are under `delivered`."""
    resumes: tuple[Resume, ...] = ()
    """In the order in which they were made."""
    again: Again | None = None
    """Of `kag train --again`."""
    heartbeat: Moment | None = None
    """Last sign of life; None where nobody wrote one."""
    sweep: str | None = None
    """Sweep id."""
    group: str | None = None
    """What the program that ran it calls the set that it belongs to."""
    declared: tuple[Declared, ...] = ()
    """What another program said of its metrics."""
    datasets: tuple[str, ...] = ()
    """Versions of the data sets that another program says it used, each by a text that no other version has."""
    wandb_id: str | None = None
    found: Found | None = None
    """None for a run of another program and for one of a hand-kept log."""
    stated: Stated | None = None
    """None unless a person kept the log."""

    @property
    def is_foreign(self) -> bool:
        """Whether another program wrote it, and W&B's client is all that is known of it."""
        return self.wandb_id is not None and self.found is None and self.stated is None

    @property
    def archived(self) -> bool:
        """Whether lists and change logs leave it out."""
        return ARCHIVED in self.tags

    @property
    def sealed(self) -> bool:
        """Whether it leaves test alone: as its spec says, or as a trial of a sweep, which would look each time.

        An ensemble has no weights that anybody could have look.
        """
        if self.kind == "ensemble":
            return False
        return self.found is not None and (self.sweep is not None or self.config.get(EVALUATE_TEST) == "never")

    @property
    def preflight(self) -> tuple[Finding, ...]:
        """What was said of the spec before the run began."""
        return self.found.findings if self.found else ()

    @property
    def files_touched(self) -> tuple[str, ...] | None:
        """Files changed since the parent, by git or as stated; None where nobody knows.

        Of another program's run the commit is known; what lies between it and the parent's takes the repository.
        """
        if self.git is not None:
            return None if self.is_foreign and self.git.since is None else self.git.touched
        return self.stated.files_touched if self.stated else None

    @property
    def made_from(self) -> tuple[Source, ...]:
        """The sources that its weights hold something of: not one with no share in a blend."""
        return tuple(source for source in self.sources if source.ratio != 0)

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
    elsewhere: dict[str, Any] = {"findings": True, "spec_digest": True, "code_digest": True}
    return part.model_dump(mode="json", exclude_defaults=True, exclude={**elsewhere, "selection": {"expected"}})
