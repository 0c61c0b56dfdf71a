"""What a step frees is not asked of the kernel again, and afterwards it is the kernel's."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from kag.train.heap import kept_heap

WIDE = 12 * 2**20
"""Numbers of a gradient of 48 MiB."""


def page_faults(steps: int) -> int:
    """Pages that the kernel hands out while a gradient is made and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        torch.ones(WIDE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_gradient_takes_its_pages_once_and_they_are_given_back() -> None:
    outside, before = page_faults(4), resident()
    with kept_heap():
        page_faults(2)  # by then the heap is large enough
        inside, kept = page_faults(4), resident()
    assert inside < outside / 2
    assert kept - before > 3 * WIDE
    assert resident() - before < WIDE
    assert page_faults(4) > outside / 2, "as before"
