"""The mirror of a run in W&B, through Lightning's logger. The run folder is the truth; without the mirror it stays."""

from __future__ import annotations

import netrc
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import wandb
from lightning.pytorch.loggers import WandbLogger
from wandb.errors import Error as WandbError
from wandb.sdk import wandb_setup
from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

from kag import names
from kag.spec.flat import flat
from kag.spec.run import RunSpec
from kag.track.folder import RunFolder
from kag.track.mirror import END_KEY, START_KEY
from kag.track.record import RunRecord
from kag.train.console import RunConsole

INIT_TIMEOUT = 30.0
"""Seconds to wait for a server before going on offline (the client's own default is 90)."""

FINISH_TIMEOUT = 60.0
"""Seconds to wait for the last upload; what is missing then stays in the local file for `wandb sync`."""

PUBLIC_HOSTS = frozenset({"api.wandb.ai", "api.forge.coreweave.com"})
"""Two names of W&B's own server: a login for one is a login for both."""

LOST = (WandbError, OSError, ValueError, MailboxClosedError, HandleAbandonedError)
"""What the client raises when its server, its own process or its settings are at fault."""


class Tracker(Protocol):
    """Where the epochs of a run are mirrored."""

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror the row of an epoch."""

    def close(self, record: RunRecord) -> None:
        """Mirror the end of the run: objective last, exit code 1 unless the run delivered weights."""


class NoTracker:
    """Mirrors nothing: `track.mode: disabled`, or a process that is not the first."""

    def log(self, row: Mapping[str, float]) -> None:
        """Nothing."""

    def close(self, record: RunRecord) -> None:
        """Nothing."""


class WandbTracker:
    """Mirrors to W&B. A failure of W&B is told once and ends the mirroring, never the run."""

    def __init__(self, logger: WandbLogger, console: RunConsole) -> None:
        self._logger: WandbLogger | None = logger
        self._console = console

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror the row of an epoch; `epoch` is the axis of every other key."""
        if self._logger is not None:
            try:
                self._logger.log_metrics(dict(row))
            except LOST as error:
                self._lose(error)

    def close(self, record: RunRecord) -> None:
        """Mirror the delivered results, the objective in the very last row, and the record; then finish."""
        if self._logger is None:
            return
        try:
            run = self._logger.experiment
            row = final_row(record)
            if row:
                run.log(row)
            run.summary[END_KEY] = record.model_dump_json()
            run.finish(exit_code=0 if record.status.done else 1)
        except LOST as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self._console.warn(
            f"W&B was lost ({_line(error)}); the run goes on, `wandb sync` can upload its local files later"
        )
        self._logger = None


def final_row(record: RunRecord) -> dict[str, float]:
    """Metrics of the delivered weights, the objective last; empty if none were delivered."""
    row = {names.evaluation(result.split, result.metric): result.value for result in record.results if result.delivered}
    if names.OBJECTIVE in row:
        row[names.OBJECTIVE] = row.pop(names.OBJECTIVE)
    return row and {names.EPOCH: float(record.epochs_trained - 1)} | row


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
    host = urlsplit(server).netloc
    return host not in PUBLIC_HOSTS or not PUBLIC_HOSTS.isdisjoint(hosts_with_key)


def hosts_with_key(path: Path) -> frozenset[str]:
    """Hosts that a netrc file has a login for; none if there is no such file or it cannot be read."""
    try:
        return frozenset(netrc.netrc(str(path)).hosts)
    except (OSError, netrc.NetrcParseError):
        return frozenset()


def open_tracker(
    spec: RunSpec, folder: RunFolder, record: RunRecord, console: RunConsole
) -> tuple[Tracker, str | None]:
    """Begin mirroring. What cannot be reached or started is told, and the run goes on without it.

    Returns:
        The tracker, and the W&B run id (None if nothing is mirrored).
    """
    mode = spec.track.mode
    if mode == "disabled" or (mode == "auto" and os.environ.get("WANDB_MODE") == "disabled"):
        return NoTracker(), None
    netrc_file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if is_online(mode, os.environ, wandb_setup.singleton().settings.base_url, hosts_with_key(netrc_file)):
        before = set(_files(folder))
        try:
            return _start(spec, folder, record, console, offline=False)
        except LOST as error:
            console.warn(f"no W&B server ({_line(error)}); the run goes on offline, `wandb sync` can upload it later")
            # What it has begun would pass for a run of its own.
            for file in set(_files(folder)) - before:
                shutil.rmtree(file.parent, ignore_errors=True)
    try:
        return _start(spec, folder, record, console, offline=True)
    except LOST as error:
        console.warn(f"W&B could not start ({_line(error)}); the run is tracked in its folder alone")
        return NoTracker(), None


def _files(folder: RunFolder) -> list[Path]:
    return list(folder.wandb.glob("run-*/run-*.wandb"))


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _start(
    spec: RunSpec, folder: RunFolder, record: RunRecord, console: RunConsole, *, offline: bool
) -> tuple[WandbTracker, str]:
    folder.wandb.mkdir(exist_ok=True)
    run = wandb.init(
        name=record.id,
        project=spec.track.project,
        entity=spec.track.entity,
        tags=list(spec.track.tags) or None,
        id=os.environ.get("WANDB_RUN_ID") or record.wandb_id,
        dir=str(folder.path),
        mode="offline" if offline else "online",
        resume="allow",
        config={**flat(spec), START_KEY: record.model_dump_json()},
        settings=wandb.Settings(
            init_timeout=INIT_TIMEOUT,
            finish_timeout=FINISH_TIMEOUT,
            finish_timeout_raises=False,
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
        ),
    )
    logger = WandbLogger(experiment=run)
    run.define_metric(names.EPOCH)
    run.define_metric("*", step_metric=names.EPOCH)
    return WandbTracker(logger, console), str(run.id)
