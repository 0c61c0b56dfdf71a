"""What commands that score data share: how far they are, and what they say afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kag.cli.made import warner
from kag.view.progress import reporting
from kag.view.terminal import Terminal


@contextmanager
def scoring_progress(console: Terminal) -> Iterator[Callable[[int, int], None]]:
    """Shows the points that were scored so far."""
    with reporting(console, "points") as report:
        yield lambda done, total: report("scoring", done, total)


def say_unchecked(console: Terminal, sentences: Sequence[str]) -> None:
    """What could not be compared between weights and data."""
    for sentence in sentences:
        warner(console)(sentence)
