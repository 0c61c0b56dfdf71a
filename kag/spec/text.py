"""YAML as kag reads and writes it: YAML 1.2, safe types only, duplicate keys refused, every key with its line."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from kag.errors import SpecError
from kag.text import joined

DEEPEST = 32
"""Levels of nesting that are read; a spec has six."""
LARGEST = 100_000
"""Keys and values that are read, aliases counted as often as they are used."""

_COMMENT = re.compile(r"[ \t]+(#[^\s#].*)")
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


class Document(NamedTuple):
    """A YAML mapping as it was read."""

    tree: dict[str, Any]
    places: Places


@dataclass(frozen=True)
class Places:
    """What the plain tree no longer tells of its keys, which are dotted."""

    lines: dict[str, int] = field(default_factory=dict)
    """Key -> line, counted from 1."""
    empty: set[str] = field(default_factory=set)
    """Keys behind which nothing stands. The tree has None for them, as for `null`."""
    cut: dict[str, str] = field(default_factory=dict)
    """Key -> what looks like the rest of its text, but is a comment: `#` after a blank, and no blank after it."""


def read_yaml(path: Path) -> Document:
    """Read a YAML mapping.

    Raises:
        SpecError: the file is missing, is not UTF-8 text, is not YAML, repeats a key, grows without end, is no
            mapping of words, or holds half of a surrogate pair.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from error
    places, yaml = Places(), _yaml()
    try:
        _require_bounded(path, text)
        node = yaml.compose(io.StringIO(text))
        if isinstance(node, MappingNode):
            _locate(path, text, node, "", places)  # before merges are carried out, which takes them out of the nodes
        tree = None if node is None else yaml.constructor.construct_document(node)
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
    return Document(joined(tree), places)


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


def _locate(path: Path, text: str, node: Node, key: str, places: Places) -> None:
    """Note where the keys of a node stand, and what the tree would not tell of them."""
    if isinstance(node, MappingNode):
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.tag not in _WORD:
                named = f"the key {name.value}" if isinstance(name.value, str) else "a key"
                raise SpecError(f"{named} is not a word", where=f"{path}:{line}", remedy="put it in quotes")
            inner = f"{key}.{_whole(path, name)}".removeprefix(".")
            places.lines[inner] = line
            _locate(path, text, value, inner, places)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            places.lines[f"{key}.{index}"] = value.start_mark.line + 1
            _locate(path, text, value, f"{key}.{index}", places)
    elif isinstance(node, ScalarNode):
        value, comment = _whole(path, node), _COMMENT.match(text, node.end_mark.index)
        if not node.style and not value:
            places.empty.add(key)
        elif not node.style and comment:
            places.cut[key] = comment[1]


def _whole(path: Path, node: ScalarNode) -> str:
    try:
        return str(joined(node.value))
    except UnicodeError as error:
        where = f"{path}:{node.start_mark.line + 1}"
        remedy = "write the character itself, or both escapes of its pair"
        raise SpecError(f"holds half of a surrogate pair: {node.value!a}", where=where, remedy=remedy) from error


def yaml_text(tree: dict[str, Any]) -> str:
    """A tree of plain mappings and lists as YAML text, keys in the order given; `read_yaml` gives it back."""
    stream = io.StringIO()
    _yaml().dump(tree, stream)
    return stream.getvalue()
