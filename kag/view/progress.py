"""How far long work is: a bar on a terminal, elsewhere a line a minute. One look for all commands.

It goes to the terminal, or else to the error stream: what a command prints is left alone. Telling it of a step costs
microseconds, so the work may do that after each batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple, TypeVar

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from kag.text import duration, number, printable
from kag.view.terminal import Terminal

EVERY = 60.0
"""Seconds between two lines where there is no terminal; work that takes less says nothing."""

FRAMES = 4
"""Times a second that a bar is drawn."""

Report = Callable[[str, int, int | None], None]
"""Told the name of a step, what is done of it, and what there is to do (None where nobody knows)."""
Clock = Callable[[], float]
"""Seconds since some moment."""
Item = TypeVar("Item")


class Pace(NamedTuple):
    """How fast work goes."""

    done: int
    total: int | None
    seconds: float
    """That it took."""

    @property
    def left(self) -> float | None:
        """Seconds until all is done at this pace; None while nothing tells."""
        return None if self.total is None or not self.done else (self.total - self.done) * self.seconds / self.done


def pace_line(what: str, pace: Pace, unit: str = "", rate: str | None = None) -> str:
    """`scoring  12,000 of 40,000 points, 2500 points a second, about 11 s left`.

    Args:
        what: the step.
        pace: of the step.
        unit: what is counted.
        rate: in place of the units a second.
    """
    counted = f" {unit}" if unit else ""
    of = "" if pace.total is None else f" of {pace.total:,}"
    rate = rate if rate is not None else f"{number(pace.done / max(pace.seconds, 1e-9))}{counted} a second"
    left = "" if pace.left is None else f"about {duration(pace.left)} left"
    return ", ".join(part for part in (f"{what}  {pace.done:,}{of}{counted}", rate, left) if part)


class MinuteLines:
    """Says a line where a minute has passed since the last one.

    Args:
        say: prints a line.
        clock: what time it is.
    """

    def __init__(self, say: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._told = clock()

    def offer(self, line: Callable[[], str]) -> None:
        """Say this line, if one is due."""
        now = self._clock()
        if now - self._told >= EVERY:
            self._told = now
            self._say(line())


@contextmanager
def reporting(console: Terminal, unit: str = "", clock: Clock = time.monotonic) -> Iterator[Report]:
    """Show how far the work inside the block is.

    Args:
        console: that the command prints to.
        unit: what is counted: `points`.
        clock: what time it is.
    """
    terminal = console if console.is_terminal else Terminal(stderr=True)
    if draws(terminal):
        with bar(terminal, redirected=terminal is console) as progress:
            yield _on_bar(progress)
    else:
        yield _in_lines(MinuteLines(terminal.say, clock), unit, clock)


@contextmanager
def busy(what: str, console: Terminal | None = None) -> Iterator[None]:
    """Say on a terminal, while the block runs, what it is that takes time and has no steps to count.

    Args:
        what: as plain text.
        console: that is printed to meanwhile; the error stream if nothing is.
    """
    console = console or Terminal(stderr=True)
    # Where nothing is drawn, rich would still end it with an empty line.
    with console.status(Text(printable(what)), refresh_per_second=FRAMES) if draws(console) else nullcontext():
        yield


def draws(console: Terminal) -> bool:
    """Whether a bar can be drawn: a terminal that cannot move its cursor is like a file."""
    return console.is_terminal and not console.is_dumb_terminal


def shown(items: Iterable[Item], console: Terminal, what: str, total: int | None, unit: str = "") -> Iterator[Item]:
    """The items, one after another, while it is shown how many have come."""
    with reporting(console, unit) as report:
        for count, item in enumerate(items, start=1):
            yield item
            report(what, count, total)


def bar(console: Terminal, *fields: ProgressColumn, redirected: bool = True) -> Progress:
    """An empty bar in the house's look, which goes away at its end.

    Args:
        console: a terminal.
        fields: further columns.
        redirected: whether what is printed meanwhile goes above the bar.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _Counted(),
        TimeRemainingColumn(),
        *fields,
        console=console,
        transient=True,
        refresh_per_second=FRAMES,
        redirect_stdout=redirected,
        redirect_stderr=redirected,
    )


class _Counted(ProgressColumn):
    """`12,000/40,000`; what is done alone, where nobody knows of how many."""

    def render(self, task: Task) -> Text:
        """The cell."""
        of = "" if task.total is None else f"/{int(task.total):,}"
        return Text(f"{int(task.completed):,}{of}", style="progress.download")


def _on_bar(progress: Progress) -> Report:
    tasks = {}

    def report(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    return report


def _in_lines(lines: MinuteLines, unit: str, clock: Clock) -> Report:
    began: dict[str, float] = {}
    newest = clock()

    def report(what: str, done: int, total: int | None) -> None:
        nonlocal newest
        begin = began.setdefault(what, newest)
        newest = clock()
        lines.offer(lambda: pace_line(what, Pace(done, total, newest - begin), unit))

    return report
