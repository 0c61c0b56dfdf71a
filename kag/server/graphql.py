"""GraphQL as far as the client needs it: parse the document, walk the selection, ask the registry for each field.

A registry maps type -> field -> resolver. A field that it lacks answers null, and its path is reported: that list is
all that it takes to see what a new client asks for. Arguments and fragments follow the language; there is no validation
against a schema, because the registry is no full schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    parse,
)

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


@dataclass
class Answer:
    """What goes back, and what the registry did not know."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def parsed(text: str) -> DocumentNode:
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


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation to run. The client's name for it counts only where there is a choice.

    Raises:
        Fault: there is none, or the choice is open.
    """
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(found) > 1:
        found = [node for node in found if node.name is not None and node.name.value == name]
    if len(found) != 1:
        raise Fault("the document needs one operation, or an operationName")
    if found[0].operation.value not in ("query", "mutation"):
        raise Fault(f"operation {found[0].operation.value} is not served")
    return found[0]


def writes(operation: OperationDefinitionNode, fields: frozenset[str]) -> bool:
    """Whether an operation may change the database: a mutation, or a query for one of some fields of a root field."""
    roots = [one for one in operation.selection_set.selections if isinstance(one, FieldNode)]
    inner = [one for root in roots if root.selection_set for one in root.selection_set.selections]
    asked = {one.name.value for one in inner if isinstance(one, FieldNode)}
    return operation.operation.value == "mutation" or bool(asked & fields)


def execute(
    registry: Registry[C],
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    context: C,
    *,
    strict: bool,
) -> Answer:
    """Answer an operation.

    Args:
        registry: type -> field -> resolver.
        document: holds the fragments.
        operation: one of the document's.
        variables: as sent; defaults of the operation are added.
        context: handed to every resolver.
        strict: answer unknown fields with an error, not with null alone.
    """
    run = _Execution(registry, document, operation, variables, context)
    root = Node("Mutation" if operation.operation.value == "mutation" else "Query")
    try:
        data = run.object(root, [operation.selection_set], ())
    except RecursionError as error:
        raise Fault("malformed GraphQL: nested too deeply") from error
    if strict and run.unknown:
        errors = [{"message": f"unknown field {path}", "path": path.split(".")} for path in run.unknown]
        return Answer(None, errors, run.unknown)
    return Answer(data, [], run.unknown)


class _Execution(Generic[C]):
    def __init__(
        self,
        registry: Registry[C],
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        context: C,
    ) -> None:
        self.registry = registry
        self.context = context
        self.unknown: list[str] = []
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.variables: dict[str, Any] = {}
        for definition in operation.variable_definitions or ():
            name = definition.variable.name.value
            if name in variables:
                self.variables[name] = variables[name]
            elif definition.default_value is not None:
                self.variables[name] = self.literal(definition.default_value)

    def object(self, node: Node, selections: Sequence[SelectionSetNode], path: tuple[str, ...]) -> dict[str, Any]:
        fields: dict[str, list[FieldNode]] = {}
        for count, one in enumerate(self.fields(node.shown or node.type, selections, ())):
            if count >= MAX_FIELDS:
                raise Fault("malformed GraphQL: too many fields")
            key = one.alias.value if one.alias else one.name.value
            fields.setdefault(key, []).append(one)
        return {key: self.field(node, same, path) for key, same in fields.items()}

    def field(self, node: Node, nodes: list[FieldNode], path: tuple[str, ...]) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return node.shown or node.type
        resolver = self.registry.get(node.type, {}).get(name)
        here = (*path, name)
        if resolver is None:
            self.unknown.append(".".join((node.type, *here)))
            return None
        arguments = self.arguments(nodes[0])
        selections = [one.selection_set for one in nodes if one.selection_set is not None]
        return self.complete(resolver(self.context, node.value, arguments), selections, here)

    def complete(self, value: Any, selections: list[SelectionSetNode], path: tuple[str, ...]) -> Any:
        if isinstance(value, Node):
            return self.object(value, selections, path)
        if isinstance(value, (list, tuple)):
            return [self.complete(item, selections, path) for item in value]
        return value

    def fields(
        self, type_name: str, selections: Sequence[SelectionSetNode], spread: tuple[str, ...]
    ) -> Iterator[FieldNode]:
        for selection in (one for part in selections for one in part.selections):
            if not self.included(selection.directives or ()):
                continue
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or applies(condition.name.value, type_name):
                    yield from self.fields(type_name, [selection.selection_set], spread)
            elif isinstance(selection, FragmentSpreadNode):
                yield from self.fragment(selection.name.value, type_name, spread)

    def fragment(self, name: str, type_name: str, spread: tuple[str, ...]) -> Iterator[FieldNode]:
        fragment = self.fragments.get(name)
        if fragment is None or name in spread or len(spread) > 50:
            raise Fault(f"malformed GraphQL: the fragment {name} is missing or contains itself")
        if applies(fragment.type_condition.name.value, type_name):
            yield from self.fields(type_name, [fragment.selection_set], (*spread, name))

    def included(self, directives: Sequence[DirectiveNode]) -> bool:
        for directive in directives:
            wanted = {argument.name.value: self.literal(argument.value) for argument in directive.arguments or ()}
            if directive.name.value in ("include", "skip") and bool(wanted.get("if")) is (
                directive.name.value == "skip"
            ):
                return False
        return True

    def arguments(self, node: FieldNode) -> dict[str, Any]:
        """Arguments that have a value; one bound to a variable that was not sent is absent."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        return {name: self.literal(value) for name, value in given.items() if self.is_given(value)}

    def is_given(self, value: ValueNode) -> bool:
        return not isinstance(value, VariableNode) or value.name.value in self.variables

    def literal(self, node: ValueNode) -> Any:
        if isinstance(node, VariableNode):
            return self.variables.get(node.name.value)
        if isinstance(node, IntValueNode):
            return int(node.value)
        if isinstance(node, FloatValueNode):
            return float(node.value)
        if isinstance(node, (StringValueNode, EnumValueNode, BooleanValueNode)):
            return node.value
        if isinstance(node, ListValueNode):
            return [self.literal(one) for one in node.values]
        if isinstance(node, ObjectValueNode):
            return {one.name.value: self.literal(one.value) for one in node.fields if self.is_given(one.value)}
        if isinstance(node, NullValueNode):
            return None
        raise Fault(f"malformed GraphQL: no value of kind {node.kind}")


INTERFACES = {"ArtifactCollection": ("ArtifactSequence", "ArtifactPortfolio")}
"""Interface -> types, where a fragment may name the interface."""


def applies(condition: str, type_name: str) -> bool:
    """Whether a fragment on one type holds for an object of another."""
    return condition == type_name or type_name in INTERFACES.get(condition, ())
