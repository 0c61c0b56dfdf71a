"""Every command explains itself, with an example that its own parser takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
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


ACTING = [name for name, command in EVERY.items() if acts(command)]


def test_every_command_says_what_it_does() -> None:
    for name, command in EVERY.items():
        first, *_ = (command.help or "").strip().splitlines() or [""]
        assert len(first) > 15, name
        assert first[0].isupper(), name


def test_every_command_gives_an_example_of_itself() -> None:
    for name in ACTING:
        assert [example for example in examples(EVERY[name]) if example.startswith(name)], name


def test_every_example_is_taken_by_the_parser() -> None:
    every = [example for command in EVERY.values() for example in examples(command)]
    refused = {}
    for example in every:
        try:
            taken(example)
        except click.ClickException as error:
            refused[example] = error.format_message()
    assert refused == {}
    assert len(every) > len(ACTING)


def taken(example: str) -> dict[str, Any]:
    """What the parser makes of an example; an error if it does not take it."""
    words = shlex.split(example.partition(">")[0])[1:]
    command, context = ROOT, click.Context(ROOT, info_name="kag")
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        context = click.Context(command, parent=context)
    assert acts(command), example
    return command.make_context(command.name, words, parent=context).params


def test_the_examples_of_a_help_use_one_database_and_one_folder_of_runs() -> None:
    for name, command in EVERY.items():
        given = list(map(taken, examples(command)))
        for option in ("db", "files", "runs"):
            assert len({str(words[option]) for words in given if option in words}) <= 1, (name, option)


def test_every_option_is_explained() -> None:
    options = [(name, parameter) for name, command in EVERY.items() for parameter in command.params]
    assert [(name, one.name) for name, one in options if not getattr(one, "help", None)] == []


WITHOUT_JSON = {
    "kag schema": "prints JSON and nothing else",
    "kag serve": "runs until it is stopped",
    "kag track": "prints what the program prints",
    "kag agent": "prints what its trials print",
    "kag page": "runs until it is stopped",
    "kag sweep next": "prints JSON and nothing else",
    "kag sweep manifest": "prints what kubectl takes",
}


def test_every_command_speaks_json() -> None:
    speaks = {name: any("--json" in parameter.opts for parameter in EVERY[name].params) for name in ACTING}
    assert {name for name, does in speaks.items() if not does} == set(WITHOUT_JSON)
