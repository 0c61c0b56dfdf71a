"""Names and notes come from anywhere: nothing in them is markup, a picture or a command of a terminal to kag."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import kag as package
from kag.track.folder import RunFolder
from kag.track.record import Failure, RunRecord, Status
from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag
from tests.cli.forked import BUILT

ODD = ("[red]x", ":100:", "wandb:smile:", "[/]", "[bold]y[/bold]", "[link=http://a.b]z", "[@click=app.bell]w", "end\\")
"""Markup, emoji and what closes them, to whoever reads them so."""
TEXT = " ".join(ODD)


def odd(number: int, name: str, **fields: Any) -> RunRecord:
    """A run of another program, every text of which is odd."""
    failure = Failure(error="ValueError", message=f"no {TEXT}", where=":100:")
    config = {"lr": number, ":100:": f"v{number} [red]x", "note": TEXT}
    texts: dict[str, Any] = {"change": TEXT, "tags": ODD, "group": ":100:", "sweep": "[/]:100:", "failure": failure}
    return run_record(number, name, status=Status.ABORTED, config=config, **texts, **fields)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from kag.cli import main as entry

    monkeypatch.setattr(entry, "app", BUILT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    row = {"epoch": 0.0, "loss": 0.5, "[red]x:100:": 0.25}
    runs = tmp_path / "[red]runs :100:"
    make_folder(runs, odd(0, "[red]x"), notes=f"I think {TEXT}", history=[row])
    make_folder(runs, odd(1, ":100:", parent="[red]x"), history=[row])
    return runs


PLAIN = {
    "runs list": ("[red]x", ":100:", "[bold]y[/bold]", "[/]", "end\\"),
    "runs show [red]x": (*ODD, "[red]x:100:", "ValueError"),
    "runs compare [red]x :100:": ("v0 [red]x", "v1 [red]x", ":100:"),
    "runs watch --json": (),
    "doctor [red]x": (),
    "note [red]x :100:[/]": ("[red]runs :100:",),
    "report [red]x :100: --out [red]:100:.html": ("wrote [red]:100:.html",),
}


@pytest.mark.parametrize("call", PLAIN)
def test_what_a_command_prints_is_what_there_is(kag: Kag, runs: Path, call: str) -> None:
    done = kag(*call.split(), "--runs", str(runs))
    assert done.code == 0, done.error
    for text in PLAIN[call]:
        assert text in done.out
    require_as_it_is(done.out)


MISTAKES = (
    "runs show [/]:100: --runs RUNS",
    "runs list --tag :100 --runs RUNS",
    "report --sweep :100:[/] --runs RUNS",
    "note [bold]nobody[/bold]:100: text --runs RUNS",
    "runs list [red]:100:",
    "runs [red]:100:",
    "runs list --[red]:100:",
    "train [red]:100:.yaml",
    "check [red]:100:.yaml",
    "data check [red]:100:.h5",
    "track --runs a -- [red]:100:",
    "changelog --source [red]:100:",
)


@pytest.mark.parametrize("call", MISTAKES)
def test_what_an_error_says_is_what_was_typed(kag: Kag, runs: Path, call: str) -> None:
    done = kag(*[str(runs) if word == "RUNS" else word for word in call.split()])
    assert done.code == 2
    assert ":100" in done.error
    require_as_it_is(done.error)


def test_a_line_of_a_file_is_no_picture(kag: Kag, runs: Path) -> None:
    folder = RunFolder.all(runs)[0]
    folder.history_file.write_text("\n".join(json.dumps({"epoch": epoch}) for epoch in range(98)) + "\n[red]\n{}\n")
    done = kag("runs", "show", "[red]x", "--runs", str(runs))
    assert done.code == 2
    assert f"{folder.history_file}:99:" in done.error


def require_as_it_is(printed: str) -> None:
    """Nothing of it became a picture, or went."""
    assert not re.search("[\N{HUNDRED POINTS SYMBOL}\N{SMILING FACE WITH OPEN MOUTH}]", printed)
    assert "\x1b" not in printed
    assert "Traceback" not in printed


DRAWING = {"Live", "Progress", "Status", "track"}
"""What of rich makes a console where it is given none."""


def test_there_is_one_kind_of_console() -> None:
    """`Terminal`; rich's own reads emoji, and so do the ones that rich makes where it is given none."""
    root = Path(package.__file__).parent
    for file in root.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        imports = [
            node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich.")
        ]
        imported = {name.name for node in imports for name in node.names}
        assert "Console" not in imported or file == root / "view" / "terminal.py"
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported & DRAWING:
                assert "console" in {word.arg for word in node.keywords}, f"{file}:{node.lineno}"
