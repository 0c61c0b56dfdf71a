"""The shipped sweep over averaging windows under `wandb sweep` and two plain `wandb agent` processes.

Four of its twenty points are trained: both starts, the shortest and the longest window. What all twenty would share is
foretold by the same plan that the four are held against.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kag.cli.sweep_result import changed_files, patch_digests
from kag.spec import load_spec
from kag.sweep import read_sweep
from kag.sweep.command import train_command
from kag.sweep.plan import Plan, plan
from kag.track.folders import FolderSource

ROOT = Path(__file__).parents[2]
SWEEP = Path("sweeps/swa_window.yaml")
KAG = "from kag.cli.main import main; main()"

QUERY = """
query($s: String!) { project(name: "kag") { sweep(sweepName: $s) {
  state runs { edges { node { name state config } } }
} } }
"""


def planned(sweep: Path) -> Plan:
    """What `kag check` foretells of a sweep file that lies where it is shipped."""
    found = read_sweep(sweep)
    command = train_command(found)
    return plan(found, load_spec(sweep.parents[1] / command.spec, command.overrides), command)


@pytest.fixture
def workplace(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The sweep and its base spec as they are shipped, beside data: synthetic, or with KAG_SWEEP_REAL the real file."""
    for path in (SWEEP, Path("runs/specs/demo.yaml")):
        (tmp_path / path.parent).mkdir(parents=True)
        shutil.copy(ROOT / path, tmp_path / path)
    data = tmp_path / "runs" / "specs" / "demo.h5"
    if os.environ.get("KAG_SWEEP_REAL"):
        data.symlink_to(request.getfixturevalue("real_file"))
    else:
        from kag.data.synth import synthesise

        synthesise(data, proteins=6, points_per_protein=60, embedding=16)
    text, values = (tmp_path / SWEEP).read_text(), ("[1, 2, 3, 4, 5]", "[1.0e-4, 2.0e-4]")
    assert all(found in text for found in values)
    (tmp_path / SWEEP).write_text(text.replace(values[0], "[1, 5]").replace(values[1], "[2.0e-4]"))
    (tmp_path / ".gitignore").write_text("/*\n!/runs\n!/sweeps\n*.h5\n")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "sweep")):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow(40, "the shipped sweep shares what its points have in common, as foretold")
def test_two_agents_train_each_point_once_and_share_what_points_have_in_common(
    make_client: Callable[..., Any], workplace: Path
) -> None:
    client = make_client("sqlite", "--strict")
    assert client.folder == workplace
    printed = client.wandb("sweep", str(SWEEP))
    sweep = next(line for line in printed.splitlines() if "wandb agent" in line).split()[-1].rsplit("/", 1)[-1]
    agents = [client.agent(sweep, "kag", OMP_NUM_THREADS="1") for _ in range(2)]
    for agent in agents:
        agent.ends(seconds=1500)

    found = client.server.graphql(QUERY, s=sweep)["project"]["sweep"]
    runs = [edge["node"] for edge in found["runs"]["edges"]]
    assert (found["state"], {run["state"] for run in runs}) == ("FINISHED", {"finished"})
    keys = ("swa.start", "swa.window")
    points = [tuple(json.loads(run["config"])[key]["value"] for key in keys) for run in runs]
    assert sorted(points) == [(5, 1), (5, 5), (7, 1), (7, 5)]

    records, broken = FolderSource(workplace / "runs").readable()
    assert (len(records), broken) == (4, [])
    assert {record.sweep for record in records} == {sweep}
    separate = sum(record.epochs_trained for record in records)
    trained = separate - sum(record.epochs_inherited for record in records)
    foretold = planned(workplace / SWEEP)
    assert (trained, separate) == (foretold.epochs_forked, foretold.epochs), "as `kag check` says beforehand"
    shipped = planned(ROOT / SWEEP)
    assert shipped.trials == 20
    assert shipped.epochs is not None
    assert shipped.epochs_forked is not None
    assert shipped.epochs_forked <= 0.25 * shipped.epochs, shipped

    assert {record.git.dirty for record in records if record.git is not None} == {False}
    assert changed_files(records, patch_digests(records, workplace / "runs")) == ()

    client.run(sys.executable, "-c", KAG, "changelog", "--source", "runs", "--write", "LOG.md")
    rows = [line for line in (workplace / "LOG.md").read_text().splitlines() if f"`{sweep}`" in line]
    assert len(rows) == 1
    assert f"best of 4 trials of sweep `{sweep}`" in rows[0]
