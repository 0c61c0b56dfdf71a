"""What commands that score data share: a bar while they do, and what they say afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from kag.cli.made import warner


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; it is told the number of points scored so far."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("scoring", total=None)
        yield lambda points: bar.update(task, completed=points)


def say(console: Console, sentence: str) -> None:
    """Print a line as it is."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def say_unchecked(console: Console, sentences: Sequence[str]) -> None:
    """What could not be compared between weights and data."""
    for sentence in sentences:
        warner(console)(sentence)
