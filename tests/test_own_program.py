"""The page "Your own program" tells the truth: its script and its commands run, and the log is the one it shows."""

from __future__ import annotations

import doctest
import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from typer.testing import CliRunner

from kag.cli.main import app
from kag.server.embedded import embedded_server
from kag.stats.scores import Scores
from kag.track.record import RunRecord
from kag.track.scores_of_run import read_scores
from kag.track.source import RunSource, open_source
from kag.view import metric_names
from tests import warm
from tests.e2e.test_programs import PROGRAMS
from tests.e2e.tracking import PATIENCE
from tests.e2e.wandb_versions import NotFetched, packages_of
from tests.pages import ANY_PROGRAM, blocks
from tests.track.made_scores import same_scores

_HIDDEN = re.compile(r" <!--.*?-->|\d{4}-\d\d-\d\d – |\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
"""Marks, and the times at which somebody ran it."""


@pytest.mark.slow(15, "the script of the documentation has the log that is shown beside it")
def test_the_script_has_the_log_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = next(block.text for block in blocks(ANY_PROGRAM, "python"))
    (tmp_path / "lines.py").write_text(script)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = kept | PATIENCE | {"PATH": path, "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    monkeypatch.chdir(tmp_path)
    (commands,) = (block.text.splitlines() for block in blocks(ANY_PROGRAM, "sh"))
    tracked = warm.run([sys.executable, "-m", *commands[0].split()], cwd=tmp_path, env=env)
    assert tracked.returncode == 0, tracked.stderr
    for line in commands[1:]:
        done = CliRunner().invoke(app, line.split()[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    written = (tmp_path / "LOG.md").read_text().partition(" -->\n\n")[2].partition("\n\n<!-- kag:changelog:end")[0]
    assert _HIDDEN.sub("", written) in ANY_PROGRAM.read_text()
    (session,) = (block.text for block in blocks(ANY_PROGRAM, "pycon"))
    typed = doctest.DocTestParser().get_doctest(session, {}, "session", str(ANY_PROGRAM), None)
    said: list[str] = []
    assert (doctest.DocTestRunner().run(typed, out=said.append).failed, said) == (0, [])


@pytest.mark.slow(10, "scores that a script keeps come back from the server and from the disk")
def test_the_scores_that_the_example_keeps_are_read_from_the_server_and_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        packages = packages_of(PROGRAMS / "requirements.txt")
    except NotFetched as reason:
        pytest.skip(str(reason))
    _, *example = (block.text for block in blocks(ANY_PROGRAM, "python"))
    (tmp_path / "cells.py").write_text("\n\n".join(example))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    with embedded_server(tmp_path / "server", now=time.time()) as server:
        found = server.environment(kept)
        env = kept | PATIENCE | found | {"WANDB_SILENT": "true", "HOME": str(tmp_path), "PYTHONPATH": str(packages)}
        done = warm.run([sys.executable, "cells.py"], cwd=tmp_path, env=env, packages=packages)
        assert done.returncode == 0, done.stdout + done.stderr
        with monkeypatch.context() as patch:
            for name, value in found.items():
                patch.setenv(name, value)
            wandb.teardown()
            asked = scores_by_run(open_source("wandb:kag/cells"))
            wandb.teardown()
    on_disk = scores_by_run(open_source(f"offline:{tmp_path / 'wandb'}"))
    assert asked.keys() == on_disk.keys() == {"c-0.01", "c-1.0"}
    for name, (record, scores) in asked.items():
        assert same_scores(scores, on_disk[name][1])
        assert scores.draws["accuracy"].value == pytest.approx(record.metrics["val/accuracy"])
        assert scores.threshold == 0.5
    weak, strong = (scores for _, scores in asked.values())
    assert weak.examples_digest == strong.examples_digest
    assert weak.draws["auprc"].value != strong.draws["auprc"].value, "each run keeps its own"


def test_the_function_that_keeps_scores_writes_every_column(tmp_path: Path) -> None:
    _, helper, *_ = (block.text for block in blocks(ANY_PROGRAM, "python"))
    known: dict[str, Any] = {}
    exec(helper, known)
    saved: list[str] = []
    run = SimpleNamespace(dir=str(tmp_path), save=lambda file, **_: saved.append(file))
    score, label, group, cluster = [0.9, 0.2, 0.4, 0.7], [1, 0, 1, 0], [7, 7, 8, 9], ["a", "a", "b", "a"]
    known["save_scores"](run, "val", score, label, group=group, cluster=cluster)
    known["save_scores"](run, "test", score, label)
    whole, plain = (read_scores(Path(file).read_bytes(), file, "val", where="run a") for file in saved)
    assert (whole.groups, whole.group_N.tolist()) == (("7", "8", "9"), [0, 0, 1, 2])
    assert whole.cluster_G is not None
    assert whole.cluster_G.tolist() == [0, 1, 0]
    assert (plain.cluster_G, plain.groups, len(plain.value_N)) == (None, None, 4)


def scores_by_run(source: RunSource) -> dict[str, tuple[RunRecord, Scores]]:
    """Name -> record and scores on val, of every run."""
    found = {record.name: (record, source.scores(record.id, "val")) for record in source.records()}
    assert all(source.scores(record.id, "test") is None for record, _ in found.values())
    return {name: (record, scores) for name, (record, scores) in found.items() if scores is not None}


def test_every_name_that_the_page_has_for_an_example_tells_its_goal() -> None:
    for name in ("val/accuracy", "eval_loss", "validation_0-auc", "test/rmse"):
        assert f"`{name}`" in ANY_PROGRAM.read_text()
        assert metric_names.by_name(name)
