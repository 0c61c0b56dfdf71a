"""The command of a sweep of any program, as W&B's agent writes it: what is started, and which file that reads.

The words and macros are those of the client (`wandb/sdk/launch/sweeps/utils.py`, `wandb/wandb_agent.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kag.errors import SweepError
from kag.spec.load import problem_list
from kag.sweep.command import is_kag
from kag.sweep.config import Sweep
from kag.sweep.load import nearest

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
"""What an agent runs where a file has no command."""

ENV = "/usr/bin/env"
POINT = (
    "${args}",
    "${args_no_equals}",
    "${args_no_hyphens}",
    "${args_no_boolean_flags}",
    "${args_json}",
    "${args_json_file}",
    "${args_append_hydra}",
    "${args_override_hydra}",
)
"""Macros that the point takes the place of."""

_STARTING = ("-P", "-m", "-c")
"""Options of Python before its program that change nothing of what it does."""

_PYTHON = re.compile(r"python[\d.]*")
_MACRO = re.compile(r"\$\{[^}]*\}")
_VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


class Launch(NamedTuple):
    """What an agent would start."""

    executable: str | None
    """A path, or a name to look for on the PATH; None where `env` has options of its own."""
    program: str | None
    """A file that Python is given, which must be there; what others are given may be a module or a script of theirs."""


def launch(sweep: Sweep, environment: Mapping[str, str], where: str = "command") -> Launch:
    """What the agent would start for a point of a sweep.

    Raises:
        SweepError: neither command nor program is given, or the client does not know a macro.
    """
    words = [str(word) for word in sweep.command or DEFAULT]
    problems = list(_problems(sweep, words))
    if problems:
        raise SweepError(problem_list(problems), where=where)
    fixed = {"${env}": ENV, "${interpreter}": "python", "${program}": str(sweep.program)}
    words = [word for word in words if word not in POINT]
    texts = [fixed.get(word, _filled(word, environment)) for word in words]
    place = _executable(texts)
    reads = any(word == "${program}" and _reads_file(texts[:at]) for at, word in enumerate(words))
    return Launch(None if place is None else texts[place], sweep.program if reads else None)


def is_python(word: str) -> bool:
    """Whether a word names a Python interpreter."""
    return _PYTHON.fullmatch(word.rsplit("/", 1)[-1]) is not None


def plain_call(words: Sequence[str], interpreter: str) -> tuple[str, ...] | None:
    """The words of a call of kag from `train` on, where nothing stands before them but what starts kag.

    None for a call that somebody has wrapped: variables that `env` sets, another launcher, another Python.

    Args:
        words: as an agent would start them.
        interpreter: the Python of this process.
    """
    first = next((at for at, word in enumerate(words[:-1]) if is_kag(word) and words[at + 1] == "train"), None)
    if first is None:
        return None
    before = [word for word in words[:first] if word not in (ENV, interpreter, *_STARTING)]
    return None if before else tuple(words[first + 1 :])


def _reads_file(before: Sequence[str]) -> bool:
    return any(map(is_python, before)) and "-m" not in before


def _problems(sweep: Sweep, words: Sequence[str]) -> Iterator[str]:
    if not sweep.command and sweep.program is None:
        yield "neither `program` nor `command` is given: an agent would not know what to run"
    elif "${program}" in words and sweep.program is None:
        yield "command: has ${program}, but there is no `program`"
    known = ("${env}", "${interpreter}", "${program}", *POINT)
    for word in words:
        if _MACRO.fullmatch(word) and word not in known and not _VARIABLE.fullmatch(word):
            yield f"command: W&B's agent knows no {word} and would leave it out{nearest(word, known)}"


def _filled(word: str, environment: Mapping[str, str]) -> str:
    """A word with the variables that it names; the client writes the name of one that is not there."""
    return _VARIABLE.sub(lambda found: environment.get(found[1], found[1]), word)


def _executable(words: Sequence[str]) -> int | None:
    """Which word is started: the first one; behind `env` the first one that sets no variable."""
    first = 0 if words[:1] != [ENV] else next((at for at, word in enumerate(words) if at and "=" not in word), None)
    return None if first is None or first >= len(words) or words[first].startswith("-") else first
