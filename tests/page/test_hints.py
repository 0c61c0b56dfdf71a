"""What an empty page tells its reader to do is done as printed, and works."""

from __future__ import annotations

import html
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import ROOT, TrackingServer
from tests.page.conftest import Visitor
from tests.pages import Block
from tests.printed import Shell


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A server that nobody has logged to."""
    made: Any = TrackingServer(tmp_path, f"sqlite:///{tmp_path / 'tracking.db'}")
    made.start()
    yield made
    made.kill(15)


def commands(page: str) -> str:
    """The commands of a page, as somebody copies them."""
    found = re.findall(r'<pre class="command">(.*?)</pre>', page, re.DOTALL)
    assert found, page
    return html.unescape("\n".join(found))


@pytest.mark.slow(15, "the commands of empty pages, one after the other, against a server that has nothing")
def test_the_commands_of_empty_pages_work_as_printed(reader: Visitor, server: Any, tmp_path: Path) -> None:
    first = commands(reader.browse("/").text).replace("http://127.0.0.1", server.url, 1)
    reader.as_client()
    reader.run(project="kag")
    then = commands(reader.browse("/kag/kag/sweeps").text)
    exported, *lines = f"{first}\n{then}".replace("WANDB_API_KEY=…", f"WANDB_API_KEY={server.key}").splitlines()
    shell = Shell(tmp_path, environment(tmp_path, exported), {})
    for line in lines:
        shell.run(Block("sh", line))
        if line.startswith("kag init"):
            shorten(shell.where / "demo.yaml")
    query = '{models(entityName: "kag"){edges{node{name runCount totalSweeps: sweeps{edges{node{name}}}}}}}'
    found = [edge["node"] for edge in server.graphql(query)["models"]["edges"]]
    assert sum(one["runCount"] for one in found) == 1, shell.printed
    assert sum(len(one["totalSweeps"]["edges"]) for one in found) == 1, shell.printed


def environment(home: Path, exported: str) -> dict[str, str]:
    """What the shell of somebody knows in whose home nothing is, and what a command exports."""
    (home / ".git").mkdir()  # where the shell notes where it is
    command, *variables = shlex.split(exported)
    assert command == "export"
    around = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "OMP_NUM_THREADS": "1"}
    return {**around, **fixed, **dict(one.split("=", 1) for one in variables)}


def shorten(spec: Path) -> None:
    """Let a spec train two epochs: none of the others tells more of the commands."""
    text = spec.read_text()
    assert "\nepochs: 12\n" in text
    spec.write_text(text.replace("\nepochs: 12\n", "\nepochs: 2\n"))
