"""Reading a sweep file: all violations at once, each with line, dotted key and nearest known word.

The file is read as the client reads it (YAML 1.1): there `1e-4` is text, and a value that YAML 1.2 reads otherwise is
reported, since the run would get another type than the file seems to give.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kag.errors import SpecError, SweepError
from kag.spec.load import problem_list, sentence_of, shortened
from kag.spec.text import read_yaml
from kag.sweep.command import trains
from kag.sweep.config import FAMILIES, Controller, Hyperband, Metric, Nested, Sweep
from kag.sweep.distribution import Beta, Bounded, Constant, Normal, Weighted
from kag.text import joined


def parse_sweep(tree: Any, *, lines: Mapping[str, int] | None = None, title: str = "sweep") -> Sweep:
    """The sweep of a plain tree.

    Raises:
        SweepError: lists every violation with dotted key and nearest known key.
    """
    if not isinstance(tree, Mapping):
        raise SweepError("must be a mapping of keys to values", where=title)
    try:
        return Sweep.model_validate(tree)
    except ValidationError as error:
        problems = [_line(detail, lines or {}) for detail in error.errors()]
        raise SweepError(problem_list(problems), where=title) from None


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        SweepError: the file cannot be read, or breaks the schema; the text lists every violation.
    """
    try:
        strict_tree, places = read_yaml(path)
    except SpecError as error:
        remedy = "begin with `method: grid` and `parameters: ...`" if "mapping" in error.what else error.remedy
        raise SweepError(error.what, where=error.where, remedy=remedy) from error
    tree = client_tree(path)
    differing = list(_read_otherwise(strict_tree, tree, "", places.lines))
    misread = SweepError(problem_list(differing), where=str(path))
    try:
        sweep = parse_sweep(tree, lines=places.lines, title=str(path))
    except SweepError as error:
        raise misread if differing else error from None
    # Another program than kag's may read `1e-4` as it likes; W&B gives it that text.
    if differing and (trains(sweep) or not (sweep.command or sweep.program)):
        raise misread
    return sweep


def client_tree(path: Path) -> dict[str, Any]:
    """A sweep file that `read_sweep` has found sound, as W&B's own client reads it."""
    return dict(joined(yaml.safe_load(path.read_text(encoding="utf-8"))))


def _read_otherwise(modern: Any, client: Any, key: str, lines: Mapping[str, int]) -> Iterator[str]:
    if isinstance(modern, Mapping) and isinstance(client, Mapping):
        for name in modern:
            yield from _read_otherwise(modern[name], client.get(name), f"{key}.{name}".strip("."), lines)
    elif isinstance(modern, list) and isinstance(client, list) and len(modern) == len(client):
        for index, (ours, theirs) in enumerate(zip(modern, client, strict=True)):
            yield from _read_otherwise(ours, theirs, f"{key}.{index}", lines)
    elif modern != client or type(modern) is not type(client):
        where = f"line {lines[key]}: " if key in lines else ""
        yield (
            f"{where}{key}: W&B reads {client!r}, where {modern!r} seems to be meant; "
            "write a number with a dot (1.0e-4), and text in quotes"
        )


def _line(detail: ErrorDetails, lines: Mapping[str, int]) -> str:
    words = _words(detail["loc"])
    key = ".".join(words)
    where = f"line {lines[key]}: " if key in lines else ""
    unsaid = detail["type"] == "missing" or not key or isinstance(detail["input"], (Mapping, BaseModel))
    value = "" if unsaid else f" = {shortened(detail['input'])}"
    return f"{where}{key}{value}: {_sentence(detail, words)}".removeprefix(": ")


def _words(place: Sequence[str | int]) -> list[str]:
    """A place without what the types add to it: the family behind a parameter's name, and `[key]`."""
    words: list[str] = []
    for position, word in enumerate(place):
        tagged = position >= 2 and place[position - 2] == "parameters" and word in (*FAMILIES.values(), Nested.__name__)
        if not tagged and word != "[key]":
            words.append(str(word))
    return words


def _sentence(detail: ErrorDetails, words: list[str]) -> str:
    if detail["type"] == "missing":
        return "missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown key{nearest(words[-1], _known(words))}"
    if detail["type"] == "union_tag_invalid":
        name = str(detail["ctx"]["tag"]).removeprefix("no distribution ")
        return f"no distribution {name!r}{nearest(name, tuple(FAMILIES))}"
    if detail["type"] == "union_tag_not_found":
        return "needs `value`, `values`, `min` and `max`, or a `distribution`"
    custom = detail["type"] == "literal_error" and words[-1:] == ["method"] and detail["input"] == "custom"
    remark = "; a custom method needs its own scheduler process, which no kag command starts" if custom else ""
    return sentence_of(detail) + remark


def _known(words: list[str]) -> tuple[str, ...]:
    sections: dict[str, type[BaseModel]] = {"metric": Metric, "early_terminate": Hyperband, "controller": Controller}
    if len(words) == 1:
        return tuple(Sweep.model_fields)
    if words[0] in sections:
        return tuple(sections[words[0]].model_fields)
    kinds = (Constant, Weighted, Bounded, Normal, Beta, Nested)
    return tuple(field.alias or name for kind in kinds for name, field in kind.model_fields.items())


def nearest(word: str, known: tuple[str, ...], cutoff: float = 0.4) -> str:
    """The word that was probably meant, as the end of a sentence; empty if none is like it."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"; nearest known: {found[0]}" if found else ""
