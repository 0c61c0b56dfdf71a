"""What each field of the GraphQL API answers. Each module holds the types of one matter; `registry` joins them."""

from __future__ import annotations

from kag.server.context import Context
from kag.server.graphql import Registry, Resolver
from kag.server.resolvers import (
    account,
    artifact_changes,
    artifacts,
    collection_changes,
    collections,
    files,
    history,
    projects,
    runs,
    sweeps,
)

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
    return joined
