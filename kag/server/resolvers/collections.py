"""Collections of artifacts: by project, by type, by name and alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, select

from kag.server import artifacts
from kag.server.arguments import Arguments
from kag.server.context import Context, decode_id, encode_id
from kag.server.graphql import Node, Registry
from kag.server.resolvers.artifacts import alias_nodes, file_page
from kag.server.resolvers.fields import column, columns, constants, identifier, moments, optional, time_text
from kag.server.resolvers.pages import connection, listed
from kag.server.resolvers.projects import project_of
from kag.server.store import all_rows, find, first
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table


def _membership(context: Context, row: RowMapping, arguments: Arguments) -> dict[str, RowMapping] | None:
    return artifacts.by_path(context.connection, row["id"], arguments.get("name"))


def _membership_by_alias(context: Context, row: RowMapping, arguments: Arguments) -> dict[str, RowMapping] | None:
    found = artifacts.named(context.connection, row["id"], str(arguments.get("aliasName") or "latest"))
    return None if found is None else {"collection": row, "artifact": found}


def _is_of(owner: Mapping[str, Any], collection: RowMapping) -> bool:
    """Whether a collection belongs to an owner in its project: the project itself, or one type of artifacts in it."""
    return owner.get("type") in (None, collection["type"])


def _artifact(context: Context, row: Mapping[str, Any], arguments: Arguments) -> RowMapping | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return found["artifact"] if found is not None and _is_of(row, found["collection"]) else None


def _collection(context: Context, row: Mapping[str, Any], arguments: Arguments) -> RowMapping | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return found if found is not None and _is_of(row, found) else None


def _collection_by_id(context: Context, _: Any, arguments: Arguments) -> RowMapping | None:
    return find(context.connection, collection_table, id=decode_id("ArtifactCollection", arguments["id"]))


def _collections(owner: Mapping[str, Any]) -> Select[Any]:
    type_of_owner = {"type": owner["type"]} if "type" in owner else {}
    return select(collection_table).filter_by(project_id=owner["id"], **type_of_owner).order_by(collection_table.c.id)


def _types(context: Context, row: RowMapping) -> list[Node]:
    query = select(collection_table.c.type).filter_by(project_id=row["id"]).distinct().order_by("type")
    return [Node("ArtifactType", {**one, "id": row["id"]}) for one in all_rows(context.connection, query)]


def _type(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    return next((one for one in _types(context, row) if one.value["type"] == arguments.get("name")), None)


def _versions(collection: RowMapping) -> Select[Any]:
    committed = select(artifact_table).filter_by(collection_id=collection["id"], state=artifacts.COMMITTED)
    return committed.order_by(artifact_table.c.version.desc())


def _all_aliases(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    versions = all_rows(context.connection, select(artifact_table).filter_by(collection_id=row["id"]))
    found = [one for version in versions for one in alias_nodes(context, version, {})]
    return connection("ArtifactAlias", found, arguments)


def _memberships(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Where an artifact belongs: the collection that it was made in, since none is linked elsewhere here."""
    owner = artifacts.collection_of(context.connection, row)
    member = Node("ArtifactCollectionMembership", {"collection": owner, "artifact": row})
    return connection("ArtifactMembership", [member], arguments)


TYPES: Registry[Context] = {
    "ArtifactCollectionMembership": {
        "id": lambda context, row, arguments: encode_id("Membership", row["artifact"]["id"]),
        "versionIndex": lambda context, row, arguments: row["artifact"]["version"],
        "createdAt": lambda context, row, arguments: time_text(row["artifact"]["created_at"]),
        "aliases": lambda context, row, arguments: alias_nodes(context, row["artifact"], {}),
        "artifactCollection": lambda context, row, arguments: Node("ArtifactSequence", row["collection"]),
        "artifact": lambda context, row, arguments: Node("Artifact", row["artifact"]),
        "files": lambda context, row, arguments: file_page(context, row["artifact"], arguments),
    },
    "ArtifactType": {
        "id": identifier("ArtifactType"),
        "name": column("type"),
        **constants(description=None, createdAt="1970-01-01T00:00:00Z"),
        "artifactCollections": listed("ArtifactCollection", _collections, "ArtifactSequence"),
        **dict.fromkeys(("artifactCollection", "artifactSequence"), optional("ArtifactSequence", _collection)),
        "artifact": optional("Artifact", _artifact),
        "artifactSequences": listed("ArtifactCollection", _collections, "ArtifactSequence"),
    },
    "Query": {"artifactCollection": optional("ArtifactSequence", _collection_by_id)},
    "Project": {
        "artifact": optional("Artifact", _artifact),
        "artifactCollectionMembership": optional("ArtifactCollectionMembership", _membership),
        "artifactCollection": optional("ArtifactSequence", _collection),
        "artifactCollections": listed("ArtifactCollection", _collections, "ArtifactSequence"),
        "artifactTypes": lambda context, row, arguments: connection("ArtifactType", _types(context, row), arguments),
        "artifactType": _type,
    },
    "Artifact": {"artifactMemberships": _memberships},
    "ArtifactSequence": {
        "id": identifier("ArtifactCollection"),
        **columns("name"),
        **constants(description=None, state="READY", digestAlgorithm="MANIFEST_MD5"),
        **moments(createdAt="created_at", updatedAt="created_at"),
        "project": project_of,
        "defaultArtifactType": lambda context, row, arguments: Node("ArtifactType", {"id": 0, "type": row["type"]}),
        "latestArtifact": optional("Artifact", lambda context, row, _: first(context.connection, _versions(row))),
        "artifactMembership": optional("ArtifactCollectionMembership", _membership_by_alias),
        "artifacts": listed("VersionedArtifact", _versions, "Artifact"),
        "aliases": _all_aliases,
        "tags": lambda context, row, arguments: connection("Tag", [], arguments),
    },
    "VersionedArtifactEdge": {
        **columns("node", "cursor"),
        "version": lambda context, row, arguments: f"v{row['node'].value['version']}",
    },
}
