"""Collections of artifacts: by project, by type, by name and alias."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import RowMapping, Select, select

from kag.server.aliases import LATEST
from kag.server.arguments import Arguments, json_object
from kag.server.batches import Read, lists_of, rows_of
from kag.server.collections import PORTFOLIO, by_path, collection_by_id, find_collection, member
from kag.server.context import Context, encode_id
from kag.server.faults import Refused, needed
from kag.server.graphql import Node, Registry, Resolver
from kag.server.keyset import Key
from kag.server.order import order_of
from kag.server.resolvers.artifacts import MEMBERSHIPS, collection_row, file_page, type_of
from kag.server.resolvers.fields import column, columns, constants, identifier, moments, optional
from kag.server.resolvers.pages import connection, listed, queried
from kag.server.resolvers.projects import project_of
from kag.server.store import find, first
from kag.server.tables import COMMITTED, aliases, artifact_types, collection_tags, memberships
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table

Row = RowMapping | Mapping[str, Any]


_ARTIFACTS = rows_of(artifact_table)
_ALIASES = select(aliases).order_by(aliases.c.id)
_ALIASES_OF_COLLECTIONS = lists_of(_ALIASES, aliases.c.collection_id)
_ALIASES_OF_MEMBERS = lists_of(_ALIASES, aliases.c.membership_id)
_TAGS = lists_of(select(collection_tags).order_by(collection_tags.c.id), collection_tags.c.collection_id)


def collection_node(row: Row) -> Node:
    """A collection as an object of its GraphQL type."""
    return Node("ArtifactPortfolio" if row["kind"] == PORTFOLIO else "ArtifactSequence", row)


def _by_id(context: Context, _: Any, arguments: Arguments) -> Node:
    return collection_node(collection_by_id(context.connection, arguments.get("id")))


def _membership(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return by_path(context.connection, row["id"], arguments.get("name"))


def _membership_by_alias(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return member(context.connection, row["id"], str(arguments.get("aliasName") or LATEST))


def _belongs(owner: Row, collection: Row) -> bool:
    """Whether a collection belongs to an owner in its project: the project itself, or one type of artifacts in it."""
    return "project_id" not in owner or owner["name"] == collection["type"]


def _project_id(owner: Row) -> int:
    """The project that an owner of collections is, or is in."""
    return int(owner.get("project_id", owner["id"]))


def _artifact_of(context: Context, membership: RowMapping) -> RowMapping:
    return needed(context.batches.row("artifact", membership["artifact_id"], _ARTIFACTS), "no such artifact")


def _collection_of(context: Context, row: Row, arguments: Arguments) -> Node:
    """The collection that a membership or an alias belongs to."""
    return collection_node(collection_row(context, row))


def _artifact(context: Context, row: Row, arguments: Arguments) -> RowMapping | None:
    found = by_path(context.connection, _project_id(row), arguments.get("name"))
    if found is None or not _belongs(row, _collection_of(context, found, {}).value):
        return None
    return _artifact_of(context, found)


def _collection(context: Context, row: Row, arguments: Arguments) -> Node | None:
    found = find_collection(context.connection, _project_id(row), arguments.get("name"))
    return collection_node(found) if found is not None and _belongs(row, found) else None


def _sequence(context: Context, row: Row, arguments: Arguments) -> Node | None:
    found = _collection(context, row, arguments)
    return found if found is not None and found.type == "ArtifactSequence" else None


def _listed(*, sequences: bool) -> Resolver[Context]:
    """A resolver that gives the collections of an owner, oldest first if the client does not care."""

    def resolve(context: Context, owner: Row, arguments: Arguments) -> Node:
        if json_object("filters", arguments.get("filters") or "{}"):
            raise Refused("kag serve does not filter collections of artifacts")
        query = select(collection_table).filter_by(project_id=_project_id(owner))
        if "project_id" in owner:
            query = query.filter_by(type=owner["name"])
        if sequences:
            query = query.where(collection_table.c.kind != PORTFOLIO)
        keys = order_of(arguments, COLLECTION_ORDERS, last=Key(collection_table.c.id))
        return queried(context, "ArtifactCollection", query, keys, arguments, collection_node)

    return resolve


_collections = _listed(sequences=False)
_sequences = _listed(sequences=True)


def _types(project: Row) -> Select[Any]:
    return select(artifact_types).filter_by(project_id=project["id"]).order_by(artifact_types.c.name)


def _type(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return find(context.connection, artifact_types, project_id=row["id"], name=str(arguments.get("name")))


def _members(collection: Row) -> Select[Any]:
    """The versions in a collection with their numbers there."""
    query = select(artifact_table, memberships.c.version)
    query = query.join(memberships, memberships.c.artifact_id == artifact_table.c.id)
    return query.where(memberships.c.collection_id == collection["id"])


def _latest(context: Context, collection: RowMapping, arguments: Arguments) -> RowMapping | None:
    return first(context.connection, _members(collection).order_by(memberships.c.version.desc()))


def _versions(context: Context, collection: RowMapping, arguments: Arguments) -> Node:
    """The versions in a collection, newest first if the client does not care; only committed ones are in it."""
    filters = json_object("filters", arguments.get("filters") or "{}")
    if filters not in ({}, {"state": COMMITTED}):
        raise Refused(f"kag serve lists the versions that are {COMMITTED} and has no other filter for them")
    keys = order_of(arguments, VERSION_ORDERS, last=Key(memberships.c.version, falling=True))
    query = _members(collection)
    return queried(context, "VersionedArtifact", query, keys, arguments, partial(Node, "Artifact"))


def _alias(name: str, collection_id: int, key: str) -> Node:
    return Node("ArtifactAlias", {"id": key, "alias": name, "collection_id": collection_id})


def _aliases(context: Context, kind: str, number: int, read: Read[list[RowMapping]]) -> list[Node]:
    rows = context.batches.get(kind, number, read) or ()
    return [_alias(row["alias"], row["collection_id"], encode_id("Alias", row["id"])) for row in rows]


def _all_aliases(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return connection("ArtifactAlias", _aliases(context, "collection", row["id"], _ALIASES_OF_COLLECTIONS), arguments)


def _tags(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    tags = context.batches.get("collection", row["id"], _TAGS) or ()
    return connection("Tag", [Node("Tag", one) for one in tags], arguments, [[one["id"]] for one in tags])


def _memberships(artifact: RowMapping) -> Select[Any]:
    """Where a version belongs: the collection that it was logged to, then those that it is linked to."""
    return select(memberships).filter_by(artifact_id=artifact["id"]).order_by(memberships.c.id)


def _member_aliases(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    """The names of a member of a collection. Its number there is one of them, as W&B has it: older clients learn the
    number in no other way.
    """
    number = _alias(f"v{row['version']}", row["collection_id"], encode_id("Membership", row["id"]))
    return [*_aliases(context, "membership", row["id"], _ALIASES_OF_MEMBERS), number]


def _artifact_aliases(context: Context, row: RowMapping, arguments: Arguments) -> list[Node]:
    places = context.batches.get("artifact", row["id"], MEMBERSHIPS, gives="membership") or ()
    return [one for place in places for one in _member_aliases(context, place, {})]


COLLECTION_ORDERS = {"name": collection_table.c.name, "createdAt": collection_table.c.created_at}
VERSION_ORDERS = {
    "createdAt": artifact_table.c.created_at,
    "updatedAt": artifact_table.c.updated_at,
    "versionIndex": memberships.c.version,
}
"""Words of `order` -> columns."""


_COLLECTION: dict[str, Resolver[Context]] = {
    "id": identifier("ArtifactCollection"),
    **columns("name", "description"),
    **moments(createdAt="created_at", updatedAt="created_at"),
    "state": lambda context, row, arguments: row.get("state", "READY"),
    "project": project_of,
    "defaultArtifactType": type_of,
    "artifactMembership": optional("ArtifactCollectionMembership", _membership_by_alias),
    "artifacts": _versions,
    "aliases": _all_aliases,
    "tags": _tags,
    **constants(digestAlgorithm="MANIFEST_MD5"),
    "latestArtifact": optional("Artifact", _latest),
}
TYPES: Registry[Context] = {
    "Query": {"artifactCollection": _by_id},
    "ArtifactCollectionMembership": {
        "id": identifier("Membership"),
        "versionIndex": column("version"),
        **moments(createdAt="created_at"),
        "aliases": _member_aliases,
        "artifactCollection": _collection_of,
        "artifact": lambda context, row, arguments: Node("Artifact", _artifact_of(context, row)),
        "files": lambda context, row, arguments: file_page(context, _artifact_of(context, row), arguments),
    },
    "ArtifactAlias": {**columns("id", "alias"), "artifactCollection": _collection_of},
    "ArtifactType": {
        "id": identifier("ArtifactType"),
        **columns("name", "description"),
        **moments(createdAt="created_at"),
        "artifactCollections": _collections,
        "artifactCollection": _collection,
        "artifactSequence": _sequence,
        "artifactSequences": _sequences,
        "artifact": optional("Artifact", _artifact),
    },
    "Project": {
        "artifact": optional("Artifact", _artifact),
        "artifactCollectionMembership": optional("ArtifactCollectionMembership", _membership),
        "artifactCollection": _collection,
        "artifactCollections": _collections,
        "artifactTypes": listed("ArtifactType", _types),
        "artifactType": optional("ArtifactType", _type),
    },
    "Artifact": {
        "aliases": _artifact_aliases,
        "artifactMemberships": listed("ArtifactCollectionMembership", _memberships),
    },
    **dict.fromkeys(("ArtifactSequence", "ArtifactPortfolio"), _COLLECTION),
    "VersionedArtifactEdge": {
        **columns("node", "cursor"),
        "version": lambda context, row, arguments: f"v{row['node'].value['version']}",
    },
}
