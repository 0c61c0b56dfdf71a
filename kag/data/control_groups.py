"""What Linux lets a container or a batch job use, which may be less than the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

PROCESS = Path("/proc/self/cgroup")
TREES = Path("/sys/fs/cgroup")


class _Version(NamedTuple):
    """Names of the files of a group, and of the line in `memory.stat` that counts cached pages of files."""

    limit: str
    used: str
    cached: str


_FIRST = _Version("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Version("memory.max", "memory.current", "inactive_file")


class Group(NamedTuple):
    """A group that has a limit, in bytes."""

    limit: int
    used: int
    """Without the cached pages of files, which give way."""


def memory_limit(process: Path = PROCESS, trees: Path = TREES) -> int | None:
    """Bytes of the tightest limit over this process; None where there is none, as outside Linux."""
    return min((group.limit for group in groups(process, trees)), default=None)


def memory_left(process: Path = PROCESS, trees: Path = TREES) -> int | None:
    """Bytes that this process may still take before it meets a limit; None where there is none."""
    return min((max(0, group.limit - group.used) for group in groups(process, trees)), default=None)


def groups(process: Path, trees: Path) -> Iterator[Group]:
    """Every group over this process that has a limit.

    A limit may stand at any level above the process. Inside a container the path of the group may be that of the host
    while the tree begins at the container, so levels that do not exist are passed over.

    Source: the kernel's documentation, admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1/memory.rst.
    """
    if not process.is_file():
        return
    for folder, version in _levels(process.read_text(), trees):
        limit = folder / version.limit
        if limit.is_file() and (text := limit.read_text().strip()) != "max":
            yield Group(int(text), _used(folder, version))


def _levels(lines: str, trees: Path) -> Iterator[tuple[Path, _Version]]:
    """Where limits may stand. A line is `number:controllers:path`; version 2 names no controllers."""
    for line in lines.splitlines():
        _, controllers, path = line.split(":", 2)
        levels = [path, *map(str, PurePosixPath(path).parents)]
        if not controllers:
            yield from ((trees / level.lstrip("/"), _SECOND) for level in levels)
        elif "memory" in controllers.split(","):
            yield from ((trees / "memory" / level.lstrip("/"), _FIRST) for level in levels)


def _used(folder: Path, version: _Version) -> int:
    used, counts = folder / version.used, folder / "memory.stat"
    if not used.is_file():
        return 0
    lines = counts.read_text().splitlines() if counts.is_file() else []
    cached = next((int(line.split()[1]) for line in lines if line.startswith(f"{version.cached} ")), 0)
    return max(0, int(used.read_text()) - cached)
