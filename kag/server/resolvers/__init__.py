"""What each field of the GraphQL API answers. Each module holds the types of one matter; `registry` joins them."""

from __future__ import annotations

from kag.server.context import Context
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers import (
    account,
    artifact_changes,
    artifacts,
    collection_changes,
    collections,
    files,
    history,
    imported,
    projects,
    runs,
    sweeps,
)
from kag.server.resolvers.asked import guarded
from kag.server.rights import Act
from kag.server.things import shown_thing

_MODULES = (
    account,
    projects,
    runs,
    history,
    files,
    sweeps,
    artifacts,
    artifact_changes,
    collections,
    collection_changes,
    imported,
)


def registry() -> Registry[Context]:
    """Type -> field -> resolver, of all modules."""
    joined: dict[str, dict[str, Resolver[Context]]] = {}
    for module in _MODULES:
        for type_name, fields in module.TYPES.items():
            known = joined.setdefault(type_name, {})
            twice = known.keys() & fields.keys()
            if twice:
                raise ValueError(f"{type_name}: {', '.join(sorted(twice))} has two resolvers")
            known.update(fields)
    return joined | {"Mutation": {name: guarded(name, resolver) for name, resolver in joined["Mutation"].items()}}


def seen(context: Context, node: Node) -> None:
    """Let an object be looked at; a key for one project sees no other, by whatever way it is reached.

    Raises:
        Forbidden: it is of another project.
    """
    thing = None if context.key.place is None else shown_thing(context.connection, node.type, node.value)
    if thing is not None:
        context.ask(Act.READ, thing)
