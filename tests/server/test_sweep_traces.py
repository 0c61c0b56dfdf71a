"""What a server answered when each heartbeat read every trial is what it answers now."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.server.sweep_traces import CONFIGS, SEEDS, answers, recorded


@pytest.mark.parametrize(("name", "seed"), list(itertools.product(CONFIGS, SEEDS)))
def test_the_answers_are_those_of_the_server_that_read_all_trials(tmp_path: Path, name: str, seed: int) -> None:
    assert answers(tmp_path, name, seed) == recorded()[name][str(seed)]
