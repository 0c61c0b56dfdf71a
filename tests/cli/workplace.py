"""A folder with one of everything that a command of kag reads: made once, copied for each test."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from kag.spec import build_spec, spec_text
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.changelog.run_logs import make_folder, run_record
from tests.scored_runs import write_scored
from tests.train.conftest import TINY

LOG = """| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |
|---|---|---|---|---|
| 2025-10-01_00-00-00_october | lower rate | `a.py` | 0.3 | 0.4 |
"""
SWEEP = """name: any
method: grid
project: any
metric: {name: loss, goal: minimize}
parameters: {lr: {values: [0.1]}}
command: ["true"]
"""
HEAVY = (
    *("alembic.command", "lightning", "matplotlib.figure", "scipy.stats", "wandb"),
    *("kag.cli.main", "kag.server.app", "kag.train.estimate", "kag.train.fit", "kag.weights.evaluate_file"),
)


def make_workplace(place: Path, data: Path) -> None:
    """Data, a spec, a run that keeps its epochs, plain ones, some with scores, a log, a sweep, a database."""
    shutil.copy(data, place / "sites.h5")
    settings = {"data.file": "sites.h5", "epochs": 2, "swa.start": 0, "swa.window": 2, "swa.keep_sums": True}
    (place / "spec.yaml").write_text(spec_text(build_spec(TINY, settings)))
    spec = build_spec(TINY, settings | {"data.file": str(place / "sites.h5")})
    record = fit(spec, runs=place / "runs", console=RunConsole(quiet=True))
    folder = RunFolder(place / "runs" / "2025-10-21_00-00-00_tiny")
    RunFolder(place / "runs" / record.id).path.rename(folder.path)
    folder.write_record(record.model_copy(update={"id": folder.id, "start": datetime(2025, 10, 21, tzinfo=UTC)}))
    for number, name in enumerate(("plain", "other")):
        make_folder(place / "plain", run_record(number, name), history=[{"epoch": 0.0, "val/auprc": 0.2}])
    write_scored(place / "scored")
    (place / "log.md").write_text(LOG)
    (place / "sweep.yaml").write_text(SWEEP)
    _serve(place)


def _serve(place: Path) -> None:
    from kag.server.audit import note
    from kag.server.backup import back_up
    from kag.server.blob_folder import BlobFolder
    from kag.server.keys import new_key
    from kag.server.rights import Role, Thing
    from kag.server.store import Store, inserted
    from kag.server.tables import projects

    files = place / "server" / "files"
    files.mkdir(parents=True)
    with closing(Store(f"sqlite:///{place}/server/tracking.db", make=True)) as store:
        with store.write() as connection:
            new_key(connection, "laptop", now=0.0, role=Role.ADMIN)
            inserted(connection, projects, {"entity": "kag", "name": "gone", "created_at": 0.0})
            note(connection, "laptop", "deleteRun", Thing("the run 1", ("kag", "gone")), now=0.0)
        back_up(store, BlobFolder(files), place / "backup")


def load_all() -> None:
    """Load what commands load by themselves, so that a forked child need not."""
    for module in HEAVY:
        import_module(module)
