"""What commands that score data share: how far they are, and what they say afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kag.cli.made import warner
from kag.errors import StorageError
from kag.view.progress import reporting
from kag.view.terminal import Terminal

if TYPE_CHECKING:
    from kag.track.folder import RunFolder
    from kag.track.result import Look


@contextmanager
def scoring_progress(console: Terminal) -> Iterator[Callable[[int, int], None]]:
    """Shows the points that were scored so far."""
    with reporting(console, "points") as report:
        yield lambda done, total: report("scoring", done, total)


def say_unchecked(console: Terminal, sentences: Sequence[str]) -> None:
    """What could not be compared between weights and data."""
    for sentence in sentences:
        warner(console)(sentence)


def record_looks(folder: RunFolder | None, looks: Sequence[Look], console: Terminal) -> None:
    """Write looks at test sets down where the run of the weights lies, or say why they are nowhere."""
    if not looks:
        return
    if folder is None:
        warner(console)("this look at test is written down nowhere: the weights lie in no run folder")
        return
    try:
        folder.append_looks(looks)
    except StorageError as error:
        warner(console)(f"this look at test is not written down: {error}")
