"""The client still has what kag needs of it unasked, from the lowest version that is allowed to the installed one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.wandb_versions import NotFetched, lowest, python_with

KAG = Path(__file__).parents[2] / "kag"
PRIVATE = KAG / "track" / "wandb_private.py"
PROMISED = ("wandb", "wandb.errors")

CONTRACT = f"""
import runpy, wandb
from types import SimpleNamespace

client = SimpleNamespace(**runpy.run_path({str(PRIVATE)!r}))
assert client.base_url().startswith("https://")
assert all(issubclass(error, Exception) for error in (*client.LOST, *client.REFUSED, client.DecodeError))
record = client.Record(num=1)
fields = {{field.name: field for field in record.DESCRIPTOR.fields}}
assert {{"run", "config", "summary", "history", "exit"}} <= {{
    field.name for field in record.DESCRIPTOR.oneofs_by_name["record_type"].fields
}}
assert [fields[name].number for name in ("history", "summary")] == [2, 3], "offline.py skips these by their first byte"
for change in (record.run.config, record.config, record.summary):
    for part in (change.update, change.remove):
        item = part.add()
        item.key, item.value_json = "a", "1"
        item.nested_key.append("a")
record.history.item.add(key="a", value_json="1", nested_key=["a"])
record.environment.started_at.GetCurrentTime()
record.environment.writer_id, record.environment.git.commit, record.environment.host = "w", "c", "h"
assert {{"startedAt", "writerId", "git", "host"}} <= set(client.MessageToDict(record.environment)), "kag.track.client"
record.metric.glob_name, record.metric.goal, record.metric.summary.max = "a*", 2, True
assert [field.number for field, _ in record.metric.ListFields()] == [2, 7, 8], "kag.track.client"
assert [field.number for field, _ in record.metric.summary.ListFields()] == [2], "kag.track.client"
features = {{field.name: field.number for field in record.telemetry.feature.DESCRIPTOR.fields}}
assert [features[name] for name in ("resumed", "shared_mode", "rewind_mode")] == [5, 67, 72], "kag.track.client"
record.use_artifact.id, record.use_artifact.name, record.use_artifact.type = "i", "a:v0", "dataset"
assert (record.artifact.name, record.run.run_group, record.run.job_type, record.run.git.commit) == ("", "", "", "")
assert (record.run.branch_point.run, record.run.telemetry.cli_version, len(record.files.files)) == ("", "", 0)
record.run.start_time.GetCurrentTime()
assert (record.run.display_name, list(record.run.tags), record.run.notes, record.run.sweep_id) == ("", [], "", "")
record.exit.exit_code = 1
assert client.Record.FromString(record.SerializeToString()).WhichOneof("record_type") == "exit"
wandb.Settings(finish_timeout=1.0, finish_timeout_raises=False)
"""


def broken_contract(python: str | Path) -> str:
    """What is missing in the client of an interpreter, empty if nothing is."""
    done = subprocess.run([str(python), "-c", CONTRACT], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"wandb has moved what {PRIVATE} needs:\n{done.stderr}"


def test_the_installed_client_has_what_kag_needs() -> None:
    assert broken_contract(sys.executable) == ""


@pytest.mark.slow(15, "the lowest client that is allowed has what kag needs of it unasked")
def test_the_lowest_client_that_is_allowed_has_it() -> None:
    try:
        python = python_with(lowest())
    except NotFetched as reason:
        pytest.skip(str(reason))
    assert broken_contract(python) == ""


def test_a_client_without_it_is_told_by_name(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c \"import sys; sys.modules['wandb.sdk.mailbox'] = None\n$2\"\n"
    )
    bare.chmod(0o755)
    told = broken_contract(bare)
    assert "wandb_private.py needs" in told
    assert "import of wandb.sdk.mailbox halted" in told


def test_nothing_else_in_kag_uses_what_the_client_keeps_to_itself() -> None:
    found = {
        (str(file.relative_to(KAG)), module)
        for file in KAG.rglob("*.py")
        for module in imported(file)
        if module.split(".")[0] in ("wandb", "google") and module not in PROMISED
    }
    assert {file for file, _ in found} == {"track/wandb_private.py"}


def test_nor_by_another_way() -> None:
    """An attribute of the package, or a module that is imported from it by name."""
    inside = re.compile(r"wandb\.sdk|from wandb import .*\bsdk\b|wandb\.proto|from wandb import .*\bproto\b")
    files = (file for file in KAG.rglob("*.py") if inside.search(file.read_text(encoding="utf-8")))
    assert [str(file.relative_to(KAG)) for file in files] == ["track/wandb_private.py"]


def imported(file: Path) -> set[str]:
    """Modules that a file names in its imports, at the top or inside."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names} | {
        node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)
    }
