"""What Linux lets a container or a batch job use, which may be less than the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self/cgroup")
TREES = Path("/sys/fs/cgroup")


def memory_limit(process: Path = PROCESS, trees: Path = TREES) -> int | None:
    """Bytes of the tightest limit over this process; None where there is none, as outside Linux.

    A limit may stand at any level above the process. Inside a container the path of the group may be that of the host
    while the tree begins at the container, so levels that do not exist are passed over.

    Source: the kernel's documentation, admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1/memory.rst.
    """
    if not process.is_file():
        return None
    found = [file.read_text().strip() for file in _files(process.read_text(), trees) if file.is_file()]
    return min((int(limit) for limit in found if limit != "max"), default=None)


def _files(groups: str, trees: Path) -> Iterator[Path]:
    """Where limits may stand. A line is `number:controllers:path`; version 2 names no controllers."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        levels = [path, *map(str, PurePosixPath(path).parents)]
        if not controllers:
            yield from (trees / level.lstrip("/") / "memory.max" for level in levels)
        elif "memory" in controllers.split(","):
            yield from (trees / "memory" / level.lstrip("/") / "memory.limit_in_bytes" for level in levels)
