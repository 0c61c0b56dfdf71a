"""Which agent of a sweep ran what when, from what the database has of agents, attempts and runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, select

from kag.report.search_figures import Attempt, Worked
from kag.server.page.held import Held
from kag.server.store import all_rows
from kag.server.tables import agents, attempts
from kag.sweep import Trial, TrialState
from kag.view.life import host_of


def agents_of(connection: Connection, sweep_id: int) -> Sequence[RowMapping]:
    """The agents of a sweep, the first one first."""
    return all_rows(connection, select(agents).where(agents.c.sweep_id == sweep_id).order_by(agents.c.id))


def worked(
    connection: Connection,
    sweep_id: int,
    runs: Mapping[str, Held],
    trials: Mapping[int, Trial],
    names: Mapping[int, str],
) -> dict[str, Worked]:
    """What each agent has done, by its name; an attempt whose run never reported is not in it.

    Args:
        connection: a transaction.
        sweep_id: row of the table of sweeps.
        runs: of the project, by W&B's id.
        trials: of the sweep, by number.
        names: what each trial is called.
    """
    done: defaultdict[str, list[tuple[Held, int]]] = defaultdict(list)
    for row in all_rows(connection, select(attempts).where(attempts.c.sweep_id == sweep_id)):
        if row["run"] in runs and row["number"] in trials:
            done[row["agent"]].append((runs[row["run"]], row["number"]))
    found = {}
    for agent in agents_of(connection, sweep_id):
        own = sorted(done[agent["name"]], key=lambda pair: pair[0].row["created_at"])
        tries = tuple(_attempt(run, trials[number], run.trial or names[number]) for run, number in own)
        label = _place(agent, [run for run, _ in own])
        found[agent["name"]] = Worked(label, agent["created_at"], agent["heartbeat_at"], tries)
    return found


def _attempt(run: Held, trial: Trial, name: str) -> Attempt:
    """Only the last attempt at a trial says how the trial stands; one before it has come to nothing."""
    state = trial.state if trial.run == run.name else TrialState.FAILED
    return Attempt(name, run.row["created_at"], run.row["heartbeat_at"], state.value)


def _place(agent: RowMapping, runs: Sequence[Held]) -> str:
    """`node7, job 70_3`: where it ran, and in which job of the scheduler, where its runs say so."""
    worlds = [run.record.world for run in reversed(runs) if run.record.world is not None]
    job = next((world.task or world.job for world in worlds if world.job), None)
    host = agent["host"] or next((host for run in runs if (host := host_of(run.record))), "") or agent["name"]
    return f"{host}, job {job}" if job else str(host)
