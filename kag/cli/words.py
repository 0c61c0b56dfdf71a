"""The words of a command line: the spec file, its overrides, options that were misspelt, and splits."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand

from kag.errors import KagError, UserError
from kag.names import ALL, SPLITS, Part, Split
from kag.view.terminal import echo

HELP = {"help_option_names": ["-h", "--help"]}
"""Help is a letter away, for every command."""

WITH_OVERRIDES = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Lets `--a.b=c`, as `wandb agent` writes overrides, pass through to the list of words."""


Clusters = Annotated[
    Path | None, typer.Option(help="CSV file of which proteins belong together, as data.clusters of a spec.")
]


class TakesOverrides(TyperCommand):
    """A command with overrides. Of letters behind one dash, as in `-epochs=3`, none asks for help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words; the word `-h` is help."""
        return super().parse_args(ctx, ["--help" if word == "-h" else word for word in args])


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Tell the spec file from the overrides: the first word, unless it is an override."""
    if words and "=" not in words[0] and not words[0].startswith(("{", "-")):
        return Path(words[0]), list(words[1:])
    return None, list(words)


def known_splits(words: Sequence[str]) -> list[Split]:
    """The splits that the words name.

    Raises:
        UserError: there is no such split.
    """
    return cast(list[Split], _known(words, SPLITS))


def known_parts(words: Sequence[str]) -> list[Part]:
    """The same, where `all` rows of a file may be meant, too.

    Raises:
        UserError: there is no such split.
    """
    return cast(list[Part], _known(words, (*SPLITS, ALL)))


def _known(words: Sequence[str], known: Sequence[str]) -> list[str]:
    for word in words:
        if word not in known:
            raise UserError(f"there is no split {word!r}", nearest=", ".join(known))
    return list(words)


def name_left_out(broken: Iterable[KagError]) -> None:
    """Tell what could not be read, and that the rest was."""
    for error in broken:
        echo(f"left out: {error}", err=True)


def options_of(context: typer.Context) -> list[str]:
    """Every option of the command that runs."""
    names = [name for option in context.command.get_params(context) for name in option.opts + option.secondary_opts]
    return [name for name in names if name.startswith("-")]


def command_line(context: typer.Context, **changed: Any) -> str:
    """The command that runs, as it can be pasted into a shell: what was given, and what is left to be so.

    Args:
        changed: values of other parameters than were given, by name.
    """
    words = ["kag", *context.command_path.split()[1:]]
    for option in context.command.params:
        value = changed.get(str(option.name), context.params.get(str(option.name)))
        if not value or value == option.default:
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words += [option.opts[0]] if one is True else [option.opts[0], _as_typed(one)]
    return shlex.join(words)


def _as_typed(value: object) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value)


def refuse_unknown_options(words: Sequence[str], options: Sequence[str]) -> None:
    """Words that look like options are overrides with a value, or mistakes.

    Raises:
        UserError: names the nearest option, or says how the key is set.
    """
    from kag.spec.keys import known_keys

    for word in words:
        name, sign, _ = word.partition("=")
        key = name.removeprefix("--")
        if not name.startswith("-") or (sign and name.startswith("--") and ("." in key or key in known_keys())):
            continue
        if key in known_keys():
            raise UserError(f"the override {word} has no value", remedy=f"write {key}=VALUE or --{key}=VALUE")
        nearest = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
        if nearest or not sign or not name.startswith("--"):
            raise UserError(
                f"there is no option {name}",
                nearest=nearest[0] if nearest else None,
                remedy="--help lists the options; a key of the spec is set by key=value",
            )
