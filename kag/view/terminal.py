"""The terminal: what kag prints in colours and tables goes through `Terminal`, what it prints plain through `echo`.

Names, notes and findings come from anywhere. Both write their control characters as escapes, so that none moves a
cursor, sets a title or turns what follows; and a `:name:` in them is no picture.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from kag.text import json_text, printable, printable_json


class Terminal(Console):
    """A console of rich. Every text is made printable before its width counts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text with markup, as rich draws it."""
        return super().render_str(printable(text, lines=True), **options)

    def say(self, sentence: str) -> None:
        """Print a line as it is."""
        self.print(sentence, highlight=False, markup=False, soft_wrap=True)


def answer(value: Any) -> None:
    """Print the answer of a command with `--json`: JSON, and nothing else."""
    echo(json_text(value))


def echo(text: str | bytes, *, err: bool = False, nl: bool = True) -> None:
    """Print a text as it is; JSON means the same afterwards."""
    plain = text.decode() if isinstance(text, bytes) else text
    typer.echo(printable_json(plain), err=err, nl=nl)
