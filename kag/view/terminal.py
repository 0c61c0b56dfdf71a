"""The terminal: what kag prints in colours and tables goes through `Terminal`, what it prints plain through `echo`.

Names, notes and findings come from anywhere. Both write their control characters as escapes, so that none moves a
cursor, sets a title or turns what follows; and a `:name:` in them is no picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from kag.errors import OutputRefused
from kag.text import json_text, printable, printable_json
from kag.track.atomic import refused_by_system


class Terminal(Console):
    """A console of rich; kag makes no other. Every text is made printable before its width counts.

    Whatever prints may raise `StorageError`: the stream takes no more.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text with markup, as rich draws it."""
        return super().render_str(printable(text, lines=True), **options)

    def __exit__(self, *raised: Any) -> None:
        """Write what was printed inside a block; rich makes one around everything that it prints."""
        with _streaming(self.stderr):
            super().__exit__(*raised)

    def say(self, sentence: str) -> None:
        """Print a line as it is."""
        self.print(sentence, highlight=False, markup=False, soft_wrap=True)


def answer(value: Any) -> None:
    """Print the answer of a command with `--json`: JSON, and nothing else."""
    echo(json_text(value))


def echo(text: str | bytes, *, err: bool = False, nl: bool = True) -> None:
    """Print a text as it is; JSON means the same afterwards.

    Raises:
        OutputRefused: the stream takes no more.
    """
    plain = text.decode() if isinstance(text, bytes) else text
    with _streaming(err):
        typer.echo(printable_json(plain), err=err, nl=nl)


@contextmanager
def _streaming(err: bool) -> Iterator[None]:
    """Around what writes to a stream. A reader that has left is no error: it goes on as `BrokenPipeError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        refused = refused_by_system(Path("standard error" if err else "standard output"), error)
        raise OutputRefused(refused.what, where=refused.where, remedy="send it to a place that takes it") from error
