"""What help calls the value of an option: `N`, `FILE`, `train|val`; a switch takes none, and so has no name there."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup, TyperOption

PLAIN = {
    "bool": "",
    "int": "N",
    "int range": "N",
    "float": "X",
    "float range": "X",
    "str": "TEXT",
    "path": "PATH",
    "file": "FILE",
    "dir": "DIR",
    "%Y-%m-%d": "YYYY-MM-DD",
}
"""What stands for a type, by Typer's word for it; choices are shown as they are."""


class PlainGroup(TyperGroup):
    """A group whose help, and that of all its commands, has plain words for values."""

    def get_params(self, ctx: Any) -> Any:
        """Its options, that of help included."""
        return [_named(one, ctx) for one in super().get_params(ctx)]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that words name."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _name_all(command, ctx)
        return name, command, rest


def _name_all(command: Any, parent: Any) -> None:
    # Its own context: a command keeps its option of help, and has it by the words that are its own.
    context = command.context_class(command, parent=parent, info_name=command.name, **command.context_settings)
    for one in command.get_params(context):
        _named(one, context)
    for inner in getattr(command, "commands", {}).values():
        _name_all(inner, context)


def _named(parameter: Any, context: Any) -> Any:
    if isinstance(parameter, TyperOption) and parameter.metavar is None:
        word = parameter.display_type(context).strip("<>")
        one = word.removeprefix("list[").removesuffix("]") if word.startswith("list[") else word
        parameter.metavar = PLAIN.get(one, one)
    return parameter
