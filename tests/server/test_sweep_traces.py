"""What a server answered when each heartbeat read every trial is what it answers now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import needs
from tests.server.sweep_traces import CONFIGS, answers, recorded

ELSEWHERE = ("grid with hyperband", "grid with runs from before", "random with a target")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=needs("optuna", "5", "sampler like it") if "bayes" in name else ()) for name in CONFIGS],
)
def test_the_answers_are_those_of_the_server_that_read_all_trials(tmp_path: Path, name: str) -> None:
    for seed, told in recorded()[name].items():
        (tmp_path / seed).mkdir()
        assert answers(tmp_path / seed, name, int(seed)) == told


def test_postgresql_gives_the_same_answers(tmp_path: Path, new_postgres: Callable[[], str]) -> None:
    for name in ELSEWHERE:
        (tmp_path / name).mkdir()
        told = answers(tmp_path / name, name, 1, new_postgres())
        assert told == recorded()[name]["1"]
