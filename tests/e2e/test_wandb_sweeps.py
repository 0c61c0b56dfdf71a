"""Sweeps: `wandb sweep`, `wandb agent` and `wandb.agent(function=...)` against `kag serve --strict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.needs import needs

TRIAL = """
import json, pathlib, sys, wandb
words = [word.removeprefix("--").split("=", 1) for word in sys.argv[1:]]
point = {key: json.loads(value) if value[:1] in "-0123456789tf" else value for key, value in words}
with wandb.init() as run:
    pathlib.Path("points.txt").open("a").write(json.dumps({"run": run.id, **point}) + "\\n")
    for epoch in range(3):
        run.log({"epoch": epoch, "score": point.get("x", 0) + epoch / 10})
"""

ENDLESS = """
import signal, sys, time, wandb
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run = wandb.init()
hopeless = run.config["x"] == 0
step = 0
while True:
    run.log({"score": 0.0 if hopeless else 1.0})
    step += 1
    time.sleep(0.5 if hopeless else 0.01)
    if step > 400 and not hopeless:
        break
run.finish()
"""

QUERY = """
query($p: String!, $s: String!) { project(name: $p) { sweep(sweepName: $s) {
  state runCount runs { edges { node { name state config summaryMetrics historyLineCount } } }
  agents { edges { node { name totalRuns state } } }
} } }
"""


def sweep_of(client: Any, project: str, sweep: str) -> dict[str, Any]:
    found: dict[str, Any] = client.server.graphql(QUERY, p=project, s=sweep)["project"]["sweep"]
    return found


def runs_of(client: Any, project: str, sweep: str) -> list[dict[str, Any]]:
    return [edge["node"] for edge in sweep_of(client, project, sweep)["runs"]["edges"]]


def points_of(client: Any) -> list[dict[str, Any]]:
    path = Path(client.folder / "points.txt")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_two_agents_run_each_point_of_a_grid_once(client: Any, project: str) -> None:
    client.script(TRIAL, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        metric: {name: score, goal: maximize}
        parameters:
          x: {values: [1, 2.5]}
          model.norm: {values: [batch, layer]}
          flag: {value: true}
        command: ["${env}", python, "${program}", "${args}"]
        """,
        project,
    )
    agents = [client.agent(sweep, project) for _ in range(2)]
    for agent in agents:
        agent.ends()
    found = sweep_of(client, project, sweep)
    runs = [edge["node"] for edge in found["runs"]["edges"]]
    assert (found["state"], [run["state"] for run in runs]) == ("FINISHED", ["finished"] * 4)
    points = sorted((point["x"], point["model.norm"]) for point in points_of(client))
    assert points == [(1, "batch"), (1, "layer"), (2.5, "batch"), (2.5, "layer")]
    configs = [json.loads(run["config"]) for run in runs]
    assert sorted(repr(config["x"]["value"]) for config in configs) == ["1", "1", "2.5", "2.5"]
    assert all(config["flag"]["value"] is True for config in configs)
    assert sum(edge["node"]["totalRuns"] for edge in found["agents"]["edges"]) == 4
    best = client.python(
        """
        import json, sys, wandb
        sweep = wandb.Api().sweep(f"kag/{sys.argv[1]}/{sys.argv[2]}")
        agents = sweep.agents()
        print(json.dumps({
            "best": sweep.best_run().config["x"], "expected": sweep.expected_run_count, "state": sweep.state,
            "runs": len(sweep.runs), "of_agents": sorted(run.id for agent in agents for run in agent.runs()),
            "listed": [one.id for one in wandb.Api().project(sys.argv[1], "kag").sweeps()],
        }))
        """,
        project,
        sweep,
    )
    assert best["best"] == 2.5
    assert (best["expected"], best["state"], best["runs"]) == (4, "FINISHED", 4)
    assert best["of_agents"] == sorted(run["name"] for run in runs)
    assert best["listed"] == [sweep]


def test_a_function_agent(client: Any, project: str) -> None:
    done = client.python(
        """
        import json, sys, wandb
        from tests.e2e.hurried import hurry
        hurry()
        seen = []
        def trial():
            with wandb.init() as run:
                seen.append([run.config["x"], run.config["nested"]["y"], type(run.config["x"]).__name__])
                run.log({"score": run.config["x"]})
        config = {
            "method": "random", "run_cap": 2, "metric": {"name": "score", "goal": "maximize"},
            "parameters": {"x": {"min": 1, "max": 5}, "nested": {"parameters": {"y": {"value": "text"}}}},
        }
        sweep = wandb.sweep(config, project=sys.argv[1])
        wandb.agent(sweep, trial, project=sys.argv[1])
        print(json.dumps([sweep, seen]))
        """,
        project,
    )
    sweep, seen = done
    assert [one[1:] for one in seen] == [["text", "int"]] * 2
    found = sweep_of(client, project, sweep)
    assert (found["state"], found["runCount"]) == ("FINISHED", 2)


def test_pause_resume_and_cancel(client: Any, project: str) -> None:
    client.script(ENDLESS, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        parameters: {x: {values: [0, 1, 2]}}
        command: [python, "${program}"]
        """,
        project,
    )
    path = f"kag/{project}/{sweep}"
    client.wandb("sweep", "--pause", path)
    assert sweep_of(client, project, sweep)["state"] == "PAUSED"
    agent = client.agent(sweep, project)
    agents = lambda: sweep_of(client, project, sweep)["agents"]["edges"]  # noqa: E731
    client.until(agents, what="the agent")
    assert runs_of(client, project, sweep) == []
    client.wandb("sweep", "--resume", path)
    client.until(lambda: runs_of(client, project, sweep), what="the first run")
    client.wandb("sweep", "--cancel", path)
    agent.ends()
    found = sweep_of(client, project, sweep)
    assert found["state"] == "CANCELED"
    assert [edge["node"]["state"] for edge in found["runs"]["edges"]] == ["killed"]


def test_stop_lets_the_running_trial_end(client: Any, project: str) -> None:
    text = """
    import pathlib, time, wandb
    run = wandb.init()
    run.log({"score": 1.0})
    while not pathlib.Path("stopped").exists():
        time.sleep(0.05)
    run.finish()
    """
    client.script(text, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        parameters: {x: {values: [1, 2, 3]}}
        command: [python, "${program}"]
        """,
        project,
    )
    agent = client.agent(sweep, project)
    client.until(lambda: runs_of(client, project, sweep), what="the first run")
    client.wandb("sweep", "--stop", f"kag/{project}/{sweep}")
    (client.folder / "stopped").touch()
    agent.ends()
    found = sweep_of(client, project, sweep)
    assert (found["state"], [edge["node"]["state"] for edge in found["runs"]["edges"]]) == ("FINISHED", ["finished"])


def test_hyperband_stops_a_hopeless_trial(client: Any, project: str) -> None:
    client.script(ENDLESS, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        metric: {name: score, goal: maximize}
        parameters: {x: {values: [0, 1]}}
        early_terminate: {type: hyperband, min_iter: 3, eta: 3}
        command: [python, "${program}"]
        """,
        project,
    )
    agents = [client.agent(sweep, project) for _ in range(2)]
    for agent in agents:
        agent.ends()
    states = {json.loads(run["config"])["x"]["value"]: run["state"] for run in runs_of(client, project, sweep)}
    assert states == {0: "killed", 1: "finished"}


def test_a_failing_point_is_retried_and_then_given_up(client: Any, project: str) -> None:
    text = """
    import pathlib, sys, wandb
    run = wandb.init()
    before = pathlib.Path("flaky").exists()
    pathlib.Path("flaky").touch()
    if run.config["x"] == 2 or not before:
        raise ValueError("bad luck")
    run.log({"score": 1})
    """
    client.script(text, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        parameters: {x: {values: [1, 2]}}
        command: [python, "${program}"]
        """,
        project,
    )
    agent = client.agent(sweep, project, WANDB_AGENT_MAX_INITIAL_FAILURES="100")
    agent.ends()
    ends = [(json.loads(run["config"])["x"]["value"], run["state"]) for run in runs_of(client, project, sweep)]
    assert sorted(ends) == [(1, "failed"), (1, "finished"), (2, "failed"), (2, "failed"), (2, "failed")]


def test_an_agent_that_is_killed_gives_its_point_back(make_client: Any, project: str) -> None:
    client = make_client("sqlite", "--strict", "--lease", "6")
    text = """
    import pathlib, time, wandb
    run = wandb.init()
    run.log({"score": run.config["x"]})
    first = not pathlib.Path("dead").exists()
    if first:
        pathlib.Path("dead").touch()
        time.sleep(1000)
    run.finish()
    """
    client.script(text, "trial.py")
    sweep = client.sweep(
        """
        program: trial.py
        method: grid
        parameters: {x: {values: [5]}}
        command: [python, "${program}"]
        """,
        project,
    )
    first = client.agent(sweep, project)
    client.until((client.folder / "dead").exists, what="the trial")
    client.until(lambda: runs_of(client, project, sweep), what="the run")
    client.kill_agent(first, with_child=True)
    second = client.agent(sweep, project)
    second.ends()
    ends = sorted(run["state"] for run in runs_of(client, project, sweep))
    assert ends == ["crashed", "finished"]
    assert sweep_of(client, project, sweep)["state"] == "FINISHED"


def test_a_sweep_that_breaks_the_schema_is_refused_with_all_reasons(client: Any, project: str) -> None:
    path = client.folder / "sweep.yaml"
    path.write_text("method: bayes\nparameters: {x: {distribution: unifrm, min: 0.0, max: 1.0}}\n")
    output = client.run(
        sys.executable, "-m", "wandb", "sweep", "--project", project, str(path), code=1, WANDB_SILENT="false"
    )
    assert "nearest known: uniform" in output


@needs("wandb", "0.31", "local sweep scheduler")
def test_a_local_scheduler_is_refused_by_the_client_itself(client: Any, project: str) -> None:
    """`kag serve` suggests the points; it does not say that it could take them from elsewhere."""
    text = """
    program: trial.py
    method: bayes
    metric: {name: score, goal: maximize}
    parameters: {x: {min: 0.0, max: 1.0}}
    """
    path = f"kag/{project}/{client.sweep(text, project)}"
    output = client.run(sys.executable, "-m", "wandb", "sweep-scheduler", path, code=1, WANDB_SILENT="false")
    assert "does not support the local sweep scheduler" in output
    assert runs_of(client, project, path.rpartition("/")[2]) == []
