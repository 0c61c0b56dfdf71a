"""Pages that the kernel hands out while gradients are made and freed, and the memory that stays, as JSON.

A process of its own: the heap of one that has run other tests may not lie where a training process has it.
"""

from __future__ import annotations

import json
import resource

import torch

from kag.weights.heap import kept_heap

WIDE = 12 * 2**20
"""Numbers of a gradient of 48 MiB."""


def page_faults(steps: int) -> int:
    """Pages that come while a gradient is made and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        torch.ones(WIDE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main() -> dict[str, int]:
    """Outside, inside, and outside again."""
    outside, before = page_faults(4), resident()
    with kept_heap():
        page_faults(12)  # by then the heap is large enough
        inside, kept = page_faults(4), resident()
    after = resident()
    return {
        "outside": outside,
        "inside": inside,
        "again": page_faults(4),
        "kept": kept - before,
        "left": after - before,
        "wide": WIDE,
    }


if __name__ == "__main__":
    print(json.dumps(main()))
