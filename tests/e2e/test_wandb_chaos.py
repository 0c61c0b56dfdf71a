"""Kill -9 of agents and of the server in a grid, after rows drawn by lot: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from typing import Any

import pytest

from tests.e2e.tracking import BOTH

VICTIMS = ("server", "agent", "agent and trial")
POINTS, KILLS = (30, 15) if "KAG_ALL_KILLS" in os.environ else (8, len(VICTIMS))
KINDS = BOTH if "KAG_ALL_KILLS" in os.environ else BOTH[:1]
"""`make kills` takes the larger ones, and both databases: killed servers of PostgreSQL are in test_two_servers, too."""
STEPS = 12

TRIAL = """
import time, wandb
with wandb.init() as run:
    for step in range(12):
        run.log({"score": run.config["x"] * 100 + step})
        time.sleep(0.05)
"""


@pytest.mark.slow(40, "unmodified agents, trials and the server may be killed: each point ends once, with all its rows")
@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_survives_kills(make_client: Any, kind: str) -> None:
    client = make_client(kind, "--strict", "--lease", "8")
    server, seed = client.server, int(os.environ.get("KAG_CHAOS_SEED", "1"))
    dice = random.Random(seed)
    client.script(TRIAL, "trial.py")
    values = ", ".join(str(i) for i in range(POINTS))
    sweep = client.sweep(
        f"""
        program: trial.py
        method: grid
        parameters: {{x: {{values: [{values}]}}}}
        command: [python, "${{program}}"]
        """,
        "chaos",
    )
    agents = [client.agent(sweep, "chaos") for _ in range(3)]
    deadline = time.monotonic() + 900
    moments = sorted(dice.sample(range(POINTS * STEPS * 3 // 4), KILLS))
    victims = [*VICTIMS, *dice.choices(VICTIMS, k=KILLS - len(VICTIMS))]
    dice.shuffle(victims)
    while any(agent.poll() is None for agent in agents):
        assert time.monotonic() < deadline, "the sweep did not come to its end"
        if moments and logged(client) >= moments[0]:
            moments.pop(0)
            victim = victims.pop()
            if victim == "server":
                server.kill(signal.SIGKILL)
                server.start()
            else:
                number = dice.randrange(3)
                client.kill_agent(agents[number], with_child=victim != "agent")
                agents[number] = client.agent(sweep, "chaos")
        time.sleep(0.2)
    assert not moments
    assert [agent.returncode for agent in agents] == [0, 0, 0]
    assert_complete(client, sweep)


def logged(client: Any) -> int:
    """Rows that have reached the server, those of killed runs among them."""
    (count,) = client.server.rows("select count(*) from lines where stream = 0")[0]
    return int(count)


def assert_complete(client: Any, sweep: str) -> None:
    """Counted in the database and over the Api."""
    trials = client.server.rows("select state, body from trials")
    finished = client.server.rows("select id, name, config from runs where state = 'finished'")
    points = sorted(json.loads(config)["x"]["value"] for _, _, config in finished)
    assert [state for state, _ in trials] == ["finished"] * POINTS
    assert points == list(range(POINTS)), "every point finishes exactly once"
    assert sorted(json.loads(body)["run"] for _, body in trials) == sorted(name for _, name, _ in finished)
    for number, _, config in finished:
        x = json.loads(config)["x"]["value"]
        rows = client.server.rows(f"select body from lines where run_id = {number} and stream = 0 order by line")
        scores = [json.loads(body)["score"] for (body,) in rows]
        assert scores == [x * 100 + step for step in range(STEPS)]
    found = client.python(
        """
        import json, sys, wandb
        sweep = wandb.Api().sweep(f"kag/chaos/{sys.argv[1]}")
        done = [run for run in sweep.runs if run.state == "finished"]
        print(json.dumps({
            "state": sweep.state, "points": sorted(run.config["x"] for run in done),
            "rows": sorted(row["score"] for run in done for row in run.scan_history()),
        }))
        """,
        sweep,
    )
    assert found["state"] == "FINISHED"
    assert found["points"] == list(range(POINTS))
    assert found["rows"] == sorted(x * 100 + step for x in range(POINTS) for step in range(STEPS))
