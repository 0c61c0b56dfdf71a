"""Every command explains itself, with an example that its own parser takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
import pytest
import typer

from kag.cli.main import app

ROOT = typer.main.get_command(app)
ROOT.name = "kag"


def commands(command: click.Command, path: tuple[str, ...] = ("kag",)) -> Iterator[tuple[str, click.Command]]:
    """Every command and group by its words."""
    yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


EVERY = dict(commands(ROOT))


def examples(command: click.Command) -> list[str]:
    """Lines of `kag ...` in the help, and commands of `kag ...` in the epilog."""
    text = f"{command.help or ''}\n{command.epilog or ''}"
    if "Example" not in text and "Begin with" not in text:
        return []
    found = re.findall(
        r"(?:^\s*|Examples?:\s*|\|\s*|, then\s*|Begin with:\s*)(kag [^|\n]*?)(?=\s*(?:\||\n|$|, then))", text, re.M
    )
    return [example.strip().strip("`") for example in found]


def acts(command: click.Command) -> bool:
    """Whether it does something itself, rather than only hold sub-commands."""
    return not hasattr(command, "commands") or bool(getattr(command, "invoke_without_command", False))


@pytest.mark.parametrize("name", EVERY)
def test_a_command_says_what_it_does(name: str) -> None:
    first, *_ = (EVERY[name].help or "").strip().splitlines() or [""]
    assert len(first) > 15
    assert first[0].isupper()


@pytest.mark.parametrize("name", [name for name, command in EVERY.items() if acts(command)])
def test_a_command_gives_an_example_of_itself(name: str) -> None:
    assert [example for example in examples(EVERY[name]) if example.startswith(name)]


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, command in EVERY.items() for example in examples(command)]
)
def test_an_example_is_taken_by_the_parser(name: str, example: str) -> None:
    taken(example)


def taken(example: str) -> dict[str, Any]:
    """What the parser makes of an example; an error if it does not take it."""
    words = shlex.split(example.partition(">")[0])[1:]
    command, context = ROOT, click.Context(ROOT, info_name="kag")
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        context = click.Context(command, parent=context)
    assert acts(command), example
    return command.make_context(command.name, words, parent=context).params


@pytest.mark.parametrize("name", EVERY)
def test_the_examples_of_a_help_use_one_database_and_one_folder_of_runs(name: str) -> None:
    for option in ("db", "files", "runs"):
        used = {str(words[option]) for words in map(taken, examples(EVERY[name])) if option in words}
        assert len(used) <= 1, option


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_explained(name: str) -> None:
    silent = [parameter.name for parameter in EVERY[name].params if not getattr(parameter, "help", None)]
    assert silent == []


WITHOUT_JSON = {
    "kag schema": "prints JSON and nothing else",
    "kag serve": "runs until it is stopped",
    "kag track": "prints what the program prints",
    "kag agent": "prints what its trials print",
    "kag page": "runs until it is stopped",
}


@pytest.mark.parametrize("name", [name for name, command in EVERY.items() if acts(command)])
def test_every_command_speaks_json(name: str) -> None:
    options = {word for parameter in EVERY[name].params for word in parameter.opts}
    assert ("--json" in options) != (name in WITHOUT_JSON)
