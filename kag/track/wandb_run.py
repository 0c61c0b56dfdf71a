"""A run as it goes to W&B: where to, how it begins, how it ends. `mirror` reads it back.

The run folder is the truth. What cannot be reached or started is told, and the run stays in its folder alone.
"""

from __future__ import annotations

import glob
import netrc
import os
import secrets
import shlex
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kag import names
from kag.errors import exit_code_of
from kag.spec.run import TrackSpec
from kag.track.folder import RunFolder
from kag.track.mirrored import END_KEY, START_KEY
from kag.track.record import RunRecord, Status
from kag.track.world import World

if TYPE_CHECKING:
    from wandb import Run

INIT_TIMEOUT = 30.0
"""Seconds to wait for a server before going on offline (the client's own default is 90)."""

FINISH_TIMEOUT = 60.0
"""Seconds to wait for the last upload; what is missing then stays in the local file for `wandb sync`."""

EXIT_INTERRUPTED = exit_code_of(SIGTERM)
"""To kag's server such a run is interrupted, not failed."""

PUBLIC_HOSTS = frozenset({"api.wandb.ai", "api.forge.coreweave.com"})
"""Two names of W&B's own server: a login for one is a login for both."""


def lost() -> tuple[type[Exception], ...]:
    """What the client raises when its server, its own process or its settings are at fault."""
    from kag.track.wandb_private import LOST

    return LOST


def first_line(error: Exception) -> str:
    """What an error says, on one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def is_online(mode: str, environ: Mapping[str, str], server: str, hosts_with_key: frozenset[str]) -> bool:
    """Whether a run goes to a server: as the spec says; for `auto`, if a server or a key for it is configured.

    `WANDB_MODE` decides for `auto`, as W&B's users expect. An empty variable counts as none.

    Args:
        mode: `track.mode`.
        environ: environment variables.
        server: base URL that W&B's settings name, or its default.
        hosts_with_key: hosts, with the port if they have one, that a login is stored for.
    """
    if mode != "auto":
        return mode == "online"
    if environ.get("WANDB_MODE"):
        return environ["WANDB_MODE"] in ("online", "shared")
    if any(environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL")):
        return True
    return not is_public(server) or not PUBLIC_HOSTS.isdisjoint(hosts_with_key)


def is_public(server: str) -> bool:
    """Whether a base URL is that of W&B's own server."""
    return urlsplit(server).netloc in PUBLIC_HOSTS


def hosts_with_key(path: Path) -> frozenset[str]:
    """Hosts that a netrc file has a login for; none if there is no such file or it cannot be read."""
    try:
        return frozenset(netrc.netrc(str(path)).hosts)
    except (OSError, netrc.NetrcParseError):
        return frozenset()


def goes_online(mode: str) -> bool:
    """Whether a run of this mode talks to a server, by the environment and the logins of this machine."""
    from kag.track.wandb_private import base_url

    netrc_file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    return is_online(mode, os.environ, base_url(), hosts_with_key(netrc_file))


def load_client(track: TrackSpec) -> None:
    """Load all of the client that a run needs. Behind torch and Lightning that takes three times as long."""
    if not _is_disabled(track):
        from kag.track.wandb_private import load_all

        load_all()


def start_client(track: TrackSpec) -> None:
    """Have the client's own process start meanwhile, for which `begin` would wait. What fails here fails there, too."""
    if not _is_disabled(track):
        Thread(target=_start_client, name="W&B's client").start()


def _start_client() -> None:
    import wandb

    with suppress(*lost()):
        wandb.setup()


def _is_disabled(track: TrackSpec) -> bool:
    return track.mode == "disabled" or (track.mode == "auto" and os.environ.get("WANDB_MODE") == "disabled")


def begin(
    folder: RunFolder,
    record: RunRecord,
    track: TrackSpec,
    warn: Callable[[str], None],
    *,
    wandb_id: str | None,
    or_offline: bool = True,
) -> Run | None:
    """Begin a run in W&B, online or offline, with its settings as config and its record.

    Args:
        folder: the run's; the files go there.
        record: as far as it is known.
        track: where to.
        warn: told what cannot be reached or started.
        wandb_id: of a run that is continued, else None.
        or_offline: whether the run begins offline where it should be online and no server is reached.

    Returns:
        W&B's run, or None if nothing is mirrored.
    """
    if _is_disabled(track):
        return None
    if goes_online(track.mode):
        before = set(_files(folder))
        try:
            return _begun(folder, record, track, wandb_id, offline=False)
        except lost() as error:
            # What it has begun would pass for a run of its own.
            for file in set(_files(folder)) - before:
                shutil.rmtree(file.parent, ignore_errors=True)
            if not or_offline:
                warn(f"no W&B server ({first_line(error)}); nothing is sent of run {folder.id}")
                return None
            warn(f"no W&B server ({first_line(error)}); the run goes on offline, `wandb sync` can upload it later")
    try:
        return _begun(folder, record, track, wandb_id, offline=True)
    except lost() as error:
        warn(f"W&B could not start ({first_line(error)}); the run is tracked in its folder alone")
        return None


def tracked_at(run: Run) -> str:
    """Where a run can be looked at, or how it gets to where it can be."""
    if run.offline:
        return f"tracked offline: wandb sync {shlex.quote(str(Path(run.dir).parent))} sends it to a server"
    return f"tracked at {run.url}"


def end(run: Run, folder: RunFolder, record: RunRecord) -> None:
    """Log the delivered results, the objective in the very last row, the scores and the record; then finish.

    The exit code is 0 if the run delivered weights, `EXIT_INTERRUPTED` if a signal ended it (a sweep then runs its
    point again), else 1. Raises what `lost` names.
    """
    row = final_row(record)
    if row:
        run.log(row)
    _close(run, folder, record)


def _close(run: Run, folder: RunFolder, record: RunRecord) -> None:
    _save_scores(run, folder)
    run.summary[END_KEY] = record.model_dump_json()
    run.finish(exit_code=0 if record.status.done else EXIT_INTERRUPTED if record.status is Status.KILLED else 1)


def _save_scores(run: Run, folder: RunFolder) -> None:
    """Copy the scores to the client's files, which are whole wherever they are moved to; the client itself links."""
    from kag.track.scores_of_run import FOLDER, files_of

    for file in files_of(folder.path):
        files = Path(run.dir).absolute()
        copy = files / FOLDER / file.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, copy)
        run.save(glob.escape(str(copy)), base_path=str(files), policy="now")


def mirror_finished(folder: RunFolder, record: RunRecord, track: TrackSpec, warn: Callable[[str], None]) -> RunRecord:
    """Mirror a run that no training made, such as a blend, after its end.

    It is a W&B run of its own, even where the environment names the run of a training.

    Args:
        folder: the run's.
        record: as it ended.
        track: where to, as for the runs that it was made from.
        warn: told what cannot be reached, started or uploaded.

    Returns:
        The record with the W&B id, on the disk too; the same record if nothing is mirrored.
    """
    run = begin(folder, record, track, warn, wandb_id=record.wandb_id or secrets.token_hex(4))
    if run is None:
        return record
    record = record.model_copy(update={"wandb_id": str(run.id)})
    folder.write_record(record)
    _unless_lost(lambda: end(run, folder, record), warn)
    return record


def mirror_record(folder: RunFolder, record: RunRecord, track: TrackSpec, warn: Callable[[str], None]) -> None:
    """Bring the mirror of a run that has ended up to date, after something was added to its record or its scores.

    Args:
        folder: the run's.
        record: as it stands there, with the W&B id.
        track: where the run is mirrored.
        warn: told what cannot be reached, started or uploaded.
    """
    run = begin(folder, record, track, warn, wandb_id=record.wandb_id)
    if run is not None:
        _unless_lost(lambda: _close(run, folder, record), warn)


def _unless_lost(act: Callable[[], None], warn: Callable[[str], None]) -> None:
    try:
        act()
    except lost() as error:
        warn(f"W&B was lost ({first_line(error)}); `wandb sync` can upload the run's local files later")


def final_row(record: RunRecord) -> dict[str, float]:
    """Metrics of the delivered weights, the objective last; empty if none were delivered.

    The epoch is the last one that was trained; weights that were not trained have none.
    """
    row = {names.evaluation(result.split, result.metric): result.value for result in record.results if result.delivered}
    if names.OBJECTIVE in row:
        row[names.OBJECTIVE] = row.pop(names.OBJECTIVE)
    return {names.EPOCH: float(record.epochs_done - 1)} | row if row and record.epochs_done else row


def _files(folder: RunFolder) -> list[Path]:
    return list(folder.wandb.glob("run-*/run-*.wandb"))


def _begun(folder: RunFolder, record: RunRecord, track: TrackSpec, wandb_id: str | None, *, offline: bool) -> Run:
    import wandb

    folder.wandb.mkdir(exist_ok=True)
    run = wandb.init(
        name=record.id,
        project=track.project,
        entity=track.entity,
        tags=list(track.tags) or None,
        id=wandb_id,
        dir=str(folder.path),
        mode="offline" if offline else "online",
        resume="allow",
        config={**record.config, **(record.world or World()).flat(), START_KEY: record.model_dump_json()},
        settings=wandb.Settings(
            init_timeout=INIT_TIMEOUT,
            finish_timeout=FINISH_TIMEOUT,
            finish_timeout_raises=False,
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            x_save_requirements=False,  # of every package; the record has those that matter
            x_stats_pid=os.getpid(),  # the client takes the process that has loaded it, of which this may be a copy
        ),
    )
    run.define_metric(names.EPOCH)
    run.define_metric("*", step_metric=names.EPOCH)
    return run
