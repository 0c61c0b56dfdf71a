"""The house rules that a machine can check: what is public is explained, what is long is split, errors are not lost."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "kag"
MODULES = sorted(PACKAGE.rglob("*.py"))

LONGEST_MODULE = 300
LONGEST_FUNCTION = 60

BOUNDARIES = {PACKAGE / "server" / "boundary.py": 1, PACKAGE / "server" / "daily.py": 1}
"""Module -> handlers of any error that it may have: the server logs a fault of its own, and answers the request or goes
on with its day.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = Function | ast.ClassDef


def each_module(test: Callable[[Path], None]) -> Callable[[], None]:
    """One test of all modules, since a test each costs seconds; one that fails says where, and what it found there."""

    def test_of_all() -> None:
        failed = {}
        for path in MODULES:
            try:
                test(path)
            except AssertionError as error:
                failed[str(path.relative_to(PACKAGE.parent))] = str(error)
        assert failed == {}

    test_of_all.__doc__ = test.__doc__
    return test_of_all


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Named]]:
    """Public classes and functions of a module, and the public methods of its public classes."""
    for node in body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


def is_framework_hook(node: Named) -> bool:
    """A method whose name the framework gives and explains: `forward`, and what is marked as an override."""
    return node.name == "forward" or any(getattr(mark, "id", "") == "override" for mark in node.decorator_list)


@each_module
def test_every_module_begins_with_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)) or not path.read_text().strip()


@each_module
def test_what_is_public_is_explained(path: Path) -> None:
    found = dict(public(tree_of(path).body))
    explained = {name for name, node in found.items() if ast.get_docstring(node) or is_framework_hook(node)}
    silent = [name for name in found if name not in explained and not explained_by_base(name, found, explained)]
    assert silent == []


def explained_by_base(name: str, found: dict[str, Named], explained: set[str]) -> bool:
    """Whether a base class of the same module explains this method."""
    owner, _, method = name.rpartition(".")
    bases = [ast.unparse(base) for base in getattr(found.get(owner), "bases", [])]
    return any(
        f"{base}.{method}" in explained or explained_by_base(f"{base}.{method}", found, explained) for base in bases
    )


@each_module
def test_functions_are_fully_typed(path: Path) -> None:
    untyped = [
        f"{node.name}({argument.arg})"
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if argument.annotation is None and argument.arg not in ("self", "cls")
    ]
    assert untyped == []


@each_module
def test_modules_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@each_module
def test_no_error_is_caught_blindly(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        for caught in (node.type.elts if isinstance(node.type, ast.Tuple) else [node.type])
        if caught is None or getattr(caught, "id", "") in ("Exception", "BaseException")
    ]
    swallowed = [line for line in broad if not re_raises(path, line)]
    assert len(swallowed) <= BOUNDARIES.get(path, 0), swallowed


def re_raises(path: Path, line: int) -> bool:
    """Whether the handler on this line hands the same error on after it has noted it."""
    handlers = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ExceptHandler) and node.lineno == line]
    return all(isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None for node in handlers)


@each_module
def test_nothing_is_left_for_later(path: Path) -> None:
    words = re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text())
    assert words == []


@each_module
def test_no_catch_all_names(path: Path) -> None:
    assert not re.search(r"(^|_)(utils?|helpers?|managers?|misc|v\d+)(_|$)", path.stem)


@each_module
def test_nothing_that_a_file_says_is_executed(path: Path) -> None:
    """No pickle, no eval, no unsafe YAML, and torch files only as weights."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        assert name not in ("eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "os.system"), node.lineno
        if name == "torch.load":
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert given.get("weights_only") == "True", node.lineno
        if name == "YAML":
            assert [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "typ"] == ["'safe'"]
