"""The page for people who come from other trackers: what it prints is run as printed."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest

from tests.copied import COPIED
from tests.e2e.tracking import Client, TrackingServer
from tests.printed import PLAIN
from tests.transfer.test_stored import file_store

PAGE = Path(__file__).parents[2] / "kag" / "transfer" / "README.md"
SCRIPT = (
    "import wandb\nwith wandb.init(entity='my-team', project='my-project', id='first') as run:\n    run.log({'x': 1})\n"
)


@pytest.mark.slow(15, "a newcomer's first commands do what the page says")
def test_commands_run_as_printed(server: TrackingServer, tmp_path: Path) -> None:
    client = Client(server, tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    file_store(tmp_path)
    printed = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    commands = [line for block in printed for line in block.splitlines()]
    assert len(commands) == 6
    assert all(map(PLAIN.match, commands))
    for command in commands:
        if command.startswith("kag import tensorboard"):
            continue  # of an extra: see tests/transfer
        told = client.run(*COPIED, *shlex.split(command)[1:])
        if command.startswith("kag import"):
            assert "1 run: 1 new" in told
    with (tmp_path / "tables" / "history.csv").open(newline="") as file:
        assert [row["value"] for row in csv.DictReader(file) if row["key"] == "x"] == ["1.0"]
