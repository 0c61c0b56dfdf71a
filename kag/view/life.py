"""How it is said of a run that nobody has heard of its process any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kag.track.record import RunRecord, Status

_NAMED = 3
"""Silent runs that are named below a list."""


def host_of(record: RunRecord) -> str:
    """Name of the host of the process that writes the record; empty where nobody knows."""
    hosts = record.world.hosts if record.world else ()
    return hosts[0] if hosts else str(record.environment.get("hostname") or "")


def last_sign(record: RunRecord) -> str:
    """`2025-10-08 01:00:00 UTC on gpu7`: of a run that has not said how it ended; empty where there was none."""
    if record.heartbeat is None or record.end is not None:
        return ""
    return f"{record.heartbeat:%Y-%m-%d %H:%M:%S} UTC{_on(record)}"


def silence(record: RunRecord) -> str:
    """`no sign of life since 2025-10-08 01:00 UTC on gpu7`: of a run that was killed without a word; else empty."""
    if record.status is not Status.KILLED or record.heartbeat is None or record.end is not None:
        return ""
    return f"no sign of life since {record.heartbeat:%Y-%m-%d %H:%M} UTC{_on(record)}"


def silences(records: Iterable[RunRecord]) -> Iterator[str]:
    """The same of several, the last ones first, for the lines below a list."""
    found = [f"{record.id}: {said}" for record in records if (said := silence(record))]
    yield from reversed(found[-_NAMED:])
    if len(found) > _NAMED:
        yield f"and of {len(found) - _NAMED} more"


def _on(record: RunRecord) -> str:
    host = host_of(record)
    return f" on {host}" if host else ""
