"""A W&B project as a source: what its runs say of themselves."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from kag.track.mirror import known_runs
from kag.track.wandb_api import _mirrored
from kag.track.wandb_beside import Beside

ANSWER = {
    "id": "w1",
    "name": "fox",
    "created_at": "2025-10-20T17:19:10Z",
    "state": "finished",
    "heartbeat_at": "2025-10-20T17:20:10Z",
    "config": {"lr": 0.1},
    "group": None,
    "job_type": "",
    "commit": None,
    "summary_metrics": {"loss": 1.0},
    "tags": None,
    "notes": None,
    "sweep_name": None,
}


@pytest.mark.parametrize("start", ["", "yesterday", None, "0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00"])
def test_a_run_whose_start_is_no_time_is_named_and_the_others_are_there(start: str | None) -> None:
    answers = [
        SimpleNamespace(
            **ANSWER,
        ),
        SimpleNamespace(**{**ANSWER, "id": "w2", "created_at": start}),
    ]
    found = known_runs([partial(_mirrored, answer, Beside(), {}) for answer in answers], lambda _: [], lambda *_: None)
    assert list(found.runs) == ["2025-10-20_17-19-10_fox"]
    (broken,) = found.broken
    assert str(broken).startswith("W&B run w2: ")
    assert "start" in str(broken)
