"""Nothing but text reaches a terminal, and it is the same text: one room prints, and what it prints is printable."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
from rich.markup import escape
from rich.table import Table

import kag
from kag.text import printable
from kag.view.terminal import Terminal, echo

HOSTILE = "\x1b]0;title\x07\x1b[2K\x9b31m\x08\r\u202egnp.exe\u2066\x7f"
SEEN = r"\x1b]0;title\x07\x1b[2K\x9b31m\x08\r\u202egnp.exe\u2066\x7f"
PRINTING = {"print", "Console", "rich.print", "click.echo", "typer.echo", "typer.secho", "click.secho"}
WORDS = ["[bold]b[/bold]", ":smile: :100:", "ratio 1:100:1", "[/]", "[link=http://x]y[/link]"]
PACKAGE = Path(kag.__file__).parent


def shown(item: object, **options: object) -> str:
    terminal = Terminal(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    terminal.print(item, **options)  # type: ignore[arg-type]
    return str(terminal.file.getvalue())  # type: ignore[attr-defined]


def test_control_characters_are_shown_and_not_sent() -> None:
    table = Table(title=escape(HOSTILE))
    table.add_column(escape(HOSTILE))
    table.add_row(escape(HOSTILE))
    for text in (shown(escape(HOSTILE)), shown(table), shown(HOSTILE, markup=False)):
        assert SEEN in text
        assert all(letter.isprintable() or letter == "\n" for letter in text)


@pytest.mark.parametrize("word", WORDS)
def test_a_value_is_printed_as_it_is(word: str) -> None:
    assert shown(escape(word)).strip() == word
    table = Table("name", box=None)
    table.add_row(escape(word))
    assert shown(table).splitlines()[1].strip() == word


def test_lines_and_tabs_of_a_note_stay(capsys: pytest.CaptureFixture[str]) -> None:
    echo("one\n\ttwo\x1b[31m\u2028")
    assert capsys.readouterr().out == "one\n\ttwo\\u001b[31m\\u2028\n"
    assert printable("one\ntwo") == r"one\ntwo"


def test_json_means_the_same_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": HOSTILE, "note": "a\nb\t😀"}
    for text in (json.dumps(value, indent=2), json.dumps({"name": HOSTILE}, ensure_ascii=False)):
        echo(text)
        printed = capsys.readouterr().out
        assert all(letter.isprintable() or letter == "\n" for letter in printed)
        assert json.loads(printed) == json.loads(text)


def test_one_room_prints() -> None:
    """Another console, or another `echo`, would have to think of all this once more."""
    elsewhere = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "view" / "terminal.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING
    ]
    assert elsewhere == []
