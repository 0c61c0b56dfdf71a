"""The page of a run leads to the log of its job."""

from __future__ import annotations

import json

from kag.track.mirrored import START_KEY
from kag.track.world import World
from tests.changelog.run_logs import run_record
from tests.page.conftest import Visitor


def test_the_page_names_the_log_as_text(visitor: Visitor) -> None:
    world = World(processes=1, job="77", node="n2", log="/home/a/<b>/slurm-77.log")
    for name, known in {"far": world, "near": World(processes=1)}.items():
        record = run_record(7, name, world=known)
        visitor.run(name, config=json.dumps({START_KEY: {"value": record.model_dump_json()}}))
    assert visitor.log_in().status_code == 303
    far, near = (visitor.browse(f"/kag/p/runs/{name}").text for name in ("far", "near"))
    assert "<dt>Log</dt><dd><code>/home/a/&lt;b&gt;/slurm-77.log</code></dd>" in far
    assert "job 77 on n2" in far
    assert "<dt>Log</dt>" not in near
