"""Collections of artifacts: by project, by type, by name and alias."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, select

from kag.server import artifacts
from kag.server.arguments import Arguments
from kag.server.context import Context, encode_id
from kag.server.graphql import Node, Registry
from kag.server.resolvers.artifacts import (
    alias_nodes,
    artifact_node,
    file_page,
    identifier,
)
from kag.server.resolvers.fields import column, constant, moment
from kag.server.resolvers.pages import connection, connection_types
from kag.server.resolvers.projects import project_by_id
from kag.server.store import all_rows
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table


def _membership(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return (
        None if found is None else Node("ArtifactCollectionMembership", {"collection": found[0], "artifact": found[1]})
    )


def _membership_by_alias(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    found = artifacts.named(context.connection, row["id"], str(arguments.get("aliasName") or "latest"))
    return None if found is None else Node("ArtifactCollectionMembership", {"collection": row, "artifact": found})


def _artifact_by_name(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None else artifact_node(found[1])


def _collection(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return None if found is None else Node("ArtifactSequence", found)


def _collections(context: Context, row: Any, arguments: Arguments) -> Node:
    query = select(collection_table).where(collection_table.c.project_id == row["id"])
    found = all_rows(context.connection, query.order_by(collection_table.c.id))
    return connection("ArtifactCollection", [Node("ArtifactSequence", one) for one in found], arguments)


def _types(context: Context, row: Any, arguments: Arguments) -> list[Node]:
    query = select(collection_table.c.type).where(collection_table.c.project_id == row["id"]).distinct()
    return [_type_node(row, one["type"]) for one in all_rows(context.connection, query.order_by("type"))]


def _type_node(project: Any, name: str) -> Node:
    return Node("ArtifactType", {"id": project["id"], "name": name})


def _type(context: Context, row: Any, arguments: Arguments) -> Node | None:
    return next((one for one in _types(context, row, {}) if one.value["name"] == arguments.get("name")), None)


def _collections_of_type(context: Context, row: Any, arguments: Arguments) -> Node:
    where = (collection_table.c.project_id == row["id"], collection_table.c.type == row["name"])
    found = all_rows(context.connection, select(collection_table).where(*where).order_by(collection_table.c.id))
    return connection("ArtifactCollection", [Node("ArtifactSequence", one) for one in found], arguments)


def _collection_of_type(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return None if found is None or found["type"] != row["name"] else Node("ArtifactSequence", found)


def _artifact_of_type(context: Context, row: Any, arguments: Arguments) -> Node | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None or found[0]["type"] != row["name"] else artifact_node(found[1])


def _versions(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    where = (artifact_table.c.collection_id == row["id"], artifact_table.c.state == artifacts.COMMITTED)
    found = all_rows(context.connection, select(artifact_table).where(*where).order_by(artifact_table.c.version.desc()))
    return connection("VersionedArtifact", [Node("Artifact", one) for one in found], arguments)


def _all_aliases(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    versions = all_rows(context.connection, select(artifact_table).where(artifact_table.c.collection_id == row["id"]))
    found = [one for version in versions for one in alias_nodes(context, version, {})]
    return connection("ArtifactAlias", found, arguments)


def _membership_files(context: Context, row: Any, arguments: Arguments) -> Node:
    return file_page(context, row["artifact"], arguments)


def _memberships(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Where an artifact belongs: the collection that it was made in, since none is linked elsewhere here."""
    owner = artifacts.collection_of(context.connection, row["collection_id"])
    member = Node("ArtifactCollectionMembership", {"collection": owner, "artifact": row})
    return connection("ArtifactMembership", [member], arguments)


def _project_node(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    return project_by_id(context, row["project_id"])


COLLECTION: dict[str, Any] = {
    "id": identifier("ArtifactCollection"),
    "name": column("name"),
    "description": constant(None),
    "createdAt": moment("created_at"),
    "updatedAt": moment("created_at"),
    "state": constant("READY"),
    "project": _project_node,
    "defaultArtifactType": lambda context, row, arguments: Node("ArtifactType", {"id": 0, "name": row["type"]}),
    "digestAlgorithm": constant("MANIFEST_MD5"),
    "latestArtifact": lambda context, row, arguments: artifact_node(artifacts.latest(context.connection, row["id"])),
    "artifactMembership": _membership_by_alias,
    "artifacts": _versions,
    "aliases": _all_aliases,
    "tags": lambda context, row, arguments: connection("Tag", [], arguments),
}

TYPES: Registry[Context] = {
    "ArtifactCollectionMembership": {
        "id": lambda context, row, arguments: encode_id("Membership", row["artifact"]["id"]),
        "versionIndex": lambda context, row, arguments: row["artifact"]["version"],
        "createdAt": lambda context, row, arguments: moment("created_at")(context, row["artifact"], {}),
        "aliases": lambda context, row, arguments: alias_nodes(context, row["artifact"], {}),
        "artifactCollection": lambda context, row, arguments: Node("ArtifactSequence", row["collection"]),
        "artifact": lambda context, row, arguments: artifact_node(row["artifact"]),
        "files": _membership_files,
    },
    "ArtifactType": {
        "id": identifier("ArtifactType"),
        "name": column("name"),
        "description": constant(None),
        "createdAt": constant("1970-01-01T00:00:00Z"),
        "artifactCollections": _collections_of_type,
        "artifactCollection": _collection_of_type,
        "artifactSequence": _collection_of_type,
        "artifact": _artifact_of_type,
    },
    "Project": {
        "artifact": _artifact_by_name,
        "artifactCollectionMembership": _membership,
        "artifactCollection": _collection,
        "artifactCollections": _collections,
        "artifactTypes": lambda context, row, arguments: connection(
            "ArtifactType", _types(context, row, {}), arguments
        ),
        "artifactType": _type,
    },
    "Artifact": {"artifactMemberships": _memberships},
    "ArtifactSequence": COLLECTION,
    **connection_types("ArtifactCollection"),
    **connection_types("ArtifactType"),
    **connection_types("ArtifactMembership"),
    **connection_types("VersionedArtifact"),
    "VersionedArtifactEdge": {
        **connection_types("VersionedArtifact")["VersionedArtifactEdge"],
        "version": lambda context, row, arguments: f"v{row['node'].value['version']}",
    },
}
