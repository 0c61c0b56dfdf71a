"""Where the runs of a command go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kag.cli.tracking import tracked
from kag.track import wandb_private


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.wandb.ai", "W&B"),
        ("https://api.forge.coreweave.com", "W&B"),
        ("https://wandb.lab.example", "https://wandb.lab.example"),
        ("http://127.0.0.1:8080/kag", "http://127.0.0.1:8080/kag"),
    ],
)
def test_a_server_is_known_by_its_address_wherever_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, name: str
) -> None:
    """W&B's settings files name one, too; what was begun at one server is none of another's."""
    for variable in [one for one in os.environ if one.startswith("WANDB_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb_private, "base_url", lambda: url)
    with tracked(tmp_path) as tracking:
        assert tracking.name == name
        assert tracking.embedded is None
        assert url in tracking.said
