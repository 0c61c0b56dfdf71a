"""What Neptune's exporter does with a server of W&B's is done to one of kag's, twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import last_json

LOADER = str(Path(__file__).parent / "neptune_loader.py")
FILES = ["model_weights.bin:v0", "source_main.py:v0"]


@pytest.mark.slow(15, "a loader that was made for W&B finds its runs, forks, steps and files again")
def test_a_loader_made_for_wandb_loads_once(client: Any, project: str) -> None:
    first = last_json(client.run(sys.executable, LOADER, project))
    assert first["loaded"] == [True, True, True]
    assert first["seen"] == [
        ["RUN-1", "experiment", 0.1, [0, 500, 1000, 1500], FILES],
        ["RUN-2", "experiment", 0.1, [0, 500, 1000, 2000], FILES],
        ["RUN-1", "other", 0.1, [250], FILES],
    ]
    again = last_json(client.run(sys.executable, LOADER, project))
    assert again == {"loaded": [False, False, False], "seen": first["seen"]}
