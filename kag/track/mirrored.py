"""`Mirrored`: a run as W&B holds it, the same whether a server's database, the Api or files were read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from kag.track.client import Client, client_of
from kag.track.record import Declared, Status

START_KEY = "kag.record"
"""Config key of the record as the run began."""

END_KEY = "kag/record"
"""Summary key of the record as the run ended."""

CLIENT_KEY = "_wandb"
"""Config key of what the client says of itself; see `kag.track.client`."""

INTERNAL = (CLIENT_KEY, "wandb_version", START_KEY)
"""Config keys that are no setting."""


@dataclass(frozen=True)
class Used:
    """A version of an artifact that a run took as its input."""

    name: str
    """`name:v3`; `name:alias` where nobody says which version that was; `entity/project/` before it if in another."""
    type: str
    id: str
    """W&B's own, the same for every run that used this version."""
    made_by: str | None = None
    """W&B id of the run that logged it, where that is known."""

    @property
    def is_version(self) -> bool:
        """Whether its name says which version it is."""
        return re.fullmatch(r".+:v\d+", self.name) is not None


@dataclass(frozen=True)
class Mirrored:
    """A run as W&B holds it."""

    wandb_id: str
    display_name: str
    start: datetime
    """When W&B first heard of it."""
    status: Status
    """By W&B's own state; RUNNING where no end was recorded."""
    config: Mapping[str, Any]
    """With `CLIENT_KEY`."""
    summary: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    notes: str = ""
    sweep: str | None = None
    heard: datetime | None = None
    """When W&B last heard of it."""
    exit_code: int | None = None
    group: str | None = None
    job_type: str | None = None
    commit: str | None = None
    has_patch: bool = False
    """Whether the client left the changes that were not committed."""
    used: tuple[Used, ...] = ()
    made: tuple[str, ...] = ()
    """Names of the artifacts that it logged, where `Used` cannot say who did."""
    objective: Declared | None = None
    """What its sweep is after."""

    @property
    def by_kag(self) -> bool:
        """Whether kag wrote it."""
        return is_by_kag(self.config, self.summary)

    @cached_property
    def client(self) -> Client:
        """What the client says of itself."""
        return client_of(self.config.get(CLIENT_KEY))


def is_by_kag(config: Mapping[str, Any], summary: Mapping[str, Any]) -> bool:
    """Whether kag left its record in a config or a summary of W&B."""
    return START_KEY in config or END_KEY in summary


def where_of(wandb_id: str) -> str:
    """How an error names a run of W&B."""
    return f"W&B run {wandb_id}"
