"""The keys of the spec as some commit had them, read off the source text: old code is never run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

ROOT, PART, VALUE = "RunSpec", "Part", "Ramp"
"""The class of a spec, the base of all its sections, and the section that counts as one value."""

_Fields = dict[str, tuple[set[str], str]]
"""Field -> names in its annotation, and its default."""


def spec_keys(sources: Iterable[str]) -> dict[str, str]:
    """Dotted key -> default, as written in the source files of `kag.spec`; empty where they define no spec.

    A file that this Python cannot parse gives nothing.
    """
    classes: dict[str, _Fields] = {}
    for source in sources:
        classes |= _classes(source)
    return dict(_walk(classes, ROOT, "")) if ROOT in classes else {}


def key_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What became of the keys: added, removed, or with another default."""
    added = [f"`{key}` added ({after[key]})" for key in after if key not in before]
    removed = [f"`{key}` removed" for key in before if key not in after]
    changed = [
        f"default of `{key}` {before[key]} -> {after[key]}"
        for key in after
        if key in before and before[key] != after[key]
    ]
    return [*added, *removed, *changed]


def _classes(source: str) -> dict[str, _Fields]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    return {
        node.name: {
            field.target.id: (_names(field.annotation), ast.unparse(field.value) if field.value else "required")
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef) and PART in {name for base in node.bases for name in _names(base)}
    }


def _walk(classes: Mapping[str, _Fields], part: str, prefix: str) -> Iterator[tuple[str, str]]:
    for field, (names, default) in classes[part].items():
        sections = sorted((names & classes.keys()) - {VALUE, part})
        if not sections or default == "None":
            yield f"{prefix}{field}", default
        for section in sections:
            yield from _walk(classes, section, f"{prefix}{field}.")


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
