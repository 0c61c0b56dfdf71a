"""What attention did: its entropy (normalised, 1 is uniform) and the size of what it hands on."""

from __future__ import annotations

from collections.abc import Iterator

from kag import names
from kag.changelog.logged import Logged
from kag.finding import Finding, note, warning

COLLAPSED = 0.25
"""Normalised entropy below this: attention looks at little more than one token."""
MOVED = 0.05
"""Change of the mean from the first to the last third that counts."""
LARGEST_RATIO = 2.0
"""Context norm over centre norm; also its inverse."""


def entropy_rose(run: Logged) -> Iterator[Finding]:
    """Attention became more even."""
    first, last = run.start(names.ENTROPY), run.end(names.ENTROPY)
    if first is not None and last is not None and last - first >= MOVED:
        yield note("entropy_rose", f"attention entropy rose from {first:.2f} to {last:.2f}", first=first, last=last)


def entropy_fell(run: Logged) -> Iterator[Finding]:
    """Attention became more pointed, without collapsing."""
    first, last = run.start(names.ENTROPY), run.end(names.ENTROPY)
    if first is not None and last is not None and first - last >= MOVED and last >= COLLAPSED:
        yield note("entropy_fell", f"attention entropy fell from {first:.2f} to {last:.2f}", first=first, last=last)


def entropy_collapsed(run: Logged) -> Iterator[Finding]:
    """Attention ended on little more than one token."""
    first, last = run.start(names.ENTROPY), run.end(names.ENTROPY)
    if last is not None and last < COLLAPSED:
        since = "" if first is None else f", from {first:.2f}"
        said = f"attention entropy collapsed to {last:.2f} of its maximum{since}"
        yield warning("entropy_collapsed", said, first=first, last=last)


def context_norm_ratio(run: Logged) -> Iterator[Finding]:
    """The context is much larger or much smaller than the centre it is mixed with."""
    ratio = run.end(names.NORM_RATIO)
    if ratio is not None and not 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO:
        yield warning("context_norm_ratio", f"the context's norm is {ratio:.2g} times the centre's", ratio=ratio)
