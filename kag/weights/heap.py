"""Memory that a training step, or a batch that is scored, gives back is there for the next one.

glibc asks the kernel anew for whatever is larger than 32 MiB, and gives it back when it is freed. The gradient of a
wide layer is larger: each step the kernel would fill its pages with zeros, one after another, which at October width
takes a tenth of a step over residues, and a thirtieth of an evaluation. It changes no number.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# Options of mallopt(3), and what stands for them unless they are said: thresholds as far as glibc itself raises them.
TRIM_THRESHOLD, USUAL_TRIM = -1, 64 * 2**20
MMAP_THRESHOLD, USUAL_MMAP = -3, 32 * 2**20
MMAP_MAX, USUAL_MAPS = -4, 65536
NEVER = -1


@contextmanager
def kept_heap() -> Iterator[None]:
    """Keep what is freed inside the block until its end; where the C library is another one, nothing changes."""
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        # Whoever sets one of these switches off that glibc adapts them.
        library.mallopt(MMAP_MAX, USUAL_MAPS)
        library.mallopt(MMAP_THRESHOLD, USUAL_MMAP)
        library.mallopt(TRIM_THRESHOLD, USUAL_TRIM)
        library.malloc_trim(0)
