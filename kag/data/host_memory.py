"""How much memory of the host is free for arrays; what a GPU has is another matter (`kag.train.memory`)."""

from __future__ import annotations

import os
from pathlib import Path

from kag.data.control_groups import memory_left

KERNEL = Path("/proc/meminfo")


def free_memory() -> tuple[int, str]:
    """Bytes that can still be taken here, and the name of what sets the limit."""
    machine, left = _available(KERNEL), memory_left()
    return (machine, "this machine") if left is None or left >= machine else (left, "this container or job")


def _available(kernel: Path) -> int:
    """What Linux says can be taken without swapping; elsewhere all that the machine has."""
    lines = kernel.read_text().splitlines() if kernel.is_file() else []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
