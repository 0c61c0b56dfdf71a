"""The server side of `kag sweep`: which W&B, which sweep of it, and what its runs show."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kag.cli.tracking import Tracking, server_folder, tracked
from kag.errors import KagError, UserError
from kag.track.atomic import write_atomically

if TYPE_CHECKING:
    from kag.sweep import Sweep, Trial
    from kag.sweep.progress import Attempt

STATES = {"finished": "finished", "failed": "failed", "crashed": "failed", "killed": "stopped", "preempted": "free"}
"""State of a run on a server -> of its trial; any other is under way."""

_NAMED = 8
"""Sweeps that are listed where none is near."""


@contextmanager
def connected(runs: Path) -> Iterator[Tracking]:
    """The configured W&B, or an embedded server. This process talks to it too, without the client's own messages."""
    import wandb

    with tracked(runs) as tracking:
        os.environ["WANDB_SILENT"] = "true"
        if tracking.embedded is not None:
            # The client has read its settings by now, and reads them once.
            wandb.teardown()
            os.environ.update(tracking.embedded.environment(tracking.environment))
        yield tracking


class Opened(NamedTuple):
    """A sweep on a server."""

    path: str
    """`entity/project/id`."""
    over: bool
    """Whether all of it has been run."""
    said: str


def open_sweep(sweep: Sweep, file: Path, tracking: Tracking, runs: Path, *, new: bool) -> Opened:
    """The sweep of a file: the one of an earlier call as long as something of it is left, else a new one.

    Two calls at once get the same one.
    """
    from kag.track.git import keep_out_of_git
    from kag.track.hold import alone

    place = _place(runs)
    place.parent.mkdir(parents=True, exist_ok=True)
    keep_out_of_git(place.parent)
    with alone(place.with_suffix(".lock"), place.with_suffix(".owner"), patience=None):
        return _opened(sweep, file, tracking, runs, new=new)


def _opened(sweep: Sweep, file: Path, tracking: Tracking, runs: Path, *, new: bool) -> Opened:
    from kag.sweep.load import client_tree

    tree = client_tree(file)
    content = json.dumps([tracking.name, tree], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    known = kept(runs)
    earlier = on_server(known[digest]) if digest in known and not new else None
    if earlier is not None and earlier.state.upper() != "CANCELED":
        return _continued(sweep, known[digest], earlier.state.upper(), tracking)
    import wandb

    entity, project = sweep.entity or wandb.Api().default_entity, sweep.project or "kag"
    with contextlib.redirect_stdout(io.StringIO()):
        identifier = wandb.sweep(tree, entity=entity, project=project)
    path = f"{entity}/{project}/{identifier}"
    write_atomically(_place(runs), json.dumps({**known, digest: path, identifier: path}, indent=1))
    return Opened(path, False, f"new sweep {path}")


def _continued(sweep: Sweep, path: str, state: str | None, tracking: Tracking) -> Opened:
    if state in ("RUNNING", "PENDING"):
        return Opened(path, False, f"continuing sweep {path}")
    if state == "PAUSED":
        _resume(path, tracking)
        return Opened(path, False, f"continuing sweep {path}, which was paused")
    from kag.sweep import TrialState
    from kag.sweep.suggest import target_reached

    trials, expected = trials_of(sweep, path), sweep.trial_count()
    good = sum(trial.state in (TrialState.FINISHED, TrialState.STOPPED) for trial in trials)
    missing = None if expected is None else max(expected - good, 0)
    if missing == 0 or target_reached(sweep, trials):
        return Opened(path, True, f"sweep {path} has been run to its end; --new runs it again")
    _resume(path, tracking)
    what = "which was stopped" if missing is None else f"{missing} of its points have failed or never ran: trying again"
    return Opened(path, False, f"continuing sweep {path}, {what}")


def _resume(path: str, tracking: Tracking) -> None:
    """Let an ended or paused sweep run; kag's server then gives failed points their attempts again."""
    _tell(path, "resume", tracking)


def stop(path: str, tracking: Tracking) -> None:
    """Let a sweep give out no more points; what runs may end."""
    _tell(path, "stop", tracking)


def _tell(path: str, state: str, tracking: Tracking) -> None:
    words = [sys.executable, "-P", "-m", "wandb", "sweep", f"--{state}", path]
    done = subprocess.run(words, env=tracking.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise KagError(f"the server did not {state} sweep {path}: {lines[-1] if lines else 'no reason given'}")


def _place(runs: Path) -> Path:
    return server_folder(runs) / "sweeps.json"


def kept(runs: Path) -> dict[str, str]:
    """Digest of a sweep's content -> its path; also id -> path."""
    return dict(json.loads(_place(runs).read_text())) if _place(runs).exists() else {}


def find_path(identifier: str, known: Mapping[str, str]) -> str:
    """`entity/project/id` of a sweep that was made here, or that is named in full.

    Raises:
        UserError: neither.
    """
    found = known.get(identifier, identifier)
    if found.count("/") != 2:
        made = {path.rsplit("/", 1)[-1] for path in known.values()}
        near = difflib.get_close_matches(identifier, sorted(made), n=1) or sorted(made)[:_NAMED]
        raise UserError(
            f"no sweep {identifier!r} was made here",
            nearest=", ".join(near) or None,
            remedy="--runs names the folder of its runs; a sweep of W&B is entity/project/id",
        )
    return found


def on_server(path: str) -> Any:
    """The client's object of a sweep, or None if the server does not have it."""
    import wandb

    try:
        return wandb.Api().sweep(path)  # type: ignore[no-untyped-call]
    except (ValueError, wandb.errors.CommError):
        return None


def require_on_server(path: str) -> Any:
    """The client's object of a sweep.

    Raises:
        UserError: the server has no such sweep.
    """
    found = on_server(path)
    if found is None:
        raise UserError(f"the server has no sweep {path}", remedy="kag sweep SWEEP.yaml makes one")
    return found


def sweep_on_server(path: str) -> Sweep:
    """The sweep as the server keeps it.

    Raises:
        UserError: there is none.
    """
    from kag.sweep import parse_sweep

    return parse_sweep(require_on_server(path).config, title=path)


def trials_of(sweep: Sweep, path: str) -> list[Trial]:
    """The trials of a sweep as its runs show them."""
    import wandb

    from kag.sweep.progress import trials_of_attempts

    project, identifier = path.rsplit("/", 1)
    found = wandb.Api().runs(project, {"sweep": identifier}, lazy=False)
    return trials_of_attempts(sweep, identifier, [attempt_of(sweep, run) for run in found])


def attempt_of(sweep: Sweep, run: Any) -> Attempt:
    """A run of a sweep, as W&B's client has it."""
    from kag.number import number
    from kag.server.history import reach
    from kag.sweep import TrialState
    from kag.sweep.progress import Attempt

    value = reach(run.summary_metrics, sweep.metric.name)[1] if sweep.metric else None
    state = TrialState(STATES.get(run.state, "leased"))
    known = {key: reach(run.config, key) for key in sweep.leaves()}
    params = {key: value for key, (found, value) in known.items() if found}
    return Attempt(run=run.id, state=state, params=params, value=number(value))
