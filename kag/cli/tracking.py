"""Where the runs of a command go: to the W&B server that is configured, or to one of kag's own beside the runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kag.errors import UserError
from kag.text import command

if TYPE_CHECKING:
    from kag.server.embedded import Embedded


class Tracking(NamedTuple):
    """A W&B server."""

    name: str
    """Its URL, or `W&B` for W&B's own, or `embedded`, which may have another port at each call and is the same all the
    same. Sweeps are kept by it.
    """
    environment: dict[str, str]
    """For clients of it."""
    said: str = ""
    """A line that says so."""
    embedded: Embedded | None = None


def server_folder(runs: Path) -> Path:
    """Where the embedded server of a folder of runs keeps everything: one for `kag sweep`, `kag track`, `kag page`."""
    return runs / ".server"


def configured() -> bool:
    """Whether a W&B server is configured here."""
    from kag.track.wandb_run import goes_online

    return goes_online("auto")


def require_tracked(runs: Path) -> None:
    """Look before a server is started: who only looks makes none, and no folder of one.

    Raises:
        UserError: nothing has been tracked beside these runs.
    """
    folder = server_folder(runs)
    if not (folder / "tracking.db").is_file():
        remedy = f"begin with `{command('track', '--runs', runs, '--', 'python', 'train.py')}`, or name another folder"
        raise UserError("nothing has been tracked here yet", where=str(folder), remedy=remedy)


def sweep_folder(runs: Path, identifier: str) -> Path:
    """Where that of a sweep is kept which belongs to no run of it: out of the repository, beside the server."""
    return server_folder(runs) / "sweeps" / identifier


@contextmanager
def tracked(runs: Path) -> Iterator[Tracking]:
    """The configured W&B, or the embedded server of a folder of runs."""
    from kag.server.embedded import embedded_server
    from kag.track.wandb_private import base_url
    from kag.track.wandb_run import is_public

    around = dict(os.environ)
    if configured():
        url = base_url()
        said = f"tracking to {url}, which is configured here (WANDB_MODE=offline would use a server of kag's own)"
        yield Tracking("W&B" if is_public(url) else url, around, said)
        return
    folder = server_folder(runs)
    with embedded_server(folder, now=time.time()) as server:
        page = command("page", runs=runs)
        said = f"tracking to {server.url}, a server of kag's own in {folder}; `{page}` shows what it has"
        yield Tracking("embedded", around | server.environment(around), said, server)
