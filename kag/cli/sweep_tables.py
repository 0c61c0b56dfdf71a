"""Tables of sweeps: a plan, a moment, a result. Values in, rich tables out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from kag.cli.fitted import plain_table
from kag.compare.selection import worth_told
from kag.text import MISSING, duration
from kag.view.findings import severity
from kag.view.results import measured

if TYPE_CHECKING:
    from kag.cli.sweep_result import SweepResult
    from kag.sweep import Sweep
    from kag.sweep.plan import Plan
    from kag.sweep.progress import Progress

STATES = {
    "finished": "[green]finished[/]",
    "stopped": "[green]stopped[/]",
    "leased": "[yellow]running[/]",
    "failed": "[red]failed[/]",
    "free": "[blue]free[/]",
    "canceled": "[red]canceled[/]",
}


def plan_table(plan: Plan) -> Group:
    """What a sweep would run, and what preflight says of it."""
    looked = "every point" if plan.complete else f"{plan.points} points that stand for all, both ends of every range"
    rows = {
        "search": plan.method,
        "trials": "without end" if plan.trials is None else str(plan.trials),
        "epochs": "without end" if plan.epochs is None else f"at most {plan.epochs}, each trial by itself",
        **({} if plan.epochs_forked is None else {"with forks": _forked(plan)}),
        "looked at": looked,
    }
    findings = plain_table("preflight", "points", "finding", "for example", right=("points",))
    for finding in plan.findings:
        points = f"{finding.points} of {plan.points}"
        findings.add_row(severity(finding.severity), points, escape(finding.code), escape(finding.example))
    return _group(_facts(rows), findings)


def outline_table(sweep: Sweep) -> Table:
    """What a sweep of another program than kag's would run: of its settings nothing is known."""
    from kag.sweep.program import DEFAULT

    trials = sweep.trial_count()
    command = " ".join(str(word) for word in sweep.command or DEFAULT)
    rows = {
        "search": sweep.method,
        "trials": "without end, until Ctrl-C: `run_cap` or --count bounds them" if trials is None else str(trials),
        "parameters": escape(", ".join(sweep.varied()) or MISSING),
        "program": escape(command.replace("${program}", str(sweep.program))),
    }
    return _facts(rows)


def _forked(plan: Plan) -> str:
    if plan.epochs_forked == plan.epochs:
        return "no trials have an epoch in common"
    share = (plan.epochs_forked or 0) / (plan.epochs or 1)
    kept = "" if plan.shares else "; but the command has no --share"
    return f"at most {plan.epochs_forked}, {share:.2f} of that{kept}"


def progress_table(path: str, now: Progress) -> Table:
    """A sweep while it runs."""
    rows = {"trials": _trials(now), **_best(now), "time left": _left(now), **_epochs(now)}
    return _facts(rows, title=escape(path))


def progress_line(now: Progress) -> str:
    """The same on one line, for a log."""
    known = [" ".join(pair) for pair in _best(now).items()]
    return "; ".join([_trials(now), *known, f"{_left(now)} left", *_epochs(now).values()])


def _trials(now: Progress) -> str:
    """`7 of 20 ended: 6 finished, 1 failed, 1 to be retried, 2 running`."""
    total = "?" if now.expected is None else str(now.expected)
    words = {**STATES, "free": "[blue]to be retried[/]"}
    states = ", ".join(f"{count} {words[state]}" for state, count in sorted(now.states.items()) if count)
    return f"{now.ended} of {total} ended" + (f": {states}" if states else "")


def _best(now: Progress) -> dict[str, str]:
    """What is best, and where: one row."""
    if not now.metric:
        return {"best trial": "none: the sweep names no metric to judge by"}
    text = MISSING
    if now.best is not None and now.best.result is not None:
        text = f"{measured(now.metric, now.best.result)}  {escape(json.dumps(now.best.params))}"
    return {escape(f"best {now.metric}"): text}


def _left(now: Progress) -> str:
    return MISSING if now.seconds_left is None else f"about {duration(now.seconds_left)}"


def _epochs(now: Progress) -> dict[str, str]:
    """What forks have saved: one row, or none where nothing is known of epochs."""
    if now.epochs is None:
        return {}
    trained, shared = now.epochs
    saved = f", {trained / (trained + shared):.2f} of {trained + shared}" if shared else ""
    return {"epochs": f"{trained} trained, {shared} shared through forks{saved}"}


def result_table(result: SweepResult) -> Group:
    """A sweep at its end."""
    now = result.progress
    leader = {} if now.best is None else {"best run": escape(str(now.best.run))}
    spec = {} if result.spec is None else {"its spec": escape(str(result.spec))}
    worth = "; ".join(worth_told(result.selection)) if result.selection else ""
    selected = {"what it is worth": escape(worth)} if worth else {}
    test = {} if result.unsealing is None else {"its test": escape(f"sealed; {result.unsealing} looks at it")}
    rows = {
        "sweep": escape(result.path),
        "trials": _trials(now),
        **_best(now),
        **selected,
        **leader,
        **test,
        **spec,
        **_epochs(now),
    }
    shares = plain_table("importance", "parameter", right=("importance",))
    for key, share in result.importance.items():
        shares.add_row(f"{share:.1%}", escape(key))
    failed = plain_table("failed run", "why")
    for run, reason in result.failures.items():
        failed.add_row(f"[red]{escape(run)}[/]", escape(reason))
    return _group(_facts(rows), shares, failed)


def _group(*tables: Table) -> Group:
    """The tables that have a row."""
    return Group(*(table for table in tables if table.row_count))


def _facts(rows: Mapping[str, str], title: str | None = None) -> Table:
    made = Table(title=title, show_header=False, box=None, pad_edge=False, title_justify="left", title_style="bold")
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        made.add_row(name, value)
    return made
