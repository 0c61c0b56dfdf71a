"""Who asks, and what the server can do."""

from __future__ import annotations

from typing import Any

from kag.server.arguments import Arguments
from kag.server.context import Context, encode_id
from kag.server.graphql import Node, Registry, Resolver
from kag.server.resolvers.fields import column, constant
from kag.server.resolvers.pages import connection, connection_types

FEATURES = ("FILESTREAM_GZIP", "SWEEPS_QUERY_FILTERING", "MARK_RUN_FILES_UPLOADED")
"""Features of newer servers that this one has; the client takes its older ways for all others."""


def _viewer(context: Context, _: Any, arguments: Arguments) -> Node:
    return user(context, context.user)


def user(context: Context, name: str) -> Node:
    """A person or machine with a key."""
    return Node("User", {"name": name, "entity": context.settings.entity})


def _teams(context: Context, row: Any, arguments: Arguments) -> Node:
    return connection("Team", [Node("Team", {"name": context.settings.entity})], {})


def _features(context: Context, _: Any, arguments: Arguments) -> list[Node]:
    return [Node("ServerFeature", {"name": name, "isEnabled": True}) for name in FEATURES]


def _entity(context: Context, _: Any, arguments: Arguments) -> Node:
    return Node("Entity", {"name": str(arguments.get("name") or context.settings.entity)})


def introspection(joined: Registry[Context]) -> Resolver[Context]:
    """Clients up to 0.23 ask what fields a type has before they use them."""

    def answer(context: Context, _: Any, arguments: Arguments) -> Node | None:
        fields = joined.get(str(arguments.get("name")))
        if fields is None:
            return Node("Introspected", {"name": arguments.get("name"), "fields": []})
        found = [Node("IntrospectedField", {"name": name}) for name in fields]
        return Node("Introspected", {"name": arguments.get("name"), "fields": found})

    return answer


TYPES: Registry[Context] = {
    "Query": {
        "viewer": _viewer,
        "serverInfo": lambda context, _, arguments: Node("ServerInfo"),
        "entity": _entity,
        "organization": constant(None),
    },
    "Mutation": {},
    "User": {
        "id": lambda context, row, arguments: encode_id("User", 1),
        "name": column("name"),
        "username": column("name"),
        "email": lambda context, row, arguments: f"{row['name']}@localhost",
        "entity": column("entity"),
        "admin": constant(False),
        "flags": constant("{}"),
        "deletedAt": constant(None),
        "apiKeys": lambda context, row, arguments: connection("ApiKey", [], {}),
        "teams": _teams,
        "organizations": constant([]),
    },
    "Team": {"name": column("name")},
    "ServerInfo": {
        "features": _features,
        "cliVersionInfo": lambda context, _, arguments: {"max_cli_version": "99.0.0"},
        "latestLocalVersionInfo": constant(None),
    },
    "ServerFeature": {"name": column("name"), "isEnabled": column("isEnabled")},
    "Entity": {
        "id": lambda context, row, arguments: encode_id("Entity", 1),
        "name": column("name"),
        "isTeam": constant(True),
        "available": constant(False),
        "readOnly": constant(False),
        "defaultAccess": constant("PRIVATE"),
        "organization": constant(None),
        "user": constant(None),
        "xxhashDigestsEnabled": constant(False),
        "members": constant([]),
    },
    "Introspected": {
        "name": column("name"),
        "fields": column("fields"),
        "inputFields": lambda context, row, arguments: [],
        "enumValues": lambda context, row, arguments: [],
    },
    "IntrospectedField": {"name": column("name"), "args": lambda context, row, arguments: []},
    "PageInfo": {"endCursor": column("endCursor"), "hasNextPage": column("hasNextPage")},
    **connection_types("Team"),
    **connection_types("ApiKey"),
}
