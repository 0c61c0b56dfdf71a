"""`kag sweep list`: the sweeps of a project, or those made here, as their server has them."""

from __future__ import annotations

import json
import sys

import pytest

from tests.copied import COPIED
from tests.e2e.tracking import Client

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")
TRIAL = """
import wandb
with wandb.init(settings=wandb.Settings(x_disable_stats=True)) as run:
    run.log({"loss": run.config["x"] / 4})
"""
SWEEP = """
program: trial.py
name: {name}
method: grid
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{values: {values}}}}}
command: [python, "${{program}}"]
"""


@pytest.mark.slow(30, "sweeps that have ended, wait, and cannot be read, in one list")
def test_a_project_lists_its_sweeps_and_those_made_here_are_among_them(client: Client, project: str) -> None:
    client.script(TRIAL, "trial.py")
    done = client.sweep(SWEEP.format(name="first", values="[1, 2]"), project)
    client.agent(done, project).ends()
    waits = client.sweep(SWEEP.format(name="second", values="[1, 2, 3]"), project)

    listed = json.loads(client.run(*KAG, "sweep", "list", f"kag/{project}", "--json"))
    assert [one["sweep"] for one in listed] == [f"kag/{project}/{done}", f"kag/{project}/{waits}"]
    first, second = listed
    assert (first["name"], first["method"], first["state"]) == ("first", "grid", "finished")
    assert (first["expected"], first["trials"]) == (2, {"finished": 2})
    assert (first["best"]["metric"], first["best"]["value"]) == ("loss", 0.25)
    assert (second["state"], second["expected"], second["trials"], second["best"]) == ("running", 3, {}, None)

    (client.folder / "here.yaml").write_text(f"project: {project}\n" + SWEEP.format(name="here", values="[8]"))
    client.run(*COPIED, "sweep", "run", "here.yaml")
    kept = client.folder / "runs" / ".server" / "sweeps.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "gone": f"kag/{project}/gone"}))
    # Who has written a text that is no sweep any more is met by whoever lists the others.
    broken = client.sweep(SWEEP.format(name="third", values="[1]"), project)
    client.server.change("update sweeps set config = 'method: [' where name = :name", name=broken)

    said = client.run(*KAG, "sweep", "list")
    rows = [line.split() for line in said.splitlines()]
    assert rows[0] == ["sweep", "name", "method", "state", "trials", "best", "made"]
    assert rows[1][1:5] == ["here", "grid", "finished", "1/1"]
    assert float(rows[1][5]) == 2.0
    assert f"not on this server: kag/{project}/gone" in said
    whole = client.run(*KAG, "sweep", "list", f"kag/{project}")
    assert f"kag/{project}/{done}" in whole
    assert f"kag/{project}/{broken}: its config cannot be read" in whole


def test_what_is_no_project_is_said(client: Client) -> None:
    assert "names no project" in client.run(*KAG, "sweep", "list", "a/b/c", code=2)
    assert "no sweeps in kag/nothing_here" in client.run(*KAG, "sweep", "list", "kag/nothing_here")
    assert "no sweeps were made in runs" in client.run(*KAG, "sweep", "list")
