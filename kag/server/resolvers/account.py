"""Who asks, and what the server can do."""

from __future__ import annotations

from typing import Any

from kag.server.arguments import Arguments
from kag.server.context import Context, encode_id
from kag.server.graphql import Node, Registry
from kag.server.keys import list_keys
from kag.server.resolvers.fields import columns, constant, constants
from kag.server.resolvers.pages import connection
from kag.server.store import total
from kag.server.tables import blobs

FEATURES = ("FILESTREAM_GZIP", "SWEEPS_QUERY_FILTERING", "MARK_RUN_FILES_UPLOADED")
"""Features of newer servers that this one has; the client takes its older ways for all others."""


def user(context: Context, name: str) -> Node:
    """A person or machine with a key."""
    return Node("User", {"name": name, "entity": context.settings.entity})


def _users(context: Context, _: Any, arguments: Arguments) -> Node:
    """Those whose name or address holds a text."""
    everyone = [user(context, one["name"]) for one in list_keys(context.connection) if one["revoked_at"] is None]
    part = str(arguments.get("query") or "").casefold()
    return connection("User", [one for one in everyone if part in _address(one.value["name"]).casefold()], arguments)


def _address(name: str) -> str:
    return f"{name}@localhost"


def _entity(context: Context, _: Any, arguments: Arguments) -> Node:
    return Node("Entity", {"name": str(arguments.get("name") or context.settings.entity)})


TYPES: Registry[Context] = {
    "Query": {
        "viewer": lambda context, row, arguments: user(context, context.user),
        "serverInfo": constant(Node("ServerInfo")),
        "entity": _entity,
        "organization": constant(None),
        "users": _users,
    },
    "User": {
        **columns("name", "entity", username="name"),
        **constants(id=encode_id("User", 1), admin=False, flags="{}", deletedAt=None, photoUrl=None, organizations=[]),
        "email": lambda context, row, arguments: _address(row["name"]),
        "apiKeys": constant(connection("ApiKey", [], {})),
        "teams": lambda context, row, arguments: connection("Team", [Node("Team", {"name": row["entity"]})], {}),
    },
    "ServerInfo": constants(
        features=[Node("ServerFeature", {"name": name, "isEnabled": True}) for name in FEATURES],
        cliVersionInfo={"max_cli_version": "99.0.0"},
        latestLocalVersionInfo=None,
    ),
    "Entity": {
        **columns("name"),
        **constants(id=encode_id("Entity", 1), isTeam=True, available=False, readOnly=False, defaultAccess="PRIVATE"),
        **constants(organization=None, user=None, xxhashDigestsEnabled=False, members=[], entityType="TEAM"),
        **constants(readOnlyAdmin=False, privateOnly=False, codeSavingEnabled=True, isPaid=False),
        **constants(limits=None, photoUrl=None),
        "storageBytes": lambda context, row, arguments: total(context.connection, blobs.c.size),
    },
}
