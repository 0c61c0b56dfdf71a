"""The README tells the truth: its commands run, its snippets load, its paths exist, its table lists every command.

As a script (`python tests/test_readme.py`) it renews the table of commands.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import typer
from typer.testing import CliRunner

from kag.cli.main import app
from kag.spec import load_spec, preflight
from kag.spec.finding import Severity
from kag.spec.keys import known_keys
from kag.spec.text import yaml_text

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- commands -->\n", "<!-- /commands -->"

MODEL = {
    "hidden": [16, 8],
    "periodic": {"frequencies": 3, "sigma": 0.3, "width": 2},
    "attention": {"heads": 2, "layers": 1, "width": 8, "feedforward": 12},
}
"""What stands in for the demo's model."""


class Command(NamedTuple):
    words: list[str]
    refused: bool
    """Whether the README says that kag will refuse it."""


def blocks(*languages: str) -> list[str]:
    """Fenced blocks of the README in the order in which they stand."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands() -> list[Command]:
    """Every command line of the README: all lines of `sh` blocks, lines after `$` of `console` blocks."""
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    shown = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [Command(shlex.split(line, comments=True), "# refused" in line) for line in [*lines, *shown] if line]


def commands_table() -> str:
    """The table of commands, read off the commands themselves; a group is one row."""
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in getattr(typer.main.get_command(app), "commands", {}).items():
        first = " ".join((command.help or "").strip().split("\n\n")[0].split())
        lines.append(f"| {', '.join(f'`{path}`' for path in acting(command, name))} | {first} |")
    return "\n".join(lines) + "\n"


def acting(command: click.Command, path: str) -> Iterator[str]:
    """A command, and those inside it, by their words: each that does something itself."""
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield path
    for name, each in inner.items():
        yield from acting(each, f"{path} {name}")


def with_table(text: str) -> str:
    """The README with the table of now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest
    assert after
    return f"{before}{BEGIN}{commands_table()}{END}{after}"


def test_every_command_is_in_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_table(text), "python tests/test_readme.py renews the table"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds what the commands name: the specs, the demo's with a small model."""
    shutil.copytree(ROOT / "runs" / "specs", tmp_path / "runs" / "specs")
    demo = tmp_path / "runs" / "specs" / "demo.yaml"
    spec = load_spec(demo).model_dump(mode="json")
    demo.write_text(yaml_text({**spec, "model": {**spec["model"], **MODEL}, "track": {"mode": "disabled"}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_run_in_the_order_in_which_they_stand(place: Path) -> None:
    done = []
    for command in commands():
        program, *words = command.words
        assert program in ("kag", "make"), command
        if program == "make":
            subprocess.run(["make", "-n", *words], cwd=ROOT, check=True, capture_output=True)
            continue
        if words[:2] == ["data", "synth"]:
            words += ["--proteins", "12", "--points", "60", "--embedding", "16"]
        result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        refused = result.exception is not None and getattr(result.exception, "exit_code", None) == 2
        told = f"kag {' '.join(words)}: {result.output} {result.exception!r}"
        assert refused if command.refused else result.exit_code == 0, told
        done.append(words[0])
    assert {"train", "check", "eval", "runs", "data", "windows", "blend", "mine"} <= set(done)
    assert (place / "windows.png").is_file()


def test_what_is_refused_is_refused_in_these_words(place: Path) -> None:
    (block,) = blocks("console")
    line, *shown = block.splitlines()
    words = shlex.split(line[2:], comments=True)[1:]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    printed = f"{result.output}\nerror: {result.exception}"
    for text in shown:
        assert text == "..." or text in printed


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda text: text.split(":")[0])
def test_a_yaml_snippet_is_a_spec(block: str, tmp_path: Path) -> None:
    whole = block if block.startswith("name:") else f"name: part\ndata: {{file: demo.h5}}\n{block}"
    file = tmp_path / "snippet.yaml"
    file.write_text(whole)
    spec = load_spec(file)
    assert [finding for finding in preflight(spec) if finding.severity is Severity.ERROR] == []


def inline(pattern: str) -> list[str]:
    """Inline code of the README that matches."""
    prose = re.sub(r"^```.*?^```$", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [code for code in re.findall(r"`([^`\n]+)`", prose) if re.fullmatch(pattern, code)]


def test_every_path_that_is_named_exists() -> None:
    named = [*inline(r"(kag|tests|runs/specs|docker|sweeps|\.ci)/[\w./-]+"), "LICENSE"]
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_dotted_key_in_prose_is_one_of_the_spec() -> None:
    dotted = inline(r"(data|model|loss|swa|track|optimizer|trainer|start_from)\.[a-z_.]+(: [\w.]+)?")
    assert [code for code in dotted if code.split(":")[0] not in known_keys()] == []
    assert len(dotted) >= 5


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
