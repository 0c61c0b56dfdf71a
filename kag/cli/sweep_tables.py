"""Tables of sweeps: a plan, a moment, a result. Values in, rich tables out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from kag.cli.tables import plain_table, severity
from kag.text import MISSING, duration
from kag.view.results import measured

if TYPE_CHECKING:
    from kag.cli.sweep_result import SweepResult
    from kag.sweep.plan import Plan
    from kag.sweep.progress import Epochs, Progress

WORDS = {
    "finished": "green",
    "stopped": "green",
    "leased": "yellow",
    "failed": "red",
    "free": "blue",
    "canceled": "red",
}
SHOWN_AS = {"leased": "running"}


def plan_table(plan: Plan) -> Group:
    """What a sweep would run, and what preflight says of it."""
    facts = _facts()
    facts.add_row("search", plan.method)
    facts.add_row("trials", "without end" if plan.trials is None else str(plan.trials))
    facts.add_row("epochs", _epochs(plan))
    if plan.epochs_forked is not None:
        facts.add_row("with forks", _forked(plan))
    looked = "every point" if plan.complete else f"{plan.points} points that stand for all, both ends of every range"
    facts.add_row("looked at", looked)
    parts: list[Table] = [facts]
    if plan.findings:
        findings = plain_table("preflight", "points", "finding", "for example", right=("points",))
        for finding in plan.findings:
            findings.add_row(
                severity(finding.severity),
                f"{finding.points} of {plan.points}",
                finding.code,
                escape(finding.example),
            )
        parts.append(findings)
    return Group(*parts)


def _epochs(plan: Plan) -> str:
    if plan.epochs is None:
        return "without end"
    return f"at most {plan.epochs}, each trial by itself"


def _forked(plan: Plan) -> str:
    if plan.epochs_forked == plan.epochs:
        return "no trials have an epoch in common"
    share = (plan.epochs_forked or 0) / (plan.epochs or 1)
    kept = "" if plan.shares else "; but the command has no --share"
    return f"at most {plan.epochs_forked}, {share:.2f} of that{kept}"


def progress_table(path: str, now: Progress) -> Table:
    """A sweep while it runs."""
    made = _facts(title=escape(path))
    made.add_row("trials", trial_words(now))
    made.add_row("best", best_words(now))
    made.add_row("time left", left_words(now.seconds_left))
    made.add_row("epochs", epoch_words(now.epochs))
    return made


def progress_line(now: Progress) -> str:
    """The same on one line, for a log."""
    return f"{trial_words(now)}; best {best_words(now)}; {left_words(now.seconds_left)} left; {epoch_words(now.epochs)}"


def trial_words(now: Progress) -> str:
    """`7 of 20 ended: 6 finished, 1 failed; 2 running`."""
    total = "?" if now.expected is None else str(now.expected)
    states = ", ".join(
        f"[{WORDS[state.value]}]{count} {SHOWN_AS.get(state.value, state.value)}[/]"
        for state, count in sorted(now.states.items())
        if count
    )
    return f"{now.ended} of {total} ended" + (f": {states}" if states else "")


def best_words(now: Progress) -> str:
    """The best value and its point."""
    if now.best is None or now.best.result is None:
        return MISSING
    return f"{measured(now.metric, now.best.result)}  {escape(json.dumps(now.best.params))}"


def left_words(seconds: float | None) -> str:
    """About how long."""
    return MISSING if seconds is None else f"about {duration(seconds)}"


def epoch_words(epochs: Epochs) -> str:
    """What forks have saved."""
    whole = epochs.trained + epochs.shared
    saved = f", {epochs.trained / whole:.2f} of {whole}" if epochs.shared else ""
    return f"{epochs.trained} trained, {epochs.shared} shared through forks{saved}"


def result_table(result: SweepResult) -> Group:
    """A sweep at its end."""
    facts = _facts()
    facts.add_row("sweep", escape(result.path))
    facts.add_row("trials", trial_words(result.progress))
    facts.add_row("best", best_words(result.progress))
    if result.progress.best is not None:
        facts.add_row("best run", escape(str(result.progress.best.run)))
        facts.add_row("its spec", escape(str(result.spec)))
    facts.add_row("epochs", epoch_words(result.progress.epochs))
    parts: list[Table] = [facts]
    if result.importance:
        shares = plain_table("importance", "parameter", right=("importance",))
        for key, share in result.importance.items():
            shares.add_row(f"{share:.1%}", escape(key))
        parts.append(shares)
    if result.failures:
        failed = plain_table("failed run", "why")
        for run, reason in result.failures.items():
            failed.add_row(f"[red]{escape(run)}[/]", escape(reason))
        parts.append(failed)
    return Group(*parts)


def _facts(title: str | None = None) -> Table:
    made = Table(title=title, show_header=False, box=None, pad_edge=False, title_justify="left", title_style="bold")
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    return made
