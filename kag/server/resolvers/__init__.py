"""What each field of the GraphQL API answers. Each module holds the types of one matter; `registry` joins them."""

from __future__ import annotations

from collections.abc import Mapping

from kag.server.context import Context
from kag.server.graphql import Registry, Resolver
from kag.server.resolvers import (
    account,
    artifact_changes,
    artifacts,
    collections,
    files,
    history,
    projects,
    runs,
    sweeps,
)


def registry() -> Registry[Context]:
    """Type -> field -> resolver, of all modules."""
    joined: dict[str, dict[str, Resolver[Context]]] = {}
    parts = (
        account.TYPES,
        projects.TYPES,
        runs.TYPES,
        history.TYPES,
        files.TYPES,
        sweeps.TYPES,
        artifacts.TYPES,
        artifact_changes.TYPES,
        collections.TYPES,
    )
    for part in parts:
        _join(joined, part)
    joined["Query"]["__type"] = account.introspection(joined)
    return joined


def _join(joined: dict[str, dict[str, Resolver[Context]]], part: Mapping[str, Mapping[str, Resolver[Context]]]) -> None:
    for type_name, fields in part.items():
        known = joined.setdefault(type_name, {})
        twice = known.keys() & fields.keys()
        if twice:
            raise ValueError(f"{type_name}: {', '.join(sorted(twice))} has two resolvers")
        known.update(fields)
