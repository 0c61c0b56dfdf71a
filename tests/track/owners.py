"""Owners as other hosts see them, for tests on one machine."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from kag.track.claim import look
from kag.track.owner import Process, owner_text, this_process

ELSEWHERE = "another machine"


def elsewhere(process: Process) -> Process:
    """A process as if it ran under another kernel: same numbers, another boot."""
    return process.model_copy(update={"host": ELSEWHERE, "boot": "another boot"})


def own_elsewhere(place: Path, *, sign: datetime) -> None:
    """Let a place be owned by a process of another machine, which has the numbers of this one."""
    there = look(place)
    process = there.process if there and there.process else this_process()
    place.write_text(owner_text(elsewhere(process), secrets.token_hex(8), sign), encoding="utf-8")
