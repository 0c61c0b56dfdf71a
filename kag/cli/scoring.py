"""What commands that score data share: a bar while they do, and what they say afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import Progress

from kag.cli.made import warner
from kag.view.terminal import Terminal


@contextmanager
def progress_bar(console: Terminal) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; it is told the number of points scored so far."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        yield lambda points: bar.update(task, completed=points)


def say_unchecked(console: Terminal, sentences: Sequence[str]) -> None:
    """What could not be compared between weights and data."""
    for sentence in sentences:
        warner(console)(sentence)
