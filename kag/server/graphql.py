"""GraphQL as far as the client needs it: walk the selection of a document and ask the registry for each field.

A registry maps type -> field -> resolver. An object of a type that it lacks is plain: its fields are the items of its
value. A field that neither it nor the schema has answers null, and its path is reported: that list is all that it takes
to see what a new client asks for. Types, arguments and introspection are the schema's (see schema.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    execute_sync,
    get_named_type,
    is_abstract_type,
    is_object_type,
    value_from_ast_untyped,
)
from graphql.language import ast

from kag.server.cost import MAX_ANSWERS, check_cost, too_much
from kag.server.faults import Fault, Refused
from kag.server.refused import REFUSED
from kag.server.schema import taken

MAX_FIELDS = 5_000
"""Fields of one selection after its fragments are spread: a document cannot grow beyond what it was sent as."""

C = TypeVar("C")
Resolver = Callable[[C, Any, dict[str, Any]], Any]
Registry = Mapping[str, Mapping[str, Resolver[C]]]


@dataclass(frozen=True)
class Node:
    """An object of a GraphQL type."""

    type: str
    """Whose resolvers answer. The client sees the type of the schema, where that is not for the object to say."""
    value: Any = None
    """What resolvers get. Of a plain object, what costs a query is a function, which is called if somebody asks."""


class Asked(NamedTuple, Generic[C]):
    """One field, as it is asked of every object of a type."""

    name: str
    node: ast.FieldNode
    definition: GraphQLField | None
    resolver: Resolver[C] | None
    is_plain: bool
    """Whether it is an item of the object's value."""
    selections: list[ast.SelectionSetNode]


def _asked(
    nodes: list[ast.FieldNode], kind: GraphQLObjectType, resolvers: Mapping[str, Resolver[C]] | None
) -> Asked[C]:
    name = nodes[0].name.value
    selections = [one.selection_set for one in nodes if one.selection_set is not None]
    resolver = None if resolvers is None else resolvers.get(name)
    return Asked(name, nodes[0], kind.fields.get(name), resolver, resolvers is None, selections)


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


def asks_only(names: Collection[str], operation: ast.OperationDefinitionNode) -> bool:
    """Whether an operation selects these fields at its top and no other, nor any fragment."""
    selected = operation.selection_set.selections
    return all(isinstance(one, ast.FieldNode) and one.name.value in names for one in selected)


def execute(
    registry: Registry[C],
    schema: GraphQLSchema,
    document: ast.DocumentNode,
    operation: ast.OperationDefinitionNode,
    variables: Mapping[str, Any],
    context: C,
    seen: Callable[[C, Node], None] = lambda context, node: None,
) -> tuple[dict[str, Any], list[str]]:
    """Answer an operation: the data, and the paths of the fields that are not known.

    Args:
        registry: type -> field -> resolver.
        schema: the types of fields and arguments.
        document: holds the fragments.
        operation: one of the document's.
        variables: as sent; defaults of the operation are added.
        context: handed to every resolver.
        seen: told of every object before its fields are; may refuse.

    Raises:
        Fault: the document or an argument is malformed, or a resolver refuses.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, ast.FragmentDefinitionNode)}
    given: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in variables:
            given[name] = variables[name]
        elif definition.default_value is not None:
            given[name] = value_from_ast_untyped(definition.default_value)
    try:
        check_cost(schema, operation, fragments, given)
    except RecursionError as error:
        raise Fault("malformed GraphQL: nested too deeply") from error
    run = _Execution(registry, schema, operation, fragments, given, context, seen)
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise Fault(f"operation {operation.operation.value} is not served")
    try:
        return run.object(Node(root.name), root, [operation.selection_set], ()), run.unknown
    except RecursionError as error:
        raise Fault("malformed GraphQL: nested too deeply") from error


@dataclass
class _Execution(Generic[C]):
    registry: Registry[C]
    schema: GraphQLSchema
    operation: ast.OperationDefinitionNode
    fragments: Mapping[str, ast.FragmentDefinitionNode]
    variables: Mapping[str, Any]
    context: C
    seen: Callable[[C, Node], None]
    unknown: list[str] = field(default_factory=list)
    answers: int = 0
    """Fields and members of lists so far."""
    taken: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Arguments by the id of their field's node: a list asks the same of each of its members."""
    asked: dict[tuple[str, str, tuple[int, ...]], dict[str, Asked[C]]] = field(default_factory=dict)
    """What is asked by the object's type, the client's, and the ids of the selections, for the same reason."""

    def object(
        self, node: Node, kind: GraphQLObjectType, selections: Sequence[ast.SelectionSetNode], path: tuple[str, ...]
    ) -> dict[str, Any]:
        self.seen(self.context, node)
        which = (node.type, kind.name, tuple(map(id, selections)))
        if which not in self.asked:
            self.asked[which] = self.collected(node.type, kind, selections)
        return {key: self.field(node, kind, asked, path) for key, asked in self.asked[which].items()}

    def collected(
        self, type_name: str, kind: GraphQLObjectType, selections: Sequence[ast.SelectionSetNode]
    ) -> dict[str, Asked[C]]:
        """What is asked of an object, by the names of the answers."""
        nodes: dict[str, list[ast.FieldNode]] = {}
        for count, one in enumerate(self.fields(kind, selections, ())):
            if count >= MAX_FIELDS:
                raise Fault("malformed GraphQL: too many fields")
            nodes.setdefault(one.alias.value if one.alias else one.name.value, []).append(one)
        resolvers = self.registry.get(type_name)
        return {key: _asked(same, kind, resolvers) for key, same in nodes.items()}

    def field(self, node: Node, kind: GraphQLObjectType, asked: Asked[C], path: tuple[str, ...]) -> Any:
        name, definition = asked.name, asked.definition
        self.count(1)
        if name == "__typename":
            return kind.name
        if name in ("__schema", "__type") and kind is self.schema.query_type:
            return self.introspected(asked.node)
        if definition is not None and asked.resolver is not None:
            value = asked.resolver(self.context, node.value, self.arguments(asked.node, definition))
        elif definition is not None and asked.is_plain and name in node.value:
            held = node.value[name]
            value = held() if callable(held) else held
        else:
            self.unknown.append(".".join((node.type, *path, name)))
            return None
        if isinstance(value, (Node, list, tuple)):
            return self.complete(value, definition, asked.selections, (*path, name))
        return value

    def count(self, answers: int) -> None:
        """Lists may be longer than anybody said beforehand."""
        self.answers += answers
        if self.answers > MAX_ANSWERS:
            raise too_much(self.answers)

    def complete(
        self, value: Any, definition: GraphQLField, selections: list[ast.SelectionSetNode], path: tuple[str, ...]
    ) -> Any:
        if isinstance(value, Node):
            declared: Any = get_named_type(definition.type)
            kind: Any = declared if is_object_type(declared) else self.schema.type_map[value.type]
            return self.object(value, kind, selections, path)
        if isinstance(value, (list, tuple)):
            self.count(len(value))
            return [self.complete(item, definition, selections, path) for item in value]
        return value

    def introspected(self, node: ast.FieldNode) -> Any:
        """What the schema says of itself. Clients up to 0.24 ask what fields a type has before they use them."""
        asked = self.values(node.arguments).get("name")
        if isinstance(asked, str) and asked in REFUSED:
            raise Refused(REFUSED[asked])
        operation = ast.OperationDefinitionNode(
            operation=self.operation.operation,
            variable_definitions=self.operation.variable_definitions,
            selection_set=ast.SelectionSetNode(selections=(node,)),
        )
        document = ast.DocumentNode(definitions=(operation, *self.fragments.values()))
        answer = execute_sync(self.schema, document, variable_values=dict(self.variables))
        if answer.data is None:
            raise Fault(f"malformed GraphQL: {answer.errors[0].message if answer.errors else 'no answer'}")
        return answer.data[node.alias.value if node.alias else node.name.value]

    def arguments(self, node: ast.FieldNode, definition: GraphQLField) -> dict[str, Any]:
        if id(node) not in self.taken:
            self.taken[id(node)] = taken(definition.args, self.values(node.arguments))
        return self.taken[id(node)]

    def fields(
        self, kind: GraphQLObjectType, selections: Sequence[ast.SelectionSetNode], spread: tuple[str, ...]
    ) -> Iterator[ast.FieldNode]:
        for selection in (one for part in selections for one in part.selections if self.is_included(one)):
            if isinstance(selection, ast.FieldNode):
                yield selection
            elif isinstance(selection, ast.InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or self.applies(condition.name.value, kind):
                    yield from self.fields(kind, [selection.selection_set], spread)
            elif isinstance(selection, ast.FragmentSpreadNode):
                yield from self.fragment(selection.name.value, kind, spread)

    def fragment(self, name: str, kind: GraphQLObjectType, spread: tuple[str, ...]) -> Iterator[ast.FieldNode]:
        fragment = self.fragments.get(name)
        if fragment is None or name in spread or len(spread) > 50:
            raise Fault(f"malformed GraphQL: the fragment {name} is missing or contains itself")
        if self.applies(fragment.type_condition.name.value, kind):
            yield from self.fields(kind, [fragment.selection_set], (*spread, name))

    def applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        """Whether a fragment on one type holds for an object of another."""
        named = self.schema.type_map.get(condition)
        return named is kind or (is_abstract_type(named) and self.schema.is_sub_type(named, kind))

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
