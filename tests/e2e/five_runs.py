"""Programs of other people, five runs each: on a server, and in the files that the client leaves on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wandb
from sqlalchemy import select

from kag.server.context import Patience
from kag.server.embedded import Embedded
from kag.server.page.held import Project
from kag.server.page.records import Ledger, history
from kag.server.tables import projects
from kag.track.record import RunRecord
from kag.track.rows import steps
from kag.track.source import RunSource, open_source
from tests import warm
from tests.e2e.tracking import PATIENCE, last_json

PROGRAMS = Path(__file__).parent / "programs" / "five"
ENTITY = "kag"


@dataclass(frozen=True)
class FiveRuns:
    """The runs of one program."""

    folder: Path
    """A git repository in which it ran."""
    project: str
    server: Embedded
    said: Any
    """What it printed last: its own words of what it has logged, by the name of the run."""

    @property
    def api(self) -> str:
        """The word for the project on the server; read it inside `reading`."""
        return f"wandb:{ENTITY}/{self.project}"

    @property
    def offline(self) -> str:
        """The word for the files that the client has left."""
        return f"offline:{self.folder / 'wandb'}"

    def page(self) -> list[tuple[RunRecord, list[dict[str, float]]]]:
        """What the page of the server makes of the runs: records and histories."""
        with closing(self.server.folder.store()) as store, store.read() as connection:
            number = connection.execute(select(projects.c.id).filter_by(name=self.project)).scalar_one()
            ledger = Ledger.of(Project(number, Patience(0.0, 3600.0)).known(connection, now=time.time()).runs)
            return [(record, steps(history(connection, ledger.runs[run]))) for run, record in ledger.records.items()]

    @contextmanager
    def reading(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, RunSource]]:
        """Both sources, with an environment in which the first of them finds its server."""
        with monkeypatch.context() as patch:
            for name, value in self.server.environment(os.environ).items():
                patch.setenv(name, value)
            wandb.teardown()
            yield {"api": open_source(self.api), "offline": open_source(self.offline)}
        wandb.teardown()


def make_five_runs(name: str, folder: Path, server: Embedded, packages: Path) -> FiveRuns:
    """Run a program in a repository of its own against a server.

    Args:
        name: of its file, without the suffix.
        folder: is made.
        server: to which it logs, in a project that is called like the program.
        packages: what it imports, beside what kag itself needs.
    """
    folder.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "GIT_"))}
    somebody = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    project = f"five-{name.replace('_', '-')}"
    mine = {"HOME": str(folder), "WANDB_PROJECT": project, "WANDB_SILENT": "true", "WANDB_DIR": str(folder)}
    env = {**kept, **somebody, **PATIENCE, **server.environment(kept), **mine, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = str(packages)
    (folder / ".gitignore").write_text("*\n!/model.py\n!/.gitignore\n")
    (folder / "model.py").write_text("width = 8\n")
    for words in (
        ("init", "--quiet"),
        ("remote", "add", "origin", "https://example.org/somebody/lines.git"),
        ("add", "."),
        ("commit", "--quiet", "--message", "first"),
    ):
        subprocess.run(["git", *words], cwd=folder, env=env, check=True)
    words = [sys.executable, str(PROGRAMS / f"{name}.py")]
    done = warm.run(words, cwd=folder, env=env, timeout=900, packages=packages)
    assert done.returncode == 0, done.stdout + done.stderr
    return FiveRuns(folder, project, server, last_json(done.stdout))
