"""What an empty page tells its reader to do is done as printed, and works."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import ROOT, TrackingServer
from tests.page.conftest import Visitor


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


TRAIN = "kag train demo.yaml"
SHORTER = "sed -i 's/^epochs: 12$/epochs: 2/' demo.yaml && grep -qx 'epochs: 2' demo.yaml"
"""That a command works as printed takes none of the other epochs."""


@pytest.mark.slow(20, "the commands of empty pages, one after the other, against a server that has nothing")
def test_the_commands_of_empty_pages_work_as_printed(reader: Visitor, server: Any, tmp_path: Path) -> None:
    first = commands(reader.browse("/").text).replace("http://127.0.0.1", server.url, 1)
    assert TRAIN in first
    first = first.replace(TRAIN, f"{SHORTER}\n{TRAIN}")
    reader.as_client()
    reader.run(project="kag")
    then = commands(reader.browse("/kag/kag/sweeps").text)
    words = f"set -e\n{first}\n{then}".replace("WANDB_API_KEY=…", f"WANDB_API_KEY={server.key}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    around = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env = {**around, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    query = '{models(entityName: "kag"){edges{node{name runCount totalSweeps: sweeps{edges{node{name}}}}}}}'
    found = [edge["node"] for edge in server.graphql(query)["models"]["edges"]]
    assert sum(one["runCount"] for one in found) == 1, done.stdout
    assert sum(len(one["totalSweeps"]["edges"]) for one in found) == 1, done.stdout
