"""What a GraphQL operation may cost, told from its document and its variables before anything is done.

A document of a hundred letters can ask for every run of every run's project. Documents of the supported clients are 11
levels deep, and hold three lists at most, one inside another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import GraphQLSchema, get_named_type, get_nullable_type, is_list_type
from graphql.language import ast

from kag.server.faults import Fault

DEEPEST = 20
"""Levels of selections in each other."""
MAX_LISTS = 20
"""Lists in one operation, each counted once however often it is answered."""
MAX_ANSWERS = 400_000
"""Fields in one answer: a page of 10,000 runs with all that clients ask of one."""
UNSAID = 100
"""What a list is taken to hold where the document does not say: who wants a list in a list says how much of it."""


FEW = 10
"""The same of what is short by its nature: the aliases of a version."""
SHORT = frozenset({"ApiKeyConnection", "ArtifactAliasConnection", "TagConnection", "TeamConnection"})
"""Connections that are."""


class Cost(NamedTuple):
    """What a selection comes to."""

    depth: int = 0
    lists: int = 0
    answers: int = 0

    def __add__(self, other: tuple[Any, ...]) -> Cost:
        """Both beside each other."""
        depth, lists, answers = other
        return Cost(max(self.depth, depth), self.lists + lists, self.answers + answers)


def check_cost(
    schema: GraphQLSchema,
    operation: ast.OperationDefinitionNode,
    fragments: Mapping[str, ast.FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> None:
    """Refuse an operation that asks for too much.

    Raises:
        Fault: it does, or a fragment is missing or contains itself.
    """
    cost = _Sum(schema, fragments, variables).selection(
        operation.selection_set, schema.get_root_type(operation.operation)
    )
    if cost.depth > DEEPEST:
        raise Fault(f"this query is {cost.depth} levels deep; {DEEPEST} are served")
    if cost.lists > MAX_LISTS:
        raise Fault(f"this query asks for {cost.lists} lists; {MAX_LISTS} are served at once")
    if cost.answers > MAX_ANSWERS:
        raise too_much(cost.answers)


def too_much(answers: int) -> Fault:
    """What the sender of a query beyond the bounds is told."""
    return Fault(
        f"this query asks for {answers} values or more; {MAX_ANSWERS} are served at once: ask for fewer in each list "
        "(`first`), or for no list inside a list"
    )


@dataclass
class _Sum:
    schema: GraphQLSchema
    fragments: Mapping[str, ast.FragmentDefinitionNode]
    variables: Mapping[str, Any]
    spread: dict[str, Cost | None] = field(default_factory=dict)
    """Cost by fragment, since each is walked once; None while it is walked."""

    def selection(self, selected: ast.SelectionSetNode, kind: Any) -> Cost:
        """The cost of what is selected of an object."""
        total = Cost()
        for one in selected.selections:
            if isinstance(one, ast.FieldNode):
                total += self.field(one, kind)
            elif isinstance(one, ast.InlineFragmentNode):
                named = self.schema.type_map.get(one.type_condition.name.value) if one.type_condition else kind
                total += self.selection(one.selection_set, named)
            elif isinstance(one, ast.FragmentSpreadNode):
                total += self.fragment(one.name.value)
        return total

    def field(self, node: ast.FieldNode, kind: Any) -> Cost:
        """The cost of a field: a list's is that of each of its members."""
        definition: Any = getattr(kind, "fields", {}).get(node.name.value)
        named = None if definition is None else get_named_type(definition.type)
        inner = self.selection(node.selection_set, named) if node.selection_set else Cost()
        if named is not None and named.name.endswith("Connection"):
            size = self.size(node.arguments or (), FEW if named.name in SHORT else UNSAID)
            return Cost(inner.depth + 1, inner.lists + 1, 1 + size * inner.answers)
        is_list = definition is not None and is_list_type(get_nullable_type(definition.type))
        # A connection counts its edges; a list that takes arguments may be long, any other is what one row has of it.
        lists = inner.lists + (1 if is_list and definition.args else 0)
        return Cost(inner.depth + 1, lists, 1 + (FEW if is_list and node.name.value != "edges" else 1) * inner.answers)

    def size(self, arguments: Sequence[ast.ArgumentNode], unsaid: int) -> int:
        """How many members of a list are asked for."""
        for one in arguments:
            if one.name.value == "first" and isinstance(one.value, ast.IntValueNode):
                return int(one.value.value[:9])
            if one.name.value == "first" and isinstance(one.value, ast.VariableNode):
                value = self.variables.get(one.value.name.value)
                if isinstance(value, (int, float)) and 0 <= value < 10**9:
                    return int(value)
        return unsaid

    def fragment(self, name: str) -> Cost:
        """The cost of a fragment wherever it is spread."""
        found = self.fragments.get(name)
        if found is None or self.spread.get(name, Cost()) is None:
            raise Fault(f"malformed GraphQL: the fragment {name} is missing or contains itself")
        if name not in self.spread:
            self.spread[name] = None
            self.spread[name] = self.selection(
                found.selection_set, self.schema.type_map.get(found.type_condition.name.value)
            )
        return self.spread[name] or Cost()
