"""YAML as kag reads and writes it: YAML 1.2, safe types only, duplicate keys refused, every key with its line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from kag.errors import SpecError

DEEPEST = 32
"""Levels of nesting that are read; a spec has six."""
LARGEST = 100_000
"""Keys and values that are read, aliases counted as often as they are used."""

_WORD = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


class _Representer(SafeRepresenter):
    """Writes text that holds a line break or a control character in quotes, escaped: else some come back as spaces."""

    def represent_str(self, data: str) -> ScalarNode:
        """A string."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    return yaml


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a YAML mapping.

    Returns:
        The plain tree, and the line (counted from 1) of every dotted key.

    Raises:
        SpecError: the file is missing, is not UTF-8 text, is not YAML, repeats a key, grows without end, or is no
            mapping of words.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from error
    try:
        _require_bounded(path, text)
        tree = _yaml().load(text)
        node = _yaml().compose(io.StringIO(text))
    except DuplicateKeyError as error:
        raise _marked(path, error, "a key appears twice", "keep one of the two") from error
    except ConstructorError as error:
        raise _marked(path, error, f"not plain YAML: {error.problem}", "remove the tag, or rename the key") from error
    except MarkedYAMLError as error:
        raise _marked(path, error, f"not YAML: {error.problem}", "mind indentation, colons and quotes") from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(f"not YAML: holds the character {error.character:#x}", where=f"{path}:{line}") from error
    if not isinstance(tree, dict):
        raise SpecError(
            f"must be a mapping of keys to values, not {_kind(tree)}",
            where=str(path),
            remedy="begin with `name: ...` and `data: {file: ...}`",
        )
    return tree, _lines(path, node)


def _marked(path: Path, error: MarkedYAMLError, what: str, remedy: str) -> SpecError:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    return SpecError(what, where=f"{path}:{line}", remedy=remedy)


def _kind(value: Any) -> str:
    names = {type(None): "an empty file", list: "a list", str: "a text"}
    return names.get(type(value), f"a {type(value).__name__}")


def _require_bounded(path: Path, text: str) -> None:
    """Refuse what no walk over the tree would survive: deep nesting, an alias inside itself, aliases that multiply."""
    opened: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}
    nodes = 0
    for event in _yaml().parse(text):
        if isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = nodes - before
            continue
        where = f"{path}:{event.start_mark.line + 1}"
        if isinstance(event, AliasEvent) and any(anchor == event.anchor for anchor, _ in opened):
            raise SpecError(f"the alias *{event.anchor} stands inside what it names", where=where)
        if isinstance(event, CollectionStartEvent):
            opened.append((event.anchor, nodes))
        if isinstance(event, NodeEvent):
            size = sizes.get(event.anchor, 1) if isinstance(event, AliasEvent) else 1
            sizes.setdefault(event.anchor, size)
            nodes += size
        if len(opened) > DEEPEST:
            raise SpecError(f"is nested more than {DEEPEST} levels deep", where=where)
        if nodes > LARGEST:
            raise SpecError(f"holds more than {LARGEST:,} keys and values", where=where)


def _lines(path: Path, node: Node, prefix: str = "") -> dict[str, int]:
    lines: dict[str, int] = {}
    if isinstance(node, MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag not in _WORD:
                named = f"the key {key.value}" if isinstance(key.value, str) else "a key"
                raise SpecError(f"{named} is not a word", where=f"{path}:{line}", remedy="put it in quotes")
            lines[f"{prefix}{key.value}"] = line
            lines |= _lines(path, value, f"{prefix}{key.value}.")
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            lines[f"{prefix}{index}"] = value.start_mark.line + 1
            lines |= _lines(path, value, f"{prefix}{index}.")
    return lines


def yaml_text(tree: dict[str, Any]) -> str:
    """A tree of plain mappings and lists as YAML text, keys in the order given; `read_yaml` gives it back."""
    stream = io.StringIO()
    _yaml().dump(tree, stream)
    return stream.getvalue()
