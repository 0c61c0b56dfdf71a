"""An empty folder, a plain script, no account, key or variable: `kag track`, `kag sweep`, `kag page`, one server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kag.server.embedded import Embedded, embedded_server
from kag.server.store import all_rows
from kag.server.tables import lines, runs
from tests.copied import COPIED
from tests.e2e.tracking import PATIENCE, ROOT, Logged, until

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")

SCRIPT = """
import json, os, sys, time, wandb
from pathlib import Path

run = wandb.init(project="plain")
lr = run.config.get("lr", 0)
Path(f"words-{lr}.json").write_text(json.dumps([sys.argv[1:], os.environ.get("MARK")]))
Path(f"begun-{lr}").write_text(str(os.getppid()))
while lr == 2 and Path("slow").exists():
    time.sleep(0.05)
for epoch in range(3):
    run.log({"epoch": epoch, "val": {"loss": abs(lr - 2) + 1 / (epoch + 1)}})
if "fail" in sys.argv:
    sys.exit(5)
"""

GRID = """
program: t.py
project: plain
method: grid
parameters: {lr: {values: [1, 2, 3]}}
"""

MACROS = """
program: t.py
project: plain
method: random
run_cap: 1
metric: {name: val.loss}
parameters:
  lr: {value: 7}
  model: {parameters: {width: {values: [2]}}}
  quiet: {values: [true]}
command: ["${env}", "MARK=x${envvar:TOOL}", "${interpreter}", "${program}", "${args}", "--", "${args_no_hyphens}", "--",
  "${args_no_boolean_flags}", "--", "${args_json}", "--", "${args_json_file}"]
"""

BANDS = """
program: t.py
project: plain
method: bayes
run_cap: 2
metric: {name: val.loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 1}
parameters: {lr: {min: 10.0, max: 20.0}}
"""


class Folder:
    """Somebody's project, and what lies in the database of its server."""

    def __init__(self, path: Path, server: Embedded) -> None:
        self.path = path
        self.server = server
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB") and name != "NETRC"}
        home = str(path / "home")
        self.env = {**kept, **PATIENCE, "HOME": home, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOOL": "y"}

    def start(self, *words: str, kag: Sequence[str] = KAG) -> Logged:
        """Start `kag`."""
        return Logged([*kag, *words], self.path / f"{time.monotonic_ns()}.log", self.path, self.env)

    def sweep(self, text: str, *, kag: Sequence[str]) -> dict[str, Any]:
        """Run a sweep file to its end; the result."""
        file = self.path / "sweep.yaml"
        file.write_text(text)
        printed = self.start("sweep", str(file), "--json", kag=kag).ends()
        found: dict[str, Any] = json.loads(printed[printed.index("\n{\n") :])
        return found

    def runs(self) -> list[Any]:
        """Every run."""
        with closing(self.server.folder.store()) as store, store.read() as connection:
            return list(all_rows(connection, select(runs).order_by(runs.c.id)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The server of a folder. This process uses it, too, so that it need not start for every command."""
    path = tmp_path_factory.mktemp("project")
    with embedded_server(path / "runs" / ".server", now=time.time()) as made:
        yield made


@pytest.fixture(scope="module")
def folder(server: Embedded) -> Folder:
    """The folder, with a plain script in it."""
    path = server.folder.path.parents[1]
    (path / "t.py").write_text(SCRIPT)
    return Folder(path, server)


@pytest.mark.slow(15, "`kag track` needs no account, leaves no key, and hands on the exit code")
def test_a_program_is_tracked_and_its_exit_code_comes_back(folder: Folder) -> None:
    printed = folder.start("track", "--", "python", "t.py", "fail").ends(code=5)
    (address,) = re.findall(r"^  (http\S+)  failed$", printed, re.MULTILINE)
    (run,) = [run for run in folder.runs() if address.endswith(f"/kag/plain/runs/{run['name']}")]
    assert f"kag: tracking to {folder.server.url}, a server of kag's own in runs/.server" in printed
    assert "kag: 1 run logged meanwhile" in printed
    with closing(folder.server.folder.store()) as store, store.read() as connection:
        rows = connection.execute(select(lines.c.body).filter_by(run_id=run["id"], stream=0)).scalars().all()
    assert [json.loads(row)["epoch"] for row in rows] == [0, 1, 2]
    home = folder.path / "home"
    assert not (home / ".netrc").exists(), "no key is left anywhere"
    assert not (home / ".config" / "wandb" / "settings").exists()


@pytest.mark.slow(20, "a grid of any program survives a killed agent and Ctrl-C without W&B's agent")
def test_a_killed_agent_ctrl_c_and_a_second_call_finish_each_point_once(folder: Folder) -> None:
    """A grid without a metric has no best trial, and says so."""
    (folder.path / "slow").touch()
    (folder.path / "grid.yaml").write_text(GRID)
    sweep = partial(folder.start, "sweep", "grid.yaml", kag=COPIED)
    first = sweep("--agents", "2")
    begun = folder.path / "begun-2"
    until(lambda: begun.exists() and begun.read_text(), what="the second point")
    copied = int(begun.read_text())
    os.kill(parent_of(copied), signal.SIGKILL)
    until((folder.path / "begun-3").exists, what="the third point, by the other agent")
    os.killpg(first.pid, signal.SIGINT)
    assert "the same command continues the sweep" in first.ends(code=130)
    (folder.path / "slow").unlink()
    printed = sweep("--agents", "2").ends()
    assert "3 of 3 ended: 3 finished" in printed, printed
    assert "none: the sweep names no metric to judge by" in printed
    found = [(json.loads(run["config"])["lr"]["value"], run["state"]) for run in folder.runs() if run["sweep_id"]]
    assert sorted(lr for lr, state in found if state == "finished") == [1, 2, 3]
    assert {state for _, state in found} <= {"finished", "preempted"}
    assert "has been run to its end" in sweep().ends()


def parent_of(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().split()[3])


@pytest.mark.slow(25, "every macro of a sweep's command reaches a real program")
def test_every_macro_of_a_command_reaches_the_program(folder: Folder) -> None:
    result = folder.sweep(MACROS, kag=KAG)
    words, mark = json.loads((folder.path / "words-7.json").read_text())
    model = {"width": 2}
    *plain, kept = " ".join(words).rsplit(" -- ", 1)
    assert mark == "xy"
    assert plain == [
        f"--lr=7 --model={model} --quiet=True -- lr=7 model={model} quiet=True -- --lr=7 --model={model} --quiet -- "
        + json.dumps({"lr": 7, "model": model, "quiet": True})
    ]
    assert json.loads(Path(kept).read_text()) == {"lr": 7, "model": model, "quiet": True}
    best = result["best"]
    assert best["params"] == {"lr": 7, "model.width": 2, "quiet": True}
    assert (best["value"], best["spec"], result["epochs"]) == (pytest.approx(5 + 1 / 3), None, None)


@pytest.mark.slow(12, "bayes and hyperband judge a metric that lies in another one")
def test_bayes_with_hyperband_runs_to_its_end(folder: Folder) -> None:
    result = folder.sweep(BANDS, kag=COPIED)
    assert sum(result["trials"].values()) == 2
    assert set(result["trials"]) <= {"finished", "stopped"}
    assert 10.0 <= result["best"]["params"]["lr"] <= 20.0


@pytest.mark.slow(10, "the printed link opens the page once, in any client")
def test_the_page_opens_without_a_key(folder: Folder) -> None:
    page = folder.start("page")
    said = until(lambda: re.search(r"page: (\S+)", page.log.read_text()), what="the link")
    with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True) as browser:
        assert "Log out" in browser.get(said[1]).raise_for_status().text
        assert browser.get(said[1]).status_code == 403, "once"
    page.send_signal(signal.SIGINT)
    assert page.ends(code=0)


def test_a_folder_in_which_nothing_was_tracked_has_no_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [*KAG, "page"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert b"nothing has been tracked here yet" in done.stderr
