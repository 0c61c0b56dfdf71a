"""How a sweep stands while it runs: of its runs only those are asked for of which there may be news."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.live import Live
from rich.markup import escape

from kag.cli.sweep_result import epochs_of, records_of
from kag.cli.sweep_tables import progress_line, progress_table
from kag.cli.sweep_tracking import attempt_of
from kag.errors import KagError
from kag.sweep.progress import Attempt, Call, Progress, progress, trials_of_attempts
from kag.sweep.step import place_of
from kag.sweep.trial import Limits
from kag.track.folders import FolderSource
from kag.view.terminal import Terminal

if TYPE_CHECKING:
    from kag.sweep import Sweep, Trial

POLL_SECONDS = 2.0

UNHEARD_SECONDS = 300.0
"""Looks may fail for so long: whoever looks would else end agents that do well, as a busy client or server says no."""

Ask = Callable[[dict[str, Any]], Iterable[Any]]
"""Runs of W&B's client by a filter."""


class Going(Protocol):
    """Agents that work on the sweep, wherever they run."""

    @property
    def lost(self) -> str | None:
        """What is known of one that did not end by itself, as a sentence."""
        ...

    def over(self) -> bool:
        """Whether all of them have ended."""
        ...

    def wait(self, seconds: float) -> None:
        """Let so long pass at most, or until they have ended."""
        ...


class Watched:
    """The runs of a sweep, as they were heard of so far.

    Args:
        sweep: the sweep.
        path: of it on the server, `entity/project/id`.
        ask: the runs of its project by a filter; None asks the server.
    """

    def __init__(self, sweep: Sweep, path: str, ask: Ask | None = None) -> None:
        self.path = path
        self._sweep = sweep
        self._project, self._identifier = path.rsplit("/", 1)
        self._ask = ask or _Asked(self._project)
        self._known: dict[str, Attempt] = {}
        self._newest = ""

    def trials(self) -> list[Trial]:
        """Its trials as they stand now. What has ended has told all, and is not asked for again."""
        for run in self._ask(self._news()):
            self._newest = max(self._newest, str(run.created_at))
            self._known[run.id] = attempt_of(self._sweep, run)
        return trials_of_attempts(self._sweep, self._identifier, self._known.values())

    def progress(self, source: FolderSource, call: Call) -> Progress:
        """How it stands.

        Args:
            source: of the runs' records, which reads only those that have changed.
            call: of `kag sweep`.
        """
        trials = self.trials()
        if any(place_of(self._identifier, run) for run in self._known):  # kag's server, which tries a point again
            call = call._replace(attempts=Limits().failures)
        return progress(self._sweep, trials, epochs_of(records_of(self._identifier, source)), call)

    def _news(self) -> dict[str, Any]:
        if not self._known:
            return {"sweep": self._identifier}
        live = sorted(name for name, attempt in self._known.items() if not attempt.state.over)
        new = {"created_at": {"$gte": self._newest}}
        return {"sweep": self._identifier, "$or": [new, {"name": {"$in": live}}]}


class _Asked:
    """The runs of a project on the server, which is asked from the first question on."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._api: Any = None

    def __call__(self, filters: dict[str, Any]) -> Iterable[Any]:
        import wandb

        self._api = self._api or wandb.Api()
        self._api.flush()  # it keeps what it was asked, and would not ask again
        runs: Iterable[Any] = self._api.runs(self._project, filters, lazy=False)
        return runs


def watch(
    watched: Watched,
    runs: Path,
    agents: Going,
    most: int | None,
    console: Terminal,
    check: Callable[[], None],
) -> None:
    """Show how the sweep stands until all agents have ended, which start so many trials at most.

    Raises:
        KagError: the server has not answered for `UNHEARD_SECONDS`. A look that fails before is left out.
    """
    from kag.track.wandb_private import REFUSED
    from kag.track.wandb_run import first_line

    before, source = watched.trials(), FolderSource(runs)
    begun = heard = time.monotonic()
    ended = -1
    # A log is no place for a table that redraws itself: there a line comes whenever a trial has ended.
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    with live or nullcontext():
        while not agents.over():
            check()
            try:
                now = watched.progress(source, Call(before, most, time.monotonic() - begun))
                heard = time.monotonic()
            except REFUSED as error:
                if time.monotonic() > heard + UNHEARD_SECONDS:
                    raise KagError(f"the server does not answer: {first_line(error)}", where=watched.path) from error
                agents.wait(POLL_SECONDS)
                continue
            if live is not None:
                live.update(progress_table(watched.path, now), refresh=True)
            elif now.ended != ended:
                console.print(progress_line(now), soft_wrap=True)
            ended = now.ended
            agents.wait(POLL_SECONDS)
    if agents.lost:
        console.print(f"[yellow]{escape(agents.lost)}[/yellow]; the same command goes on with what is left")
