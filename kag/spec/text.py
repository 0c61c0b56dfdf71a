"""YAML as kag reads and writes it: YAML 1.2, safe types only, duplicate keys refused, every key with its line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from kag.errors import SpecError


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    return yaml


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a YAML mapping.

    Returns:
        The plain tree, and the line (counted from 1) of every dotted key.

    Raises:
        SpecError: the file is missing, is not UTF-8 text, is not YAML, repeats a key, or is no mapping of words.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from error
    try:
        tree = _yaml().load(text)
        node = _yaml().compose(io.StringIO(text))
    except DuplicateKeyError as error:
        raise _marked(path, error, "a key appears twice", "keep one of the two") from error
    except MarkedYAMLError as error:
        raise _marked(path, error, f"not YAML: {error.problem}", "mind indentation, colons and quotes") from error
    except YAMLError as error:
        raise SpecError(f"not YAML: {error}", where=str(path)) from error
    if not isinstance(tree, dict):
        raise SpecError(
            f"must be a mapping of keys to values, not {_kind(tree)}",
            where=str(path),
            remedy="begin with `name: ...` and `data: {file: ...}`",
        )
    _only_text_keys(tree, str(path))
    return tree, _lines(node)


def _marked(path: Path, error: MarkedYAMLError, what: str, remedy: str) -> SpecError:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    return SpecError(what, where=f"{path}:{line}", remedy=remedy)


def _kind(value: Any) -> str:
    names = {type(None): "an empty file", list: "a list", str: "a text"}
    return names.get(type(value), f"a {type(value).__name__}")


def _only_text_keys(tree: Any, where: str) -> None:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if not isinstance(key, str):
                raise SpecError(f"the key {key!r} is not a word", where=where, remedy="put it in quotes, or rename it")
            _only_text_keys(value, where)
    elif isinstance(tree, list):
        for value in tree:
            _only_text_keys(value, where)


def _lines(node: Node, prefix: str = "") -> dict[str, int]:
    lines: dict[str, int] = {}
    if isinstance(node, MappingNode):
        for key, value in node.value:
            dotted = f"{prefix}{key.value}"
            lines[dotted] = key.start_mark.line + 1
            lines |= _lines(value, f"{dotted}.")
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            lines[f"{prefix}{index}"] = value.start_mark.line + 1
    return lines


def yaml_text(tree: dict[str, Any]) -> str:
    """The tree as YAML text, keys in the order given; `read_yaml` gives the same tree back."""
    stream = io.StringIO()
    _yaml().dump(_plain(tree), stream)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
