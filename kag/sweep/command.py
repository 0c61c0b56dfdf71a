"""The command of a sweep, as far as `kag train` gets to see it: base spec, overrides, forks."""

from __future__ import annotations

import itertools
from argparse import ArgumentParser
from pathlib import PurePath
from typing import NamedTuple

from kag.errors import SweepError
from kag.sweep.config import Sweep

OPTIONS = ("--runs", "--share", "--part-at", "--share-max")
"""Options of `kag train` that take a value."""


class TrainCommand(NamedTuple):
    """What every trial has in common."""

    spec: str
    """Path of the base spec, as written."""
    overrides: tuple[str, ...] = ()
    """`key=value` for all trials."""
    share: str | None = None
    """Folder of shared states, or None where trials do not fork."""
    part_at: tuple[int, ...] = ()


def trains(sweep: Sweep) -> bool:
    """Whether the command is `kag train`, however it is spelt; any other program is its author's business."""
    return _place_of_train(_words(sweep)) is not None


def with_runs(sweep: Sweep, runs: str) -> list[str]:
    """The command's words; where it is `kag train` and says no folder for its run folders, with this one.

    Args:
        runs: the folder that `kag sweep` or an agent was told.
    """
    words = _words(sweep)
    place = _place_of_train(words)
    if place is None or any(word.partition("=")[0] == "--runs" for word in words):
        return words
    return [*words[: place + 1], "--runs", runs, *words[place + 1 :]]


def _words(sweep: Sweep) -> list[str]:
    return [str(word) for word in sweep.command or ()]


def _place_of_train(words: list[str]) -> int | None:
    pairs = enumerate(itertools.pairwise(words), start=1)
    return next((place for place, (first, second) in pairs if second == "train" and is_kag(first)), None)


def is_kag(word: str) -> bool:
    """Whether a word of a command starts kag."""
    return PurePath(word).name == "kag" or "kag.cli.main" in word


def train_command(sweep: Sweep, where: str = "command") -> TrainCommand:
    """The command of a sweep.

    Raises:
        SweepError: it names no run spec, or several, or epochs that are no numbers.
    """
    words = _words(sweep)
    specs = [place for place, word in enumerate(words) if word.endswith((".yaml", ".yml")) and "=" not in word]
    if len(specs) != 1:
        remedy = "write [..., kag, train, SPEC.yaml, ..., ${args_no_hyphens}]"
        raise SweepError("the command must name one run spec", where=where, remedy=remedy)
    parser = ArgumentParser(allow_abbrev=False, add_help=False)
    for option in OPTIONS:
        parser.add_argument(option, nargs="?", default="", const="")
    options, rest = parser.parse_known_args(words[specs[0] + 1 :])
    epochs = [word.strip() for word in options.part_at.split(",") if word.strip()]
    if not all(word.isdigit() for word in epochs):
        raise SweepError(f"--part-at {options.part_at!r} is not a list of epochs", where=where)
    overrides = tuple(word for word in rest if "=" in word)
    return TrainCommand(words[specs[0]], overrides, options.share or None, tuple(int(word) for word in epochs))
