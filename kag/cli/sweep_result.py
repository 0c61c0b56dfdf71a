"""What a sweep has come to: best trial, importance, epochs, failures, and a spec of the best trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kag.sweep import Sweep, Trial
    from kag.sweep.progress import Epochs, Progress
    from kag.track.folders import FolderSource
    from kag.track.record import RunRecord
    from kag.track.result import Selection


class SweepResult(NamedTuple):
    """A sweep, as `kag sweep show` prints it."""

    path: str
    progress: Progress
    importance: dict[str, float]
    failures: dict[str, str]
    """Run of a failed trial -> why."""
    changed: tuple[str, ...]
    """Files that were not the same for all of its runs."""
    spec: Path | None
    """Spec of the best trial."""
    not_comparable: tuple[str, ...] = ()
    """Why no trial can be called the best."""
    leader: RunRecord | None = None
    """Record of the best trial; None if it does not lie here."""
    selection: Selection | None = None
    """What the best trial is worth; None where trials are not judged by val AUPRC of what they deliver."""
    unsealing: str | None = None
    """What looks at its test split, which no trial does; None where somebody has."""

    def page(self) -> dict[str, Any]:
        """The same for programs."""
        leader, metric, states = self.progress.best, self.progress.metric, self.progress.states
        return {
            "sweep": self.path,
            "expected": self.progress.expected,
            "trials": {state.value: count for state, count in sorted(states.items())},
            "best": None
            if leader is None
            else {
                "run": self.leader.id if self.leader else leader.run,
                "record": self.leader,
                "metric": metric,
                "value": leader.result,
                "params": leader.params,
                "spec": None if self.spec is None else str(self.spec),
            },
            "selection": self.selection,
            "importance": self.importance,
            "epochs": None if self.progress.epochs is None else self.progress.epochs._asdict(),
            "failures": self.failures,
            "files_changed": list(self.changed),
            "not_comparable": list(self.not_comparable),
        }


def read_result(sweep: Sweep, path: str, trials: Sequence[Trial], runs: Path) -> SweepResult:
    """The result of a sweep; `write_best` gives its best trial the spec that is named."""
    from kag.cli.results import unsealing
    from kag.cli.tracking import sweep_folder
    from kag.compare.best_trial import best_trial
    from kag.compare.comparison import not_comparable
    from kag.sweep import TrialState
    from kag.sweep.command import trains
    from kag.sweep.importance import importance
    from kag.sweep.progress import progress, told
    from kag.track.folders import FolderSource

    identifier = path.rsplit("/", 1)[-1]
    records = records_of(identifier, FolderSource(runs))
    archived = {record.wandb_id for record in records if record.archived}
    trials = [_unjudged(trial) if trial.run in archived else trial for trial in trials]
    now = progress(sweep, trials, epochs_of(records))
    now = now._replace(best=best_trial(sweep, told(sweep, trials), {one.wandb_id or "": one for one in records}))
    failed = [trial for trial in trials if trial.state is TrialState.FAILED]
    judged = {trial.run for trial in trials if trial.result is not None}
    leader = next((record for record in records if now.best and record.wandb_id == now.best.run), None)
    return SweepResult(
        path=path,
        progress=now,
        importance=importance(sweep, told(sweep, trials)),
        failures=reasons(failed, records),
        changed=changed_files(records, patch_digests(records, runs)),
        spec=sweep_folder(runs, identifier) / "best.yaml" if now.best and trains(sweep) else None,
        leader=leader,
        selection=_selection([record for record in records if record.wandb_id in judged], now.metric, runs),
        unsealing=unsealing(leader, runs) if leader else None,
        not_comparable=not_comparable([record for record in records if record.wandb_id in judged]),
    )


def _selection(judged: Sequence[RunRecord], metric: str | None, runs: Path) -> Selection | None:
    from kag.compare.selection import selection
    from kag.names import OBJECTIVE
    from kag.track.folders import FolderSource

    return selection(judged, FolderSource(runs).scores) if metric == OBJECTIVE else None


def _unjudged(trial: Trial) -> Trial:
    """A trial of an archived run: it was run, and is not the best."""
    return trial.model_copy(update={"value": None, "history": ()})


def records_of(identifier: str, source: FolderSource) -> list[RunRecord]:
    """Records of the runs of a sweep, as far as they lie in this folder."""
    if not source.runs.is_dir():
        return []
    records, _ = source.readable()
    return [record for record in records if record.sweep == identifier]


def epochs_of(records: Sequence[RunRecord]) -> Epochs | None:
    """Epochs that the runs have trained themselves, and those that they took over. Failed attempts count too.

    None where no run of kag's own is among them: of another program's epochs nothing is known.
    """
    from kag.sweep.progress import Epochs

    if not records:
        return None
    shared = sum(record.epochs_inherited for record in records)
    return Epochs(trained=sum(record.epochs_done for record in records) - shared, shared=shared)


def reasons(failed: Sequence[Trial], records: Sequence[RunRecord]) -> dict[str, str]:
    """Run of a failed trial -> why, as its record has it."""
    known = {record.wandb_id: record.failure for record in records}
    found = {trial.run or "?": known.get(trial.run) for trial in failed}
    return {
        run: f"{failure.error}: {failure.message}" if failure else "it left no reason; see the agents' logs"
        for run, failure in found.items()
    }


def changed_files(records: Sequence[RunRecord], patches: Mapping[str, str]) -> tuple[str, ...]:
    """Files that may not have been the same for all runs of a sweep: its results then are not of one program."""
    from kag.text import commit as short

    states = {(record.git.commit, patches.get(record.id)) for record in records if record.git is not None}
    if len(states) < 2:
        return ()
    files = {file for record in records if record.git is not None for file in record.git.uncommitted}
    commits = {short(commit) for commit, _ in states}
    return (*sorted(files), *(f"commit {commit}" for commit in sorted(commits) if len(commits) > 1))


def patch_digests(records: Sequence[RunRecord], runs: Path) -> dict[str, str]:
    """Run -> digest of its uncommitted changes, for runs that had any."""
    from kag.track.folder import RunFolder

    files = {record.id: RunFolder(runs / record.id).patch_file for record in records}
    return {run: hashlib.sha256(file.read_bytes()).hexdigest() for run, file in files.items() if file.is_file()}


def write_best(sweep: Sweep, result: SweepResult, runs: Path) -> None:
    """Write the spec of the best trial, if there is one, as it was trained.

    Where its run lies elsewhere it is the base spec with the command's overrides and the trial's values.

    Raises:
        UserError: a spec of that name was not written so, or it cannot be written.
    """
    from kag.spec.load import load_spec, read_spec, spec_text
    from kag.sweep.command import train_command
    from kag.track.folder import RunFolder
    from kag.track.generated import SWEEP_SPEC
    from kag.track.output import Output, marked

    leader, file = result.progress.best, result.spec
    if leader is None or file is None:
        return
    if result.leader is not None:
        base = RunFolder(runs / result.leader.id).spec_file
        spec = load_spec(base)
    else:
        command = train_command(sweep)
        base = Path(command.spec)
        spec, _ = read_spec(base, [*command.overrides, json.dumps(leader.params)], trial=True)
    kind = marked("the spec of a sweep's best trial", SWEEP_SPEC, begins=b"#")
    said = f"{SWEEP_SPEC.decode()}, {result.path}; it is written anew.\n"
    Output(file, kind, force=None).write(f"{said}{spec_text(spec)}", base)
