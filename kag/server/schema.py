"""What is served, as GraphQL's own schema: documents and arguments are held against it before anything is done.

A field of a query that it lacks is none of its business: such a field is answered with null (see graphql.py), so that
a new client goes on working. Whatever would be ignored otherwise is refused in words: a mutation, an argument or an
input field that is not known, a value of the wrong type, and what refused.py names. An input field that is not known
and null says nothing, and is dropped: clients send all that W&B's own schema had when they were built.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    GraphQLSyntaxError,
    build_schema,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_required_argument,
    parse,
    validate,
)
from graphql.language import ast
from graphql.pyutils import did_you_mean, suggestion_list
from graphql.type import GraphQLArgument
from graphql.utilities import coerce_input_value, validate_input_value
from graphql.validation import KnownArgumentNamesRule, MaxIntrospectionDepthRule, ValidationRule

from kag.server.faults import Fault, Refused
from kag.server.refused import REFUSED

MAX_TOKENS = 20_000
KEPT, KEPT_LETTERS = 500, 20_000
"""Documents that are kept once checked, and letters of the longest such one: clients send the same few, all short."""


@cache
def served() -> GraphQLSchema:
    """The schema in the package; it is read once, since reading takes a while."""
    text = files("kag.server").joinpath("schema.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid_sdl=True, no_location=True)


class ServedRule(ValidationRule):
    """Refuses mutations that are not known, and what refused.py names."""

    def enter_field(self, node: ast.FieldNode, *_: Any) -> None:
        """Look at one field of a document."""
        owner = self.context.get_parent_type()
        name = node.name.value
        if owner is None:
            return
        if f"{owner.name}.{name}" in REFUSED:
            self.report_error(GraphQLError(REFUSED[f"{owner.name}.{name}"], node))
        elif owner is self.context.schema.mutation_type and name not in owner.fields and name != "__typename":
            near = did_you_mean(suggestion_list(name, list(owner.fields)))
            self.report_error(GraphQLError(f"kag does not serve the mutation {name}.{near}", node))


class Documents:
    """The documents that clients send, parsed and checked."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._kept = lru_cache(maxsize=KEPT)(self._checked)

    def checked(self, text: str) -> ast.DocumentNode:
        """The document of a text.

        Raises:
            Fault: it is none, or is beyond all measure.
            Refused: it asks for what is not served.
        """
        return self._kept(text) if len(text) <= KEPT_LETTERS else self._checked(text)

    def _checked(self, text: str) -> ast.DocumentNode:
        try:
            document = parse(text, no_location=True, max_tokens=MAX_TOKENS)
            errors = validate(self.schema, document, [ServedRule, KnownArgumentNamesRule, MaxIntrospectionDepthRule])
        except GraphQLSyntaxError as error:
            raise Fault(f"malformed GraphQL: {error.message}") from error
        except RecursionError as error:
            raise Fault("malformed GraphQL: nested too deeply") from error
        if errors:
            raise Refused(errors[0].message)
        return document


def taken(arguments: Mapping[str, GraphQLArgument], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a field as their types have them: those that were sent, in the end all that are needed.

    Raises:
        Refused: one is missing, holds what its type has not, or what is not served.
    """
    missing = [name for name, one in arguments.items() if is_required_argument(one) and given.get(name) is None]
    if missing:
        raise Refused(f"{missing[0]} is missing")
    return {name: _value(name, given[name], one.type) for name, one in arguments.items() if name in given}


def _value(name: str, sent: Any, kind: GraphQLInputType) -> Any:
    errors: list[str] = []
    value = _said(sent, kind)
    validate_input_value(
        value, kind, lambda error, path: errors.append(f"{'.'.join(map(str, [name, *path]))}: {error.message}")
    )
    if errors:
        raise Refused(errors[0])
    coerced = coerce_input_value(value, kind)
    _check_served(coerced, kind)
    return coerced


def _said(value: Any, kind: GraphQLInputType) -> Any:
    """A value without the fields that are not known and null."""
    bare = get_nullable_type(kind)
    if is_list_type(bare) and isinstance(value, list):
        return [_said(one, bare.of_type) for one in value]
    if is_input_object_type(bare) and isinstance(value, dict):
        known = {name: _said(inner, bare.fields[name].type) for name, inner in value.items() if name in bare.fields}
        return known | {name: inner for name, inner in value.items() if name not in known and inner is not None}
    return value


def _check_served(value: Any, kind: GraphQLInputType) -> None:
    """Raise Refused if something in a value is set that is not served."""
    bare = get_nullable_type(kind)
    if is_list_type(bare):
        for one in value or ():
            _check_served(one, bare.of_type)
    elif is_input_object_type(bare):
        for name, inner in (value or {}).items():
            if inner is not None and f"{bare.name}.{name}" in REFUSED:
                raise Refused(REFUSED[f"{bare.name}.{name}"])
            _check_served(inner, bare.fields[name].type)
