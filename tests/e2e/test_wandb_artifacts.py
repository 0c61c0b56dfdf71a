"""Artifacts of unmodified clients whose ways differ: 0.22.3 syncs in Python and asks for the schema, the newest not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import last_json
from tests.e2e.wandb_versions import NotFetched, newest, python_of

FLOWS = Path(__file__).parent / "artifact_flows.py"


@pytest.mark.slow(20, "the client that syncs in Python and asks for the schema can log, link and delete artifacts")
@pytest.mark.parametrize("version", ["0.22.3", newest()])
def test_artifacts_go_on_are_made_together_linked_and_deleted(client: Any, project: str, version: str) -> None:
    try:
        python = python_of(version)
    except NotFetched as reason:
        pytest.skip(str(reason))
    printed = client.start(str(python), str(FLOWS), f"{project}-{version}").ends(seconds=300)
    found = last_json(printed)
    assert found["synced"] == [["run-offline-table:v0", 1], ["synced:v0", 1]]
    assert found["versions"] == {
        "draft": ["f.txt", "g.txt"],
        "incremental": ["f.txt", "g.txt", "h.txt"],
        "joint": ["part0.txt", "part1.txt"],
        "linked": ["v0", "v2", "shelf", ["f.txt", "g.txt", "h.txt"]],
        "registry": "refused",
        "after": [1],
    }
    kept = {"renamed": "for tests", "shelf": None, "synced": None}
    assert found["collections"] == {"refused": True, "latest": "v1", "found": kept}
