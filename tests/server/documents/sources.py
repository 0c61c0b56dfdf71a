"""The texts that expressions in Python sources can become, read and never run.

An expression stands for every text that it can be put together to (`format`, f-strings, `replace`, `join`), whatever
the conditions in between say.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

OPERATION = re.compile(r"\b(query|mutation)\b[^{}]*\{")
BEGINNING = re.compile(r"^\s*(#.*\s*)?(query|mutation)\b", re.MULTILINE)
MOST = 400
"""Texts of one expression that are followed."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Assigned = ast.Assign | ast.AugAssign | ast.AnnAssign


class Module:
    """A module of the client, and the texts that its expressions can become."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root, self.path = root, path
        self.tree = ast.parse(path.read_text())
        self.imported = dict(self.imports())
        self.assignments: dict[ast.AST, dict[str, list[Assigned]]] = {}

    def imports(self) -> Iterator[tuple[str, tuple[Path, str]]]:
        """Imported name -> module and name there; a module that is imported whole has no name there."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                words = (node.module or "").split(".")
                parts = self.path.relative_to(self.root).parts
                base = parts[: len(parts) - node.level] if node.level else ()
                folder = self.root.joinpath(*base, *[word for word in words if word])
                for one in node.names:
                    yield one.asname or one.name, (folder, one.name)

    def documents(self) -> Iterator[str]:
        """Texts of all expressions that might be documents."""
        for scope in self.scopes():
            for node in ast.walk(scope) if scope is not self.tree else outside_functions(scope):
                if self.is_promising(node):
                    yield from (text for text in self.texts(node, scope) if OPERATION.search(text))

    @staticmethod
    def is_promising(node: ast.AST) -> bool:
        """Whether an expression holds the beginning of a document, or is handed on as one."""
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "gql":
            return True
        if not isinstance(node, (ast.Constant, ast.JoinedStr, ast.Call, ast.BinOp)):
            return False
        held = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant))
        return any(isinstance(one, str) and BEGINNING.search(one) for one in held)

    def scopes(self) -> Iterator[ast.AST]:
        """The module, and each function."""
        yield self.tree
        yield from (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def texts(self, node: ast.AST | None, scope: ast.AST, within: tuple[ast.AST, ...] = ()) -> list[str]:
        """What an expression can become; nothing if that cannot be told."""
        if node is None or node in within or len(within) > 30:
            return []
        inner = (*within, node)
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            return self.joined([self.texts(one, scope, inner) for one in node.values])
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value, scope, inner)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.joined([self.texts(node.left, scope, inner), self.texts(node.right, scope, inner)])
        if isinstance(node, ast.IfExp):
            return [*self.texts(node.body, scope, inner), *self.texts(node.orelse, scope, inner)]
        if isinstance(node, ast.Call):
            return self.called(node, scope, inner)
        if isinstance(node, ast.Name):
            return self.named(node.id, scope, inner)
        if isinstance(node, ast.Attribute):
            return self.named(node.attr, self.tree, inner) or self.of_module(node)
        return []

    @staticmethod
    def joined(parts: list[list[str]], between: str = "") -> list[str]:
        return [between.join(one) for one in itertools.islice(itertools.product(*parts), MOST)]

    def called(self, node: ast.Call, scope: ast.AST, within: tuple[ast.AST, ...]) -> list[str]:
        """`TEXT.format(...)`, `TEXT.replace(...)`, `TEXT.join(...)`, `gql(TEXT)`, or a function that gives a text."""
        what = node.func
        if isinstance(what, ast.Name) and what.id != "gql":
            return self.returned(what.id, within)
        if isinstance(what, ast.Name):
            return self.texts(node.args[0], scope, within)
        if not isinstance(what, ast.Attribute):
            return []
        if what.attr not in ("format", "replace", "join", "dedent", "strip"):
            return self.returned(what.attr, within)
        given = [self.texts(one, scope, within) for one in node.args]
        of = self.texts(what.value, scope, within)
        if what.attr == "replace" and len(given) == 2:
            return [text.replace(*pair) for text, *pair in itertools.islice(itertools.product(of, *given), MOST)]
        if what.attr == "join" and of and isinstance(node.args[0], ast.Name):
            return self.joined(self.collected(node.args[0].id, scope, within), of[0])
        if what.attr == "dedent":
            return given[0]
        if what.attr == "format":
            return [text for base in of for text in self.formatted(base, node, scope, within)]
        return of

    def formatted(self, base: str, node: ast.Call, scope: ast.AST, within: tuple[ast.AST, ...]) -> list[str]:
        names = [one.arg for one in node.keywords]
        parts = [self.texts(one, scope, within) for one in (*node.args, *(word.value for word in node.keywords))]
        count = len(node.args)
        found = []
        for one in itertools.islice(itertools.product(*parts), MOST):
            try:
                found.append(base.format(*one[:count], **dict(zip(names, one[count:], strict=True))))
            except (IndexError, KeyError, ValueError):
                continue
        return found

    def assigned(self, name: str, scope: ast.AST) -> list[Assigned]:
        """Assignments to a name, or to an attribute of that name, in a function or in the module and its classes."""
        if scope not in self.assignments:
            found = self.assignments[scope] = {}
            for node in ast.walk(scope) if scope is not self.tree else outside_functions(scope):
                if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                    for one in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        found.setdefault(getattr(one, "id", getattr(one, "attr", "")), []).append(node)
        return self.assignments[scope].get(name, [])

    def named(self, name: str, scope: ast.AST, within: tuple[ast.AST, ...]) -> list[str]:
        """What a name can stand for: all that is assigned to it, also one after the other."""
        assigned = self.assigned(name, scope)
        added = [one for one in assigned if isinstance(one, ast.AugAssign)]
        if added:
            parts = [self.texts(one.value, scope, within) for one in assigned]
            return ["".join(one[0] for one in parts if one), *(one[0] for one in parts[:1] if one)]
        found = [text for one in assigned for text in self.texts(one.value, scope, within)]
        if isinstance(scope, Function) and not assigned:
            return self.handed(name, scope, within) or self.named(name, self.tree, within)
        if found or name not in self.imported:
            return list(dict.fromkeys([*found, *self.replaced(found, scope)]))[:MOST]
        other, there = self.origin(name)
        return [] if other is None else other.named(there, other.tree, ())

    def handed(self, name: str, function: Function, within: tuple[ast.AST, ...]) -> list[str]:
        """What callers in the module give for a parameter."""
        names = [one.arg for one in function.args.args if one.arg != "self"]
        found = []
        for node in ast.walk(self.tree) if name in names else ():
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == function.name:
                given = dict(zip(names, node.args, strict=False)) | {one.arg: one.value for one in node.keywords}
                found.extend(self.texts(given.get(name), self.tree, within))
        return list(dict.fromkeys(found))

    def replaced(self, texts: list[str], scope: ast.AST) -> Iterator[str]:
        """Templates filled in by an inner function `replace(place, text)`."""
        rules: dict[str, list[str]] = {}
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "replace":
                place, text = (ast.literal_eval(one) for one in node.args)
                rules.setdefault(place, []).append(text)
        for turn in range(max(map(len, rules.values()), default=0)):
            for text in texts:
                for place, given in rules.items():
                    text = text.replace(place, given[min(turn, len(given) - 1)])
                yield text

    def collected(self, name: str, scope: ast.AST, within: tuple[ast.AST, ...]) -> list[list[str]]:
        """The texts of a list that is assigned, and appended to."""
        listed = [one.value for one in self.assigned(name, scope) if isinstance(one.value, ast.List)]
        items = [item for one in listed for item in one.elts]
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.append":
                items.extend(node.args)
        return [self.texts(one, scope, within) for one in items]

    def returned(self, name: str, within: tuple[ast.AST, ...]) -> list[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, Function) and node.name == name:
                given = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
                return [text for one in given for text in self.texts(one, node, within)]
        other, there = self.origin(name)
        return [] if other is None else other.returned(there, ())

    def of_module(self, node: ast.Attribute) -> list[str]:
        """What a name of an imported module can stand for."""
        folder, there = self.imported.get(getattr(node.value, "id", ""), (None, ""))
        found = None if folder is None else source(self.root, folder / there)
        return [] if found is None else found.named(node.attr, found.tree, ())

    def origin(self, name: str) -> tuple[Module | None, str]:
        """The module that a name is imported from; a package hands names of its modules on."""
        folder, there = self.imported.get(name, (None, name))
        if folder is None:
            return None, name
        return source(self.root, folder), there


def source(root: Path, place: Path) -> Module | None:
    """The module or package at a place, if it has sources."""
    path = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
    return module(root, path) if path.exists() else None


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """All parts of a module, but for what is inside functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function):
            yield child
            yield from outside_functions(child)


@cache
def module(root: Path, path: Path) -> Module:
    """A module, read once."""
    return Module(root, path)
