"""GraphQL as far as the client needs it: parse the document, walk the selection, ask the registry for each field.

A registry maps type -> field -> resolver. An object of a type that it lacks is plain: its fields are the items of its
value. Any other field that it lacks answers null, and its path is reported: that list is all that it takes to see what
a new client asks for. Arguments and fragments follow the language; there is no validation
against a schema, because the registry is no full schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphql import GraphQLSyntaxError, parse, value_from_ast_untyped
from graphql.language import ast

from kag.server.faults import Fault

MAX_TOKENS = 20_000
MAX_FIELDS = 5_000
"""Fields of one selection after its fragments are spread: a document cannot grow beyond what it was sent as."""

C = TypeVar("C")
Resolver = Callable[[C, Any, dict[str, Any]], Any]
Registry = Mapping[str, Mapping[str, Resolver[C]]]


@dataclass(frozen=True)
class Node:
    """An object of a GraphQL type."""

    type: str
    value: Any = None
    shown: str | None = None
    """Type that the client sees, where the registry tells apart what GraphQL does not."""


def parsed(text: str) -> ast.DocumentNode:
    """The document.

    Raises:
        Fault: it is none, or is beyond all measure.
    """
    try:
        return parse(text, no_location=True, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        raise Fault(f"malformed GraphQL: {error.message}") from error
    except RecursionError as error:
        raise Fault("malformed GraphQL: nested too deeply") from error


def operation_of(document: ast.DocumentNode, name: str | None) -> ast.OperationDefinitionNode:
    """The operation to run. The client's name for it counts only where there is a choice.

    Raises:
        Fault: there is none, or the choice is open.
    """
    found = [node for node in document.definitions if isinstance(node, ast.OperationDefinitionNode)]
    if len(found) > 1:
        found = [node for node in found if node.name and node.name.value == name]
    if len(found) != 1:
        raise Fault("the document needs one operation, or an operationName")
    if found[0].operation.value not in ("query", "mutation"):
        raise Fault(f"operation {found[0].operation.value} is not served")
    return found[0]


def writes(operation: ast.OperationDefinitionNode) -> bool:
    """Whether an operation may change the database: no question does."""
    return operation.operation.value == "mutation"


def execute(
    registry: Registry[C],
    document: ast.DocumentNode,
    operation: ast.OperationDefinitionNode,
    variables: Mapping[str, Any],
    context: C,
) -> tuple[dict[str, Any], list[str]]:
    """Answer an operation: the data, and the paths of the fields that the registry does not know.

    Args:
        registry: type -> field -> resolver.
        document: holds the fragments.
        operation: one of the document's.
        variables: as sent; defaults of the operation are added.
        context: handed to every resolver.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, ast.FragmentDefinitionNode)}
    given: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in variables:
            given[name] = variables[name]
        elif definition.default_value is not None:
            given[name] = value_from_ast_untyped(definition.default_value)
    run = _Execution(registry, fragments, given, context)
    root = Node("Mutation" if operation.operation.value == "mutation" else "Query")
    try:
        return run.object(root, [operation.selection_set], ()), run.unknown
    except RecursionError as error:
        raise Fault("malformed GraphQL: nested too deeply") from error


@dataclass
class _Execution(Generic[C]):
    registry: Registry[C]
    fragments: Mapping[str, ast.FragmentDefinitionNode]
    variables: Mapping[str, Any]
    context: C
    unknown: list[str] = field(default_factory=list)

    def object(self, node: Node, selections: Sequence[ast.SelectionSetNode], path: tuple[str, ...]) -> dict[str, Any]:
        fields: dict[str, list[ast.FieldNode]] = {}
        for count, one in enumerate(self.fields(node.shown or node.type, selections, ())):
            if count >= MAX_FIELDS:
                raise Fault("malformed GraphQL: too many fields")
            key = one.alias.value if one.alias else one.name.value
            fields.setdefault(key, []).append(one)
        return {key: self.field(node, same, path) for key, same in fields.items()}

    def field(self, node: Node, nodes: list[ast.FieldNode], path: tuple[str, ...]) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return node.shown or node.type
        here = (*path, name)
        resolvers = self.registry.get(node.type)
        if resolvers is not None and name in resolvers:
            value = resolvers[name](self.context, node.value, self.values(nodes[0].arguments))
        elif resolvers is None and name in node.value:
            value = node.value[name]
        else:
            self.unknown.append(".".join((node.type, *here)))
            return None
        selections = [one.selection_set for one in nodes if one.selection_set is not None]
        return self.complete(value, selections, here)

    def complete(self, value: Any, selections: list[ast.SelectionSetNode], path: tuple[str, ...]) -> Any:
        if isinstance(value, Node):
            return self.object(value, selections, path)
        if isinstance(value, (list, tuple)):
            return [self.complete(item, selections, path) for item in value]
        return value

    def fields(
        self, type_name: str, selections: Sequence[ast.SelectionSetNode], spread: tuple[str, ...]
    ) -> Iterator[ast.FieldNode]:
        for selection in (one for part in selections for one in part.selections if self.is_included(one)):
            if isinstance(selection, ast.FieldNode):
                yield selection
            elif isinstance(selection, ast.InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or applies(condition.name.value, type_name):
                    yield from self.fields(type_name, [selection.selection_set], spread)
            elif isinstance(selection, ast.FragmentSpreadNode):
                yield from self.fragment(selection.name.value, type_name, spread)

    def fragment(self, name: str, type_name: str, spread: tuple[str, ...]) -> Iterator[ast.FieldNode]:
        fragment = self.fragments.get(name)
        if fragment is None or name in spread or len(spread) > 50:
            raise Fault(f"malformed GraphQL: the fragment {name} is missing or contains itself")
        if applies(fragment.type_condition.name.value, type_name):
            yield from self.fields(type_name, [fragment.selection_set], (*spread, name))

    def is_included(self, selection: ast.SelectionNode) -> bool:
        conditions = [one for one in selection.directives or () if one.name.value in ("include", "skip")]
        return all(bool(self.values(one.arguments).get("if")) is (one.name.value == "include") for one in conditions)

    def values(self, named: Sequence[ast.ArgumentNode | ast.ObjectFieldNode] | None) -> dict[str, Any]:
        """What has a value by name; what is bound to a variable that was not sent is absent."""
        return {
            one.name.value: self.literal(one.value)
            for one in named or ()
            if not isinstance(one.value, ast.VariableNode) or one.value.name.value in self.variables
        }

    def literal(self, node: ast.ValueNode) -> Any:
        if isinstance(node, ast.VariableNode):
            return self.variables.get(node.name.value)
        if isinstance(node, ast.ListValueNode):
            return [self.literal(one) for one in node.values]
        if isinstance(node, ast.ObjectValueNode):
            return self.values(node.fields)
        return value_from_ast_untyped(node)


INTERFACES = {"ArtifactCollection": ("ArtifactSequence", "ArtifactPortfolio")}
"""Interface -> types, where a fragment may name the interface."""


def applies(condition: str, type_name: str) -> bool:
    """Whether a fragment on one type holds for an object of another."""
    return condition == type_name or type_name in INTERFACES.get(condition, ())
